/* A replica's life on real folders: each transition with its preconditions, and what a restart
 * finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/mem.h"
#include "datanode/dataset.h"

enum { BPC = 512, CHUNK3 = 3 * BPC };

static const struct checksum sum = {CHECKSUM_CRC32C, BPC};
static const struct write_wish wish = {
    .storage_type = PB__STORAGE_TYPE__DISK, .sum = {CHECKSUM_CRC32C, BPC}, .fd = -1};

static char root[] = "/tmp/tusk-dataset-XXXXXX";
static struct dataset *dataset;
static struct block_pool *pool;
static uint8_t bytes[8 * BPC];
static struct err err;
static int tolerated;

static int open_dataset(const char *cluster, char *uuid)
{
    struct volume **volumes = NEW_ARRAY(struct volume *, 2);
    struct conf *conf = conf_new();
    struct namespace_info info;
    char dir[64];

    for (uint16_t i = 0; i < 2; i++) {
        snprintf(dir, sizeof dir, "%sfile://%s/d%u", i ? "[SSD]" : "", root, i);
        assert_int_equal(volume_open(dir, conf, i, &volumes[i], &err), 0);
    }
    conf_free(conf);
    dataset = dataset_new(volumes, 2);
    dataset->size_default = 4096;
    dataset->stop_timeout_ms = 50;
    dataset->failures_tolerated = tolerated;
    assert_int_equal(namespace_info_set(&info, "BP-1-127.0.0.1-1", cluster, 7, 0, &err), 0);
    return dataset_add_pool(dataset, &info, uuid, &pool, &err);
}

static void restart(void)
{
    char uuid[DN_UUID_MAX] = "";

    dataset_free(dataset);
    assert_int_equal(open_dataset("CID-1", uuid), 0);
}

static int set_up(void **state UNUSED)
{
    char uuid[DN_UUID_MAX] = "";

    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    if (!mkdtemp(root)) return -1;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 31 + i / 256);
    return open_dataset("CID-1", uuid);
}

static int tear_down(void **state UNUSED)
{
    dataset_free(dataset);
    return file_remove_tree(root, NULL);
}

static struct block_name named(int64_t id, uint64_t gs)
{
    return (struct block_name){.id = id, .gs = gs, .length = 4096};
}

static struct replica_write create(int64_t id, uint64_t gs)
{
    struct block_name block = named(id, gs);
    struct replica_write write;

    assert_int_equal(dataset_create_rbw(pool, &block, 0, &wish, &write, &err), 0);
    return write;
}

static void put(struct replica_write *write, int64_t from, int64_t to)
{
    assert_int_equal(write_data(write, from, bytes + from, (size_t)(to - from), NULL, &err), 0);
}

static void finalize(struct replica_write *write, int64_t length)
{
    int64_t got;

    assert_int_equal(write_finalize(write, false, &got, &err), 0);
    assert_int_equal(got, length);
}

static void make_finalized(int64_t id, uint64_t gs, int64_t length)
{
    struct replica_write write = create(id, gs);

    put(&write, 0, length);
    finalize(&write, length);
}

static void check_state(int64_t id, enum replica_state state, uint64_t gs, int64_t on_disk)
{
    struct replica_view view;

    assert_true(dataset_view(pool, id, &view));
    assert_int_equal(view.state, state);
    assert_int_equal(view.gs, gs);
    assert_int_equal(view.on_disk, on_disk);
}

static void check_read(int64_t id, uint64_t gs, int64_t length)
{
    struct block_name block = named(id, gs);
    struct replica_read read;
    uint8_t data[sizeof bytes], crcs[64];

    assert_int_equal(dataset_open_read(pool, &block, 0, 0, &read, &err), 0);
    assert_int_equal(read.length, length);
    assert_int_equal(file_pread_full(read.file.data_fd, data, (size_t)length, 0, &err), 0);
    assert_memory_equal(data, bytes, length);
    assert_int_equal(replica_read_crcs(&read, 0, length, crcs, &err), 0);
    assert_int_equal(checksum_verify(&sum, data, (size_t)length, crcs), -1);
    replica_read_close(&read);
}

/* ---- writing ---- */

static void a_block_is_written(void **state UNUSED)
{
    struct block_name block = named(1, 1001);
    struct replica_write write = create(1, 1001), second;

    put(&write, 0, 700);
    check_state(1, REPLICA_RBW, 1001, 700);
    check_read(1, 1001, 0); /* nothing is acked */
    write_acked(&write, 600);
    write_acked(&write, 100); /* never goes back */
    check_read(1, 1001, 600);
    assert_int_equal(dataset_create_rbw(pool, &block, 0, &wish, &second, &err), ERR_REPLICA_EXISTS);
    assert_non_null(strstr(err.text, "already exists in state RBW and thus cannot be created."));
    put(&write, 512, CHUNK3);
    finalize(&write, CHUNK3);
    check_state(1, REPLICA_FINALIZED, 1001, CHUNK3);
    check_read(1, 1001, CHUNK3);
    check_read(1, 1000, CHUNK3); /* a newer one than asked for is fine */
    block.gs = 1002;
    struct replica_read read;
    assert_int_equal(dataset_open_read(pool, &block, 0, 0, &read, &err), ERR_IO);
    assert_int_equal(dataset_create_rbw(pool, &block, 1003, &wish, &second, &err),
                     ERR_REPLICA_EXISTS);
}

static void a_retry_replaces_its_predecessor(void **state UNUSED)
{
    struct block_name block = named(2, 1001);
    struct replica_write write = create(2, 1001);

    put(&write, 0, 100);
    write_leave(&write);
    block.gs = 1002;
    assert_int_equal(dataset_create_rbw(pool, &block, 1002, &wish, &write, &err), 0);
    check_state(2, REPLICA_RBW, 1002, 0);
    put(&write, 0, 5);
    finalize(&write, 5);
}

static void append_goes_on(void **state UNUSED)
{
    struct block_name block = named(3, 1001);
    struct replica_write write;
    struct replica_read read;
    uint8_t crcs[16];

    make_finalized(3, 1001, 700);
    assert_int_equal(dataset_append(pool, &block, 1000, 700, &wish, &write, &err), ERR_IO);
    assert_int_equal(dataset_append(pool, &block, 1002, 699, &wish, &write, &err), ERR_IO);
    assert_non_null(strstr(err.text, "Corrupted replica"));
    assert_int_equal(dataset_open_read(pool, &block, 0, 0, &read, &err), 0);
    assert_int_equal(dataset_append(pool, &block, 1002, 700, &wish, &write, &err), 0);
    check_state(3, REPLICA_RBW, 1002, 700);
    put(&write, 700, CHUNK3);
    /* who began to read before sees the old end, with the CRC that belongs to it */
    assert_int_equal(replica_read_crcs(&read, 0, 700, crcs, &err), 0);
    assert_int_equal(checksum_verify(&sum, bytes, 700, crcs), -1);
    replica_read_close(&read);
    check_read(3, 1002, 700);
    finalize(&write, CHUNK3);
    check_read(3, 1002, CHUNK3);
}

static void pipeline_recovery(void **state UNUSED)
{
    struct block_name block = named(4, 1001);
    struct replica_write write = create(4, 1001), next;

    put(&write, 0, 1000);
    write_acked(&write, 900);
    /* the writer is alive and does not leave */
    assert_int_equal(dataset_recover_rbw(pool, &block, 1002, 0, 4096, &wish, &next, &err),
                     ERR_TIMEOUT);
    assert_int_equal(write_data(&write, 1000, bytes + 1000, 1, NULL, &err), ERR_CANCELLED);
    write_leave(&write);
    assert_int_equal(dataset_recover_rbw(pool, &block, 1000, 0, 4096, &wish, &next, &err),
                     ERR_REPLICA_NOT_FOUND);
    assert_int_equal(dataset_recover_rbw(pool, &block, 1002, 901, 4096, &wish, &next, &err),
                     ERR_REPLICA_NOT_FOUND);
    assert_int_equal(dataset_recover_rbw(pool, &block, 1002, 0, 999, &wish, &next, &err),
                     ERR_REPLICA_NOT_FOUND);
    assert_non_null(strstr(err.text, "are not in the range of [0, 999]"));
    assert_int_equal(dataset_recover_rbw(pool, &block, 1002, 800, 1000, &wish, &next, &err), 0);
    check_state(4, REPLICA_RBW, 1002, 900); /* what was not acked is cut off */
    put(&next, 900, 1200);
    write_leave(&next);
    struct volume *volume;
    block.gs = 1002;
    assert_int_equal(dataset_recover_close(pool, &block, 1003, 1200, &volume, &err),
                     ERR_REPLICA_EXISTS);
    assert_int_equal(dataset_recover_rbw(pool, &block, 1002, 0, 4096, &wish, &next, &err), 0);
    put(&next, 900, 1200);
    write_acked(&next, 1200);
    write_leave(&next);
    assert_int_equal(dataset_recover_close(pool, &block, 1003, 1200, &volume, &err), 0);
    check_state(4, REPLICA_FINALIZED, 1003, 1200);
    check_read(4, 1003, 1200);
    assert_int_equal(dataset_recover_close(pool, &block, 1004, 1200, &volume, &err), 0);
    check_read(4, 1004, 1200);
}

static void copies(void **state UNUSED)
{
    struct block_name block = named(5, 1001);
    struct replica_write write;
    struct replica_view view;

    assert_int_equal(dataset_create_temporary(pool, &block, false, &wish, &write, &err), 0);
    put(&write, 0, 800);
    write_leave(&write); /* the copy broke off */
    assert_false(dataset_view(pool, 5, &view));
    assert_int_equal(dataset_create_temporary(pool, &block, true, &wish, &write, &err), 0);
    put(&write, 0, 800);
    check_state(5, REPLICA_TEMPORARY, 1001, 800);
    assert_int_equal(write_convert(&write, 800, &err), 0);
    check_state(5, REPLICA_RBW, 1001, 800);
    check_read(5, 1001, 800);
    block.gs = 1002; /* a transfer of a newer GS takes the place of an old one, a replication not */
    make_finalized(6, 1001, 10);
    block.id = 6;
    assert_int_equal(dataset_create_temporary(pool, &block, false, &wish, &write, &err),
                     ERR_REPLICA_EXISTS);
    assert_int_equal(dataset_create_temporary(pool, &block, true, &wish, &write, &err), 0);
    put(&write, 0, 20);
    finalize(&write, 20);
    check_read(6, 1002, 20);
}

static void deleting(void **state UNUSED)
{
    struct replica_view view;

    int64_t before = dataset->volumes[0]->used;
    make_finalized(7, 1001, 1000);
    assert_true(dataset->volumes[0]->used > before + 1000);
    assert_int_equal(dataset_invalidate(pool, 7, 1000, &err), ERR_IO);
    assert_int_equal(dataset_invalidate(pool, 7, 1001, &err), 0);
    assert_false(dataset_view(pool, 7, &view));
    assert_int_equal(dataset->volumes[0]->used, before);
    assert_int_equal(dataset_invalidate(pool, 7, 1001, &err), ERR_REPLICA_NOT_FOUND);
    assert_int_equal(dataset->volumes[0]->promised, 0);
}

static void full_disks_refuse(void **state UNUSED)
{
    struct block_name block = {.id = 8, .gs = 1, .length = INT64_MAX / 2};
    struct replica_write write;

    assert_int_equal(dataset_create_rbw(pool, &block, 0, &wish, &write, &err),
                     ERR_DISK_OUT_OF_SPACE);
    assert_non_null(strstr(err.text, "Out of space: The volume with the most available space"));
    struct write_wish archive = wish;
    archive.storage_type = PB__STORAGE_TYPE__SSD;
    block.length = 100;
    assert_int_equal(dataset_create_rbw(pool, &block, 0, &archive, &write, &err), 0);
    assert_int_equal(write_volume(&write)->index, 1);
    write_leave(&write);
}

static void from_disk_to_disk(void **state UNUSED)
{
    struct block_name block = named(12, 1001);
    struct volume *volume;
    int64_t length, before = dataset->volumes[0]->used;

    make_finalized(12, 1001, 1000);
    assert_int_equal(dataset_move(pool, &block, PB__STORAGE_TYPE__DISK, &volume, &length, &err),
                     ERR_REPLICA_EXISTS);
    assert_int_equal(dataset_move(pool, &block, PB__STORAGE_TYPE__ARCHIVE, &volume, &length, &err),
                     ERR_DISK_OUT_OF_SPACE);
    assert_int_equal(dataset_move(pool, &block, PB__STORAGE_TYPE__SSD, &volume, &length, &err), 0);
    assert_int_equal(volume->index, 1);
    assert_int_equal(dataset->volumes[0]->used, before);
    assert_int_equal(dataset->volumes[1]->promised, 0);
    check_read(12, 1001, 1000);
    restart();
    check_read(12, 1001, 1000);
    block.gs = 1002;
    assert_int_equal(dataset_move(pool, &block, PB__STORAGE_TYPE__DISK, &volume, &length, &err),
                     ERR_REPLICA_NOT_FOUND);
}

/* ---- block recovery ---- */

static void block_recovery(void **state UNUSED)
{
    struct block_name block = named(9, 1001);
    struct replica_write write = create(9, 1001);
    struct recovery_info info;
    struct volume *volume;
    bool found;

    put(&write, 0, 1000);
    write_leave(&write);
    assert_int_equal(dataset_init_recovery(pool, &block, 1001, &found, &info, &err), ERR_IO);
    block.gs = 1002;
    assert_int_equal(dataset_init_recovery(pool, &block, 1003, &found, &info, &err), ERR_IO);
    block.gs = 1001;
    assert_int_equal(dataset_init_recovery(pool, &block, 1003, &found, &info, &err), 0);
    assert_true(found);
    assert_int_equal(info.length, 1000);
    assert_int_equal(info.original, REPLICA_RBW);
    check_state(9, REPLICA_RUR, 1001, 1000);
    assert_int_equal(dataset_init_recovery(pool, &block, 1003, &found, &info, &err),
                     ERR_RECOVERY_IN_PROGRESS);
    assert_int_equal(dataset_init_recovery(pool, &block, 1004, &found, &info, &err), 0);
    block.length = 1000;
    assert_int_equal(dataset_update_recovery(pool, &block, 1003, 0, 900, &volume, &err), ERR_IO);
    assert_int_equal(dataset_update_recovery(pool, &block, 1004, 0, 1001, &volume, &err), ERR_IO);
    assert_int_equal(dataset_update_recovery(pool, &block, 1004, 0, 900, &volume, &err), 0);
    check_state(9, REPLICA_FINALIZED, 1004, 900);
    check_read(9, 1004, 900);
    assert_int_equal(dataset_update_recovery(pool, &block, 1004, 0, 900, &volume, &err), ERR_IO);
    block.id = 99;
    assert_int_equal(dataset_init_recovery(pool, &block, 1004, &found, &info, &err), 0);
    assert_false(found);
}

static void truncation_below_a_snapshot(void **state UNUSED)
{
    struct block_name block = {.id = 10, .gs = 1001, .length = CHUNK3};
    struct recovery_info info;
    struct volume *volume;
    bool found;

    make_finalized(10, 1001, CHUNK3);
    assert_int_equal(dataset_init_recovery(pool, &block, 1002, &found, &info, &err), 0);
    assert_int_equal(info.original, REPLICA_FINALIZED);
    assert_int_equal(dataset_update_recovery(pool, &block, 1002, 11, 600, &volume, &err), 0);
    check_read(10, 1001, CHUNK3);
    check_read(11, 1002, 600);
}

/* ---- restarts ---- */

static void path_of(char out[PATH_MAX], unsigned volume, const char *below)
{
    snprintf(out, PATH_MAX, "%s/d%u/current/BP-1-127.0.0.1-1/%s", root, volume, below);
}

static void restart_finds_what_was_there(void **state UNUSED)
{
    struct block_name block = named(21, 1001);
    struct replica_write write = create(20, 1001), temporary;
    struct replica_view view;
    char path[PATH_MAX];

    make_finalized(1LL << 20, 1001, 1234);
    put(&write, 0, 1300);
    write_leave(&write);
    assert_int_equal(dataset_create_temporary(pool, &block, false, &wish, &temporary, &err), 0);
    put(&temporary, 0, 10);
    block_file_close(&temporary.file); /* as a kill would */
    path_of(path, 0, "current/rbw/blk_20");
    FILE *torn = fopen(path, "a"); /* data whose CRC never came */
    fwrite("torn", 1, 4, torn);
    fclose(torn);
    int64_t used = dataset->volumes[0]->used;
    replica_open_put(temporary.open);
    restart();
    check_state(1LL << 20, REPLICA_FINALIZED, 1001, 1234);
    check_read(1LL << 20, 1001, 1234);
    check_state(20, REPLICA_RWR, 1001, 1300);
    assert_false(dataset_view(pool, 21, &view));
    assert_int_equal(dataset->volumes[0]->used, used);
    struct replica_read read;
    block.id = 20;
    assert_int_equal(dataset_open_read(pool, &block, 0, 0, &read, &err), ERR_IO);
}

static void moves_that_broke_off(void **state UNUSED)
{
    char from[PATH_MAX], to[PATH_MAX];

    make_finalized(30, 1001, 900);
    path_of(from, 0, "current/finalized/subdir0/subdir0/blk_30");
    path_of(to, 0, "current/rbw/blk_30");
    assert_int_equal(rename(from, to), 0);
    make_finalized(31, 1001, 900); /* sits in a folder that is not its own */
    path_of(from, 0, "current/finalized/subdir0/subdir0/blk_31");
    path_of(to, 0, "current/finalized/blk_31");
    assert_int_equal(rename(from, to), 0);
    path_of(from, 0, "current/finalized/subdir0/subdir0/blk_31_1001.meta");
    path_of(to, 0, "current/finalized/blk_31_1001.meta");
    assert_int_equal(rename(from, to), 0);
    make_finalized(32, 1001, 900);
    path_of(from, 0, "current/finalized/subdir0/subdir0/blk_32_1001.meta");
    assert_int_equal(unlink(from), 0);
    restart();
    check_read(30, 1001, 900);
    check_read(31, 1001, 900);
    check_state(32, REPLICA_FINALIZED, 0, 900); /* no checksums: GS 0, which no namenode wants */
}

/* What is left when a switch between rbw and finalized breaks off at each step. */
static void switches_that_broke_off(void **state UNUSED)
{
    char data[PATH_MAX], meta[PATH_MAX], rbw_data[PATH_MAX], rbw_meta[PATH_MAX];
    struct block_name block = named(33, 1001);
    struct replica_write write;

    make_finalized(33, 1001, 900);
    path_of(data, 0, "current/finalized/subdir0/subdir0/blk_33");
    path_of(meta, 0, "current/finalized/subdir0/subdir0/blk_33_1001.meta");
    path_of(rbw_data, 0, "current/rbw/blk_33");
    path_of(rbw_meta, 0, "current/rbw/blk_33_1001.meta");
    assert_int_equal(link(data, rbw_data), 0); /* the meta is in finalized */
    restart();
    check_read(33, 1001, 900);
    check_state(33, REPLICA_FINALIZED, 1001, 900);
    assert_false(file_exists(rbw_data));
    assert_int_equal(link(data, rbw_data), 0); /* the meta is in rbw */
    assert_int_equal(rename(meta, rbw_meta), 0);
    restart();
    check_state(33, REPLICA_RWR, 1001, 900);
    assert_false(file_exists(data));
    assert_int_equal(rename(rbw_meta, meta), 0);
    assert_int_equal(rename(rbw_data, data), 0);
    restart();
    assert_int_equal(link(data, rbw_data), 0); /* and while it runs */
    assert_int_equal(dataset_append(pool, &block, 1002, 900, &wish, &write, &err), 0);
    put(&write, 900, CHUNK3);
    finalize(&write, CHUNK3);
    check_read(33, 1002, CHUNK3);
    assert_false(file_exists(rbw_data));
    restart();
    check_read(33, 1002, CHUNK3);
}

static void of_two_the_better_stays(void **state UNUSED)
{
    struct block_name block = named(40, 1001);
    struct replica_write write;
    struct write_wish ssd = wish;
    char path[PATH_MAX], hidden[PATH_MAX];

    ssd.storage_type = PB__STORAGE_TYPE__SSD;
    make_finalized(40, 1001, 900);
    path_of(path, 0, "current/finalized/subdir0");
    snprintf(hidden, sizeof hidden, "%s/hidden", root);
    assert_int_equal(rename(path, hidden), 0);
    restart();
    block.gs = 1002;
    assert_int_equal(dataset_create_rbw(pool, &block, 0, &ssd, &write, &err), 0);
    put(&write, 0, 400);
    finalize(&write, 400);
    assert_int_equal(file_remove_tree(path, NULL), 0);
    assert_int_equal(rename(hidden, path), 0);
    restart();
    check_read(40, 1002, 400);
    assert_true(dir_is_empty(path) || !file_exists(strcat(path, "/subdir0/blk_40")));
}

static void folders_of_others_are_refused(void **state UNUSED)
{
    char uuid[DN_UUID_MAX] = "";

    dataset_free(dataset);
    assert_int_equal(open_dataset("CID-2", uuid), ERR_IO);
    assert_non_null(strstr(err.text, "Incompatible clusterIDs in "));
    assert_non_null(strstr(err.text, ": namenode clusterID = CID-2; datanode clusterID = CID-1"));
    dataset_free(dataset);
    assert_int_equal(open_dataset("CID-1", uuid), 0);
}

static void a_folder_serves_one_datanode(void **state UNUSED)
{
    struct conf *conf = conf_new();
    struct volume *volume;
    char dir[64];

    snprintf(dir, sizeof dir, "%s/d0", root);
    assert_int_equal(volume_open(dir, conf, 0, &volume, &err), ERR_BUSY);
    assert_int_equal(volume_open("[TAPE]/tmp/x", conf, 0, &volume, &err), ERR_CONFIG);
    assert_int_equal(volume_open("relative", conf, 0, &volume, &err), ERR_CONFIG);
    conf_free(conf);
}

static void names_that_are_no_folders(void **state UNUSED)
{
    struct namespace_info info;

    assert_int_equal(namespace_info_set(&info, "../../etc", "C", 1, 0, &err), ERR_BAD_MESSAGE);
    assert_int_equal(namespace_info_set(&info, "", "C", 1, 0, &err), ERR_BAD_MESSAGE);
    assert_int_equal(namespace_info_set(&info, "BP-1/x", "C", 1, 0, &err), ERR_BAD_MESSAGE);
    assert_int_equal(namespace_info_set(&info, "BP-1", "", 1, 0, &err), ERR_BAD_MESSAGE);
}

static struct volume *more(const char *name)
{
    struct conf *conf = conf_new();
    struct volume *volume = NULL;
    char dir[128];

    snprintf(dir, sizeof dir, "file://%s/%s", root, name);
    assert_int_equal(volume_open(dir, conf, 0, &volume, &err), 0);
    conf_free(conf);
    return volume;
}

static size_t blocks_on(uint16_t volume)
{
    return (size_t)atomic_load(&dataset->volumes[volume]->blocks);
}

/* A disk comes with new room, goes with its blocks, and brings them when it comes again. */
static void disks_come_and_go(void **state UNUSED)
{
    char uuid[DN_UUID_MAX];
    struct replica_view view;
    struct block_name block = named(100, 1001);
    struct replica_write write;

    dataset_free(dataset);
    memset(uuid, 0, sizeof uuid);
    assert_int_equal(open_dataset("CID-1", uuid), 0);
    assert_int_equal(dataset_add_volume(dataset, more("d2"), uuid, &err), 0);
    assert_int_equal(dataset_volume_numbers(dataset).configured, 3);
    for (int64_t id = 1; id <= 10; id++) make_finalized(id, 1001, 1000);
    assert_int_equal(blocks_on(0), 5); /* in turns with the other one of its medium */
    assert_int_equal(blocks_on(2), 5);

    while (write = create(block.id, 1001), write.open->volume != 2) {
        write_leave(&write);
        block.id++;
    }
    write_leave(&write); /* in nobody's hands */
    dataset_remove_volume(dataset, dataset->volumes[2]);
    assert_false(dataset_view(pool, block.id, &view));
    size_t left = 0;
    for (int64_t id = 1; id <= 10; id++) left += dataset_view(pool, id, &view);
    assert_int_equal(left, 5);
    assert_int_equal(dataset_volume_numbers(dataset).configured, 2);
    for (int64_t id = 11; id <= 14; id++) make_finalized(id, 1001, 1000);
    assert_int_equal(blocks_on(0), 9);

    assert_int_equal(dataset_add_volume(dataset, more("d2"), uuid, &err), 0);
    for (int64_t id = 1; id <= 14; id++) check_state(id, REPLICA_FINALIZED, 1001, 1000);
    assert_int_equal(dataset->volume_count, 4);
    assert_int_equal(blocks_on(3), 5);
}

static void a_disk_of_another_is_not_added(void **state UNUSED)
{
    char command[256], uuid[DN_UUID_MAX] = "";

    dataset_free(dataset);
    assert_int_equal(open_dataset("CID-1", uuid), 0);
    make_finalized(1, 1001, 1000);
    snprintf(command, sizeof command, "cp -a %s/d0 %s/copy && rm %s/copy/in_use.lock", root, root,
             root);
    assert_int_equal(system(command), 0);
    assert_int_equal(dataset_add_volume(dataset, more("copy"), uuid, &err), ERR_INCONSISTENT_STATE);
    assert_non_null(strstr(err.text, "Found duplicated storage UUID"));
    assert_int_equal(dataset_add_volume(dataset, more("new"), "another-datanode", &err), 0);
    snprintf(command, sizeof command, "sed -i s/CID-1/CID-2/ %s/new/current/VERSION", root);
    assert_int_equal(system(command), 0);
    dataset_remove_volume(dataset, dataset->volumes[3]);
    assert_int_not_equal(dataset_add_volume(dataset, more("new"), uuid, &err), 0);
    check_state(1, REPLICA_FINALIZED, 1001, 1000);
    assert_int_equal(dataset_volume_numbers(dataset).configured, 2);
}

static void failures_are_tolerated_as_configured(void **state UNUSED)
{
    char uuid[DN_UUID_MAX] = "", path[128];

    snprintf(path, sizeof path, "%s/d1/current/VERSION", root);
    dataset_free(dataset);
    FILE *file = fopen(path, "w");
    fputs("garbage\n", file);
    fclose(file);
    assert_int_not_equal(open_dataset("CID-1", uuid), 0);
    dataset_free(dataset);
    tolerated = -1;
    int rc = open_dataset("CID-1", uuid);
    tolerated = 0;
    assert_int_equal(rc, 0);
    assert_int_equal(dataset_volume_numbers(dataset).failed, 1);
    dataset_free(dataset);
    tolerated = -1;
    char command[256]; /* of another cluster is no failure */
    snprintf(command, sizeof command, "sed s/CID-1/CID-2/ %s/d0/current/VERSION > %s", root, path);
    assert_int_equal(system(command), 0);
    rc = open_dataset("CID-1", uuid);
    tolerated = 0;
    assert_int_not_equal(rc, 0);
    assert_non_null(strstr(err.text, "Incompatible clusterIDs"));
    dataset_free(dataset);
    file = fopen(path, "w");
    fputs("garbage\n", file);
    fclose(file);
    tolerated = -1;
    rc = open_dataset("CID-1", uuid);
    tolerated = 0;
    assert_int_equal(rc, 0);
    for (int64_t id = 1; id <= 4; id++) make_finalized(id, 1001, 1000);
    assert_int_equal(blocks_on(0), 4);
    volume_fail(dataset->volumes[0]);
    assert_int_not_equal(dataset_check_failures(dataset, &err), 0); /* none is left */
}

/* Of two disks that differ much the one with more room is taken more often. */
static void disks_by_space(void **state UNUSED)
{
    struct volume *volume;
    struct volume_picker *picker = &dataset->picker;
    int hits[3] = {0};
    char uuid[DN_UUID_MAX] = "";

    dataset_free(dataset);
    assert_int_equal(open_dataset("CID-1", uuid), 0);
    picker = &dataset->picker;
    assert_int_equal(dataset_add_volume(dataset, more("d2"), uuid, &err), 0);
    picker->by_space = true;
    picker->space_threshold = 1 << 20;
    picker->space_preference = 0.75;
    dataset->volumes[0]->reserved = (uint64_t)1 << 62; /* no room at all */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(volume_pick(picker, PB__STORAGE_TYPE__DISK, 1000, &volume, &err), 0);
        assert_int_equal(volume->index, 2);
    }
    struct volume_space space;
    dataset->volumes[0]->reserved = 0;
    assert_int_equal(volume_space(dataset->volumes[0], &space, &err), 0);
    dataset->volumes[0]->promised = (int64_t)(space.remaining / 2); /* half the room */
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(volume_pick(picker, PB__STORAGE_TYPE__DISK, 1, &volume, &err), 0);
        hits[volume->index]++;
    }
    assert_in_range(hits[2], 1350, 1650);
    picker->by_space = false;
    hits[0] = hits[2] = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(volume_pick(picker, PB__STORAGE_TYPE__DISK, 1, &volume, &err), 0);
        hits[volume->index]++;
    }
    assert_int_equal(hits[2], 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_block_is_written),
        TEST(a_retry_replaces_its_predecessor),
        TEST(append_goes_on),
        TEST(pipeline_recovery),
        TEST(copies),
        TEST(deleting),
        TEST(full_disks_refuse),
        TEST(from_disk_to_disk),
        TEST(block_recovery),
        TEST(truncation_below_a_snapshot),
        TEST(restart_finds_what_was_there),
        TEST(moves_that_broke_off),
        TEST(switches_that_broke_off),
        TEST(of_two_the_better_stays),
        TEST(folders_of_others_are_refused),
        TEST(a_folder_serves_one_datanode),
        TEST(names_that_are_no_folders),
        TEST(disks_come_and_go),
        TEST(a_disk_of_another_is_not_added),
        TEST(failures_are_tolerated_as_configured),
        TEST(disks_by_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
