#include "namenode/located.h"

#include "namenode/ec_policy.h"

#include "namenode/dn_info.h"
#include "namenode/placement.h"
#include "namenode/snapshot.h"

enum { LOCATIONS_MAX = 512 }; /* of one block: the highest replication */

const Pb__Token located_empty_token = {
    .base = PROTOBUF_C_MESSAGE_INIT(&pb__token__descriptor),
    .identifier = {0, NULL},
    .password = {0, NULL},
    .kind = (char *)"",
    .service = (char *)"",
};

Pb__ExtendedBlock *located_extended_block(struct core *core, const struct block_id *id,
                                          struct arena *arena)
{
    Pb__ExtendedBlock *block = arena_alloc(arena, sizeof *block);

    pb__extended_block__init(block);
    block->poolid = core->identity.block_pool_id;
    block->blockid = id->id;
    block->generationstamp = id->generation_stamp;
    block->has_numbytes = 1;
    block->numbytes = id->length;
    return block;
}

struct block_id located_block_id(const Pb__ExtendedBlock *block)
{
    return (struct block_id){.id = block->blockid,
                             .generation_stamp = block->generationstamp,
                             .length = block->has_numbytes ? block->numbytes : 0};
}

int located_check_pool(struct core *core, const Pb__ExtendedBlock *block, struct err *err)
{
    if (!block || str_eq(block->poolid, core->identity.block_pool_id)) return 0;
    return err_set(err, ERR_IO, "Unexpected BlockPoolId %s - expected %s", block->poolid,
                   core->identity.block_pool_id);
}

Pb__LocatedBlock *located_block_make(struct core *core, const struct block_id *id,
                                     struct storage *const *storages, size_t count, uint64_t offset,
                                     struct arena *arena)
{
    Pb__LocatedBlock *out = arena_alloc(arena, sizeof *out);

    pb__located_block__init(out);
    out->b = located_extended_block(core, id, arena);
    out->offset = offset;
    out->blocktoken = (Pb__Token *)&located_empty_token;
    if (!count) return out;
    Pb__DatanodeInfo *infos = ARENA_ARRAY(arena, Pb__DatanodeInfo, count);
    out->locs = ARENA_ARRAY(arena, Pb__DatanodeInfo *, count);
    out->iscached = ARENA_ARRAY(arena, protobuf_c_boolean, count);
    out->storagetypes = ARENA_ARRAY(arena, Pb__StorageType, count);
    out->storageids = ARENA_ARRAY(arena, char *, count);
    for (size_t i = 0; i < count; i++) {
        dn_info_fill(core, storages[i]->datanode, &infos[i], arena);
        out->locs[i] = &infos[i];
        out->storagetypes[i] = (Pb__StorageType)storages[i]->type;
        out->storageids[i] = storages[i]->uuid;
    }
    out->n_locs = out->n_iscached = out->n_storagetypes = out->n_storageids = count;
    return out;
}

static Pb__LocatedBlock *locate_block(struct core *core, struct op *op, const struct block *block,
                                      uint64_t offset)
{
    struct storage *storages[LOCATIONS_MAX];
    struct block_id id = block_name(block);
    bool corrupt = false;
    size_t count;

    if (block->state == BLOCK_COMPLETE || block->state == BLOCK_COMMITTED) {
        count = blocks_live(core, block, storages, LOCATIONS_MAX);
        if (!count && block->state == BLOCK_COMMITTED)
            count = blocks_expected(core, block, storages, LOCATIONS_MAX);
        corrupt = blocks_all_corrupt(core, block);
        if (corrupt)
            count =
                blocks_holders(core, block, storages,
                               LOCATIONS_MAX); /* bad ones are shown when there is nothing else */
        placement_sort_for_reader(core, op->client_ip, storages, count);
    } else {
        count = blocks_expected(core, block, storages, LOCATIONS_MAX);
    }
    Pb__LocatedBlock *out = located_block_make(core, &id, storages, count, offset, op->arena);
    out->corrupt = corrupt;
    return out;
}

int located_blocks_fill(struct core *core, struct op *op, const struct inode *file, uint64_t offset,
                        uint64_t length, Pb__LocatedBlocks *out, struct err *err UNUSED)
{
    uint64_t end = offset + length < offset ? UINT64_MAX : offset + length, at = 0, last_offset = 0;
    struct block *last = inode_last_block(file);
    /* As in createLocatedBlockList: an empty unfinished last block is listed only behind one that overlaps, or when it is the only one. */
    bool started = file->block_count && !inode_block(file, 0)->length;

    out->underconstruction = file->under_construction;
    out->filelength = inode_length(file, false);
    out->islastblockcomplete = last && block_is_complete(last);
    out->blocks = ARENA_ARRAY(op->arena, Pb__LocatedBlock *, MAX(file->block_count, 1u));
    for (uint32_t i = 0; i < file->block_count; i++) {
        struct block *block = inode_block(file, i);
        uint64_t block_end = at + block->length;
        if (block_end > offset) started = true;
        if (started && (at < end || !out->n_blocks))
            out->blocks[out->n_blocks++] = locate_block(core, op, block, at);
        if (block == last) last_offset = at;
        at = block_end;
    }
    const struct ec_policy *policy = ec_policy_effective(core, file);
    if (policy) out->ecpolicy = ec_policy_message(policy, op->arena);
    if (last) out->lastblock = locate_block(core, op, last, last_offset);
    return 0;
}

void located_blocks_of_snapshot(struct core *core, struct op *op, const struct inode *file,
                                int32_t snapshot, uint64_t offset, uint64_t length,
                                Pb__LocatedBlocks *out)
{
    struct snapshot_file seen;
    uint64_t at = 0, end;

    snapshot_file(&core->tree, file, snapshot, &seen);
    end = MIN(offset + length < offset ? UINT64_MAX : offset + length, seen.length);
    out->filelength = seen.length;
    out->islastblockcomplete = true;
    out->blocks = ARENA_ARRAY(op->arena, Pb__LocatedBlock *, MAX(seen.block_count, 1u));
    for (uint32_t i = 0; i < seen.block_count; i++) {
        const struct block *block = seen.blocks[i];
        uint64_t block_end = at + block->length;

        if (block_end > offset && at < end)
            out->blocks[out->n_blocks++] = locate_block(core, op, block, at);
        if (at < seen.length && (block_end >= seen.length || i + 1 == seen.block_count))
            out->lastblock = locate_block(core, op, block, at);
        at = block_end;
    }
}
