/* Listings packed by hand, byte for byte against protobuf-c. */
#include "namenode/listing_pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/hash.h"

enum { ENTRIES_MAX = 300 };

static uint64_t random_state = 3;

/* Numbers of all lengths. */
static uint64_t any(void)
{
    random_state = hash_u64(random_state, 5);
    return hash_u64(random_state, 6) >> (random_state % 64);
}

static Pb__HdfsFileStatus *make(struct arena *arena)
{
    static char *const owners[] = {"hdfs", "", "someone-with-a-rather-long-name"};
    Pb__HdfsFileStatus *s = ARENA_NEW(arena, Pb__HdfsFileStatus);

    pb__hdfs_file_status__init(s);
    s->filetype = PB__HDFS_FILE_STATUS__FILE_TYPE__IS_FILE;
    s->path.len = any() % 256;
    s->path.data = memset(arena_alloc(arena, 256), 0xc3, 256);
    s->length = any();
    s->permission = ARENA_NEW(arena, Pb__FsPermission);
    pb__fs_permission__init(s->permission);
    s->permission->perm = (uint32_t)any() & 01777;
    s->owner = owners[any() % 3];
    s->group = owners[any() % 3];
    s->modification_time = any();
    s->access_time = any();
    s->has_block_replication = any() & 1;
    s->block_replication = s->has_block_replication ? (uint32_t)any() : 0;
    s->has_blocksize = any() & 1;
    s->blocksize = s->has_blocksize ? any() : 0;
    s->has_fileid = any() & 1;
    s->fileid = s->has_fileid ? any() : 0;
    s->has_childrennum = any() & 1;
    if (s->has_childrennum) s->childrennum = (int32_t)any();
    s->has_storagepolicy = any() & 1;
    s->storagepolicy = s->has_storagepolicy ? (uint32_t)any() : 0;
    s->has_flags = any() & 1;
    s->flags = s->has_flags ? (uint32_t)any() : 0;
    return s;
}

static void check(size_t count, struct arena *arena)
{
    Pb__GetListingResponse response = PB__GET_LISTING_RESPONSE__INIT;
    Pb__DirectoryListing list = PB__DIRECTORY_LISTING__INIT;
    Pb__HdfsFileStatus *entries[ENTRIES_MAX];
    size_t size = 0, expected;

    for (size_t i = 0; i < count; i++) entries[i] = make(arena);
    list.partiallisting = entries;
    list.n_partiallisting = count;
    list.remainingentries = (uint32_t)any();
    response.dirlist = &list;
    expected = protobuf_c_message_get_packed_size(&response.base);
    uint8_t *bytes = arena_alloc(arena, expected);
    protobuf_c_message_pack(&response.base, bytes);
    const uint8_t *packed = listing_pack(&response, arena, &size);
    assert_non_null(packed);
    assert_int_equal(size, expected);
    assert_memory_equal(packed, bytes, size);
}

static void test_same_bytes(void **state)
{
    struct arena arena = {0};

    (void)state;
    for (size_t count = 0; count <= ENTRIES_MAX; count += 1 + count / 4) {
        check(count, &arena);
        arena_clear(&arena);
    }
    arena_release(&arena);
}

/* Every field of the protocol is either packed or makes the entry a rare one. */
static void test_rare_fields(void **state)
{
    Pb__GetListingResponse response = PB__GET_LISTING_RESPONSE__INIT;
    Pb__DirectoryListing list = PB__DIRECTORY_LISTING__INIT;
    Pb__LocatedBlocks locations = PB__LOCATED_BLOCKS__INIT;
    Pb__ErasureCodingPolicy policy = PB__ERASURE_CODING_POLICY__INIT;
    Pb__FileEncryptionInfo encryption = PB__FILE_ENCRYPTION_INFO__INIT;
    struct arena arena = {0};
    Pb__HdfsFileStatus *entry = make(&arena);
    size_t size;

    (void)state;
    assert_int_equal(pb__hdfs_file_status__descriptor.n_fields, 19);
    assert_null(listing_pack(&response, &arena, &size)); /* nothing there */
    response.dirlist = &list;
    list.partiallisting = &entry;
    list.n_partiallisting = 1;
    assert_non_null(listing_pack(&response, &arena, &size));
    entry->has_symlink = true;
    assert_null(listing_pack(&response, &arena, &size));
    entry->has_symlink = false;
    entry->locations = &locations;
    assert_null(listing_pack(&response, &arena, &size));
    entry->locations = NULL;
    entry->ecpolicy = &policy;
    assert_null(listing_pack(&response, &arena, &size));
    entry->ecpolicy = NULL;
    entry->fileencryptioninfo = &encryption;
    assert_null(listing_pack(&response, &arena, &size));
    entry->fileencryptioninfo = NULL;
    entry->namespace_ = (char *)"x";
    assert_null(listing_pack(&response, &arena, &size));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_rare_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
