#include "datanode/full_report.h"

#include "common/mem.h"

enum { RECORD_MAX = 4 * 10 };

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

void report_storage_add(struct report_storage *storage, int64_t id, int64_t length, uint64_t gs,
                        enum replica_state state)
{
    size_t last = storage->chunk_count - 1;

    if (!storage->chunk_count || storage->chunks[last].length + RECORD_MAX > FULL_REPORT_CHUNK) {
        GROW(storage->chunks, storage->chunk_capacity, storage->chunk_count + 1);
        last = storage->chunk_count++;
        storage->chunks[last] = (struct buf){0};
    }
    struct buf *chunk = &storage->chunks[last];
    buf_put_varint(chunk, zigzag(id));
    buf_put_varint(chunk, (uint64_t)length);
    buf_put_varint(chunk, gs);
    buf_put_varint(chunk, (uint64_t)state);
    storage->blocks++;
}

void report_storage_release(struct report_storage *storage)
{
    for (size_t i = 0; i < storage->chunk_count; i++) buf_release(&storage->chunks[i]);
    mem_free(storage->chunks);
    *storage = (struct report_storage){0};
}

static void add_replica(struct report_storage *storages, const struct replica *replica)
{
    struct report_storage *storage = &storages[replica->volume];

    if (replica->state == REPLICA_TEMPORARY) return;
    if (!replica_is_open(replica)) {
        report_storage_add(storage, replica->id, replica->length, replica->gs, replica->state);
        return;
    }
    struct replica_open *open = replica->open;
    pthread_mutex_lock(&open->lock);
    /* Changed since the copy: its change is reported on its own. One under deletion is as good as
     * gone. */
    if (!open->gone && open->state != REPLICA_TEMPORARY && open->recovery_id != UINT64_MAX)
        report_storage_add(storage, open->id, open->on_disk, open->gs,
                           (enum replica_state)open->state);
    pthread_mutex_unlock(&open->lock);
}

uint64_t full_report_collect(struct block_pool *pool, struct report_storage *storages)
{
    struct replica_list list = {0};
    uint64_t blocks = 0;

    for (unsigned cursor = 0; replica_map_next(pool->map, &cursor, &list);) {
        for (size_t i = 0; i < list.count; i++) add_replica(storages, &list.items[i]);
        replica_list_clear(&list);
    }
    replica_list_release(&list);
    for (size_t i = 0; i < pool->dataset->volume_count; i++) blocks += storages[i].blocks;
    return blocks;
}

Pb__StorageBlockReport *full_report_message(const struct volume *volume,
                                            const struct report_storage *storage,
                                            struct arena *arena)
{
    Pb__StorageBlockReport *report = ARENA_NEW(arena, Pb__StorageBlockReport);
    Pb__DatanodeStorage *place = ARENA_NEW(arena, Pb__DatanodeStorage);

    pb__storage_block_report__init(report);
    pb__datanode_storage__init(place);
    place->storageuuid = arena_strdup(arena, volume->uuid);
    place->has_state = place->has_storagetype = 1;
    place->storagetype = volume->type;
    report->storage = place;
    report->has_numberofblocks = 1;
    report->numberofblocks = storage->blocks;
    report->n_blocksbuffers = storage->chunk_count;
    report->blocksbuffers =
        arena_alloc(arena, MAX(storage->chunk_count, (size_t)1) * sizeof *report->blocksbuffers);
    for (size_t i = 0; i < storage->chunk_count; i++)
        report->blocksbuffers[i] = (ProtobufCBinaryData){.len = storage->chunks[i].length,
                                                         .data = storage->chunks[i].data};
    return report;
}
