/* Files of images, read by hand, against protobuf-c: what is taken at all must be what protobuf-c takes. */
#include "namenode/image_inode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/hash.h"
#include "common/mem.h"

static uint64_t random_state = 7;

static uint64_t random_below(uint64_t limit)
{
    random_state = hash_u64(random_state, 11);
    return random_state % limit;
}

static void pack(const ProtobufCMessage *message, struct buf *out)
{
    buf_clear(out);
    protobuf_c_message_pack(message, buf_extend(out, protobuf_c_message_get_packed_size(message)));
}

/* A file with every field that plain files have. */
static void make(struct buf *out, size_t blocks)
{
    Pb__INodeSection__INode inode = PB__INODE_SECTION__INODE__INIT;
    Pb__INodeSection__INodeFile file = PB__INODE_SECTION__INODE_FILE__INIT;
    Pb__Block block[IMAGE_INODE_BLOCKS + 1], *list[IMAGE_INODE_BLOCKS + 1];

    for (size_t i = 0; i < blocks; i++) {
        pb__block__init(list[i] = &block[i]);
        block[i].blockid = random_below(UINT64_MAX);
        block[i].genstamp = random_below(1 << 20);
        block[i].has_numbytes = random_below(2);
        block[i].numbytes = block[i].has_numbytes ? random_below(1 << 30) : 0;
    }
    inode.type = PB__INODE_SECTION__TYPE__FILE;
    inode.id = random_below(UINT64_MAX);
    inode.has_name = true;
    inode.name = (ProtobufCBinaryData){.data = (uint8_t *)"part-00000", .len = random_below(11)};
    inode.file = &file;
    file.has_replication = file.has_modificationtime = file.has_accesstime = true;
    file.has_permission = file.has_preferredblocksize = true;
    file.replication = (uint32_t)random_below(1000);
    file.modificationtime = random_below(UINT64_MAX);
    file.accesstime = random_below(1 << 20);
    file.preferredblocksize = random_below(1 << 30);
    file.permission = random_below(UINT64_MAX);
    file.has_storagepolicyid = random_below(2);
    file.storagepolicyid = file.has_storagepolicyid ? 7 : 0;
    file.has_blocktype = random_below(2);
    file.n_blocks = blocks;
    file.blocks = list;
    pack(&inode.base, out);
}

/* Answers whether it was read by hand; then protobuf-c reads the same. */
static bool check(const struct buf *bytes)
{
    static struct image_inode hand;
    Pb__INodeSection__INode *other;
    struct arena arena = {0};
    struct buf a = {0}, b = {0};

    bool taken = image_inode_read(&hand, cursor_of(bytes->data, bytes->length));
    if (taken) {
        other = (Pb__INodeSection__INode *)protobuf_c_message_unpack(
            &pb__inode_section__inode__descriptor, arena_protobuf(&arena), bytes->length,
            bytes->data);
        assert_non_null(other);
        pack(&hand.inode.base, &a);
        pack(&other->base, &b);
        assert_int_equal(a.length, b.length);
        assert_memory_equal(a.data, b.data, a.length);
    }
    buf_release(&a);
    buf_release(&b);
    arena_release(&arena);
    return taken;
}

static void test_same(void **state)
{
    struct buf bytes = {0};

    (void)state;
    for (size_t blocks = 0; blocks <= IMAGE_INODE_BLOCKS; blocks++) {
        make(&bytes, blocks);
        assert_true(check(&bytes));
    }
    make(&bytes, IMAGE_INODE_BLOCKS + 1);
    assert_false(check(&bytes));
    buf_release(&bytes);
}

static void test_cut_and_changed(void **state)
{
    struct buf bytes = {0};
    size_t taken = 0;

    (void)state;
    make(&bytes, 3);
    for (size_t whole = bytes.length; bytes.length; bytes.length--)
        taken += bytes.length < whole && check(&bytes);
    for (int round = 0; round < 20000; round++) {
        make(&bytes, random_below(4));
        for (uint64_t changes = 1 + random_below(3); changes; changes--)
            bytes.data[random_below(bytes.length)] = (uint8_t)random_below(256);
        taken += check(&bytes);
    }
    assert_true(taken > 1000); /* else this would not have compared much */
    buf_release(&bytes);
}

static void test_other_kinds(void **state)
{
    Pb__INodeSection__INode inode = PB__INODE_SECTION__INODE__INIT;
    Pb__INodeSection__INodeDirectory directory = PB__INODE_SECTION__INODE_DIRECTORY__INIT;
    struct buf bytes = {0};

    (void)state;
    inode.type = PB__INODE_SECTION__TYPE__DIRECTORY;
    inode.directory = &directory;
    pack(&inode.base, &bytes);
    assert_false(check(&bytes));
    buf_clear(&bytes);
    assert_false(check(&bytes)); /* not even an id */
    buf_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_cut_and_changed),
        cmocka_unit_test(test_other_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
