#include "client/located.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/fs_state.h"
#include "common/clock.h"
#include "common/log.h"
#include "proto/client_datanode.pb-c.h"

/* ---- checking ---- */

static int compare_offsets(const void *a, const void *b)
{
    const Pb__LocatedBlock *const *x = a, *const *y = b;

    return (*x)->offset < (*y)->offset ? -1 : (*x)->offset > (*y)->offset;
}

static bool block_sane(const Pb__LocatedBlock *block)
{
    uint64_t length = block->b->numbytes;

    return block->offset <= INT64_MAX && length <= INT64_MAX && block->offset + length <= INT64_MAX;
}

int located_check(struct located *located, struct err *err)
{
    Pb__LocatedBlocks *blocks = located->blocks;

    if (blocks->filelength > INT64_MAX)
        return err_set(err, ERR_BAD_MESSAGE, "the namenode sent an impossible file length");
    for (size_t i = 0; i < blocks->n_blocks; i++)
        if (!block_sane(blocks->blocks[i]))
            return err_set(err, ERR_BAD_MESSAGE, "the namenode sent an impossible block length");
    if (blocks->lastblock && !block_sane(blocks->lastblock))
        return err_set(err, ERR_BAD_MESSAGE, "the namenode sent an impossible block length");
    if (blocks->n_blocks)
        qsort(blocks->blocks, blocks->n_blocks, sizeof *blocks->blocks, compare_offsets);
    for (size_t i = 1; i < blocks->n_blocks; i++) {
        const Pb__LocatedBlock *before = blocks->blocks[i - 1];
        if (before->offset + before->b->numbytes > blocks->blocks[i]->offset)
            return err_set(err, ERR_BAD_MESSAGE, "the namenode sent blocks that overlap");
    }
    located->length = blocks->filelength;
    return 0;
}

/* ---- the length of a block that is being written ---- */

static int visible_length(struct fs *fs, const Pb__LocatedBlock *last, size_t replica,
                          uint64_t *length, struct err *err)
{
    Pb__GetReplicaVisibleLengthRequest request = PB__GET_REPLICA_VISIBLE_LENGTH_REQUEST__INIT;
    Pb__GetReplicaVisibleLengthResponse *response;
    const Pb__DatanodeID *node = last->locs[replica]->id;
    char address[LOCATED_ADDRESS_MAX];
    struct arena arena = {0};

    snprintf(address, sizeof address, "%s:%u",
             fs->settings.use_datanode_hostname ? node->hostname : node->ipaddr, node->ipcport);
    request.block = last->b;
    int rc = fs_call_datanode(fs, address, NULL, "getReplicaVisibleLength", &request,
                              &pb__get_replica_visible_length_response__descriptor, &arena,
                              &response, err);
    if (!rc) {
        *length = response->length;
        if (*length > INT64_MAX - last->offset)
            rc = err_set(err, ERR_BAD_MESSAGE, "impossible replica length from %s", address);
    }
    arena_release(&arena);
    return rc;
}

/* DFSInputStream.readBlockLength: any replica of the pipeline may tell. ERR_RETRIABLE: ask again
 * later. */
static int last_block_length(struct fs *fs, const Pb__LocatedBlock *last, uint64_t *length,
                             struct err *err)
{
    char name[LOCATED_NAME_MAX];
    size_t without = 0;

    for (size_t i = 0; i < last->n_locs; i++) {
        int rc = visible_length(fs, last, i, length, err);
        if (!rc) return 0;
        if (rc == ERR_REPLICA_NOT_FOUND) without++;
        log_debug("length of the last block from %s: %s", last->locs[i]->id->hostname, err->text);
    }
    /* Allocated, but no datanode has heard of it: nothing was written yet. Without any location
     * nobody knows. */
    if (last->n_locs && without == last->n_locs) return *length = 0, 0;
    located_block_name(last->b, name, sizeof name);
    if (!last->n_locs) return err_set(err, ERR_RETRIABLE, "no locations for last block %s", name);
    return err_set(err, ERR_IO, "Cannot obtain block length for %s", name);
}

static int fetch_once(struct fs *fs, const char *path, uint64_t offset, uint64_t length,
                      struct located *located, struct err *err)
{
    Pb__GetBlockLocationsRequest request = PB__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    Pb__GetBlockLocationsResponse *response;

    request.src = (char *)(uintptr_t)path;
    request.offset = offset;
    request.length = MIN(length, (uint64_t)INT64_MAX - offset);
    int rc =
        fs_call(fs, "getBlockLocations", &request, &pb__get_block_locations_response__descriptor,
                &located->arena, &response, err);
    if (rc) return rc;
    if (!response->locations) return err_set(err, ERR_NOT_FOUND, "File does not exist: %s", path);
    located->blocks = response->locations;
    rc = located_check(located, err);
    if (rc) return rc;
    Pb__LocatedBlock *last = located->blocks->lastblock;
    if (located->blocks->islastblockcomplete || !last) return 0;
    uint64_t visible = 0;
    rc = last_block_length(fs, last, &visible, err);
    if (rc) return rc;
    /* From here on the last block has the length that readers may see. */
    last->b->numbytes = visible;
    last->b->has_numbytes = true;
    for (size_t i = 0; i < located->blocks->n_blocks; i++) {
        Pb__ExtendedBlock *b = located->blocks->blocks[i]->b;
        if (b->blockid == last->b->blockid) {
            b->numbytes = visible;
            b->has_numbytes = true;
        }
    }
    located->length = MAX(located->length, last->offset + visible);
    return 0;
}

int located_fetch(struct fs *fs, const char *path, uint64_t offset, uint64_t length,
                  struct located **result, struct err *err)
{
    if (offset > INT64_MAX) return err_set(err, ERR_ARGUMENT, "offset is too large");
    for (int tries = 0;; tries++) {
        struct located *located = NEW(struct located);

        atomic_init(&located->references, 1);
        int rc = fetch_once(fs, path, offset, length, located, err);
        if (!rc) {
            *result = located;
            return 0;
        }
        located_put(located);
        if (rc != ERR_RETRIABLE) return rc;
        if (tries >= fs->settings.last_length_retries)
            return err_set(err, ERR_IO, "Could not obtain the last block locations.");
        log_warn("Last block locations not available. Datanodes might not have reported blocks "
                 "completely. Will retry for %d times",
                 fs->settings.last_length_retries - tries);
        clock_sleep_ms(fs->settings.last_length_pause_ms);
    }
}

/* ---- life, look-up, names ---- */

void located_get(struct located *located)
{
    atomic_fetch_add(&located->references, 1);
}

void located_put(struct located *located)
{
    if (!located || atomic_fetch_sub(&located->references, 1) != 1) return;
    arena_release(&located->arena);
    mem_free(located);
}

const Pb__LocatedBlock *located_find(const struct located *located, uint64_t offset)
{
    const Pb__LocatedBlocks *blocks = located->blocks;
    size_t low = 0, high = blocks->n_blocks;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const Pb__LocatedBlock *block = blocks->blocks[middle];
        if (offset < block->offset)
            high = middle;
        else if (offset - block->offset >= block->b->numbytes)
            low = middle + 1;
        else
            return block;
    }
    const Pb__LocatedBlock *last = blocks->lastblock;
    if (last && offset >= last->offset && offset - last->offset < last->b->numbytes) return last;
    return NULL;
}

char *located_block_name(const Pb__ExtendedBlock *block, char *text, size_t size)
{
    snprintf(text, size, "%s:blk_%" PRId64 "_%" PRIu64, block->poolid, (int64_t)block->blockid,
             block->generationstamp);
    return text;
}

char *located_xfer_address(const struct fs *fs, const Pb__DatanodeID *node, char *text, size_t size)
{
    const char *host = fs->settings.use_datanode_hostname ? node->hostname : node->ipaddr;

    snprintf(text, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, node->xferport);
    return text;
}

/* ---- the public form ---- */

static uint16_t port_of(uint32_t port)
{
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void fill_replica(struct arena *arena, struct fs_replica *to, const Pb__LocatedBlock *block,
                         size_t i)
{
    const Pb__DatanodeInfo *node = block->locs[i];

    *to = (struct fs_replica){
        .host = arena_strdup(arena, node->id->hostname),
        .ip = arena_strdup(arena, node->id->ipaddr),
        .uuid = arena_strdup(arena, node->id->datanodeuuid),
        .xfer_port = port_of(node->id->xferport),
        .info_port = port_of(node->id->infoport),
        .ipc_port = port_of(node->id->ipcport),
        .rack = arena_strdup(arena, node->location ? node->location : "/default-rack"),
        .storage_id = i < block->n_storageids ? arena_strdup(arena, block->storageids[i]) : "",
        .storage_type =
            i < block->n_storagetypes ? (int)block->storagetypes[i] : (int)PB__STORAGE_TYPE__DISK,
        .cached = i < block->n_iscached && block->iscached[i],
    };
}

static void fill_block(struct fs_blocks *all, struct fs_block *to, const struct located *located,
                       const Pb__LocatedBlock *block)
{
    const Pb__LocatedBlocks *from = located->blocks;
    bool is_last = from->lastblock && from->lastblock->b->blockid == block->b->blockid;

    *to = (struct fs_block){
        .pool = arena_strdup(&all->arena, block->b->poolid),
        .id = block->b->blockid,
        .generation_stamp = block->b->generationstamp,
        .offset = block->offset,
        .length = block->b->numbytes,
        .corrupt = block->corrupt,
        .complete = !is_last || from->islastblockcomplete,
        .replica_count = block->n_locs,
        .replicas = arena_zalloc(&all->arena, block->n_locs * sizeof *to->replicas),
    };
    for (size_t i = 0; i < block->n_locs; i++)
        fill_replica(&all->arena, &to->replicas[i], block, i);
}

struct fs_blocks *located_public(const struct located *located)
{
    struct fs_blocks *all = NEW(struct fs_blocks);
    const Pb__LocatedBlocks *from = located->blocks;

    all->file_length = located->length;
    all->under_construction = from->underconstruction;
    all->count = from->n_blocks;
    all->blocks = arena_zalloc(&all->arena, all->count * sizeof *all->blocks);
    for (size_t i = 0; i < all->count; i++)
        fill_block(all, &all->blocks[i], located, from->blocks[i]);
    return all;
}

void fs_blocks_free(struct fs_blocks *blocks)
{
    if (!blocks) return;
    arena_release(&blocks->arena);
    mem_free(blocks);
}

int fs_block_locations(struct fs *fs, const char *path, uint64_t offset, uint64_t length,
                       struct fs_blocks **blocks, struct err *err)
{
    struct located *located;

    int rc = fs_check_path(path, err);
    if (rc) return rc;
    rc = located_fetch(fs, path, offset, length, &located, err);
    if (rc) return rc;
    *blocks = located_public(located);
    located_put(located);
    return 0;
}
