/* Images: what is saved comes back; damage is refused, never followed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "namenode/apply_tree.h"
#include "namenode/image_load.h"
#include "namenode/acl.h"
#include "namenode/image_out.h"
#include "namenode/xattr.h"
#include "namenode/image_save.h"
#include "tests/lib/name_dir.h"

static void start(struct name_dir *d, int changes)
{
    struct err err = ERR_INIT;

    name_dir_begin(d, 1);
    if (name_dir_load(d, true, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < changes; i++) name_dir_change(d);
    while (tree_reclaim(&d->core, UINT64_MAX)) {}
}

static void save(const struct core *core, const char *path)
{
    uint8_t md5[IMAGE_MD5_SIZE];
    struct err err = ERR_INIT;

    if (image_write_file(core, core->txid_applied, path, md5, &err)) fail_msg("%s", err.text);
}

static int load(struct name_dir *d, struct core *core, const char *path, struct err *err)
{

    *core = (struct core){.conf = d->core.conf};
    assert_int_equal(core_init(core, err), 0);
    int rc = image_load_file(core, path, err);
    return rc;
}

static void read_all(const char *path, struct buf *out)
{
    struct err err = ERR_INIT;

    buf_clear(out);
    assert_int_equal(file_read(path, 64 << 20, out, &err), 0);
}

static void write_all(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
}

static void random_trees_come_back(void **state)
{
    (void)state;
    struct buf before = {0}, after = {0};

    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct name_dir d;
        struct core core;
        struct err err = ERR_INIT;
        start(&d, 0);
        d.seed = seed;
        for (uint64_t i = 0; i < seed * 40; i++) name_dir_change(&d);
        while (tree_reclaim(&d.core, UINT64_MAX)) {}
        char *path = mem_printf("%s/image", d.scratch);
        save(&d.core, path);
        if (load(&d, &core, path, &err)) fail_msg("%s", err.text);
        assert_int_equal(core.txid_applied, d.core.txid_applied);
        core.identity = d.core.identity;
        core_dump(&d.core, &before);
        core_dump(&core, &after);
        core_dump_compare(&before, &after);
        core_release(&core);
        mem_free(path);
        name_dir_end(&d);
    }
    buf_release(&before);
    buf_release(&after);
}

static void large_directories_and_files_come_back(void **state)
{
    (void)state;
    struct name_dir d;
    struct core core;
    struct err err = ERR_INIT;
    struct buf before = {0}, after = {0};

    start(&d, 0);
    name_dir_mkdir(&d, "/large");
    for (int i = 0; i < 5000; i++) {
        char *path = mem_printf("/large/%c%d", i % 2 ? 'a' : 0xc3, i);
        if (i % 2 == 0) {
            mem_free(path);
            path = mem_printf("/large/\xc3\xa9%d", i);
        }
        name_dir_file(&d, path, i % 3, true);
        mem_free(path);
    }
    char *path = mem_printf("%s/image", d.scratch);
    save(&d.core, path);
    if (load(&d, &core, path, &err)) fail_msg("%s", err.text);
    core.identity = d.core.identity;
    core_dump(&d.core, &before);
    core_dump(&core, &after);
    core_dump_compare(&before, &after);
    core_release(&core);
    mem_free(path);
    buf_release(&before);
    buf_release(&after);
    name_dir_end(&d);
}

/* Each field at its largest (CVE-2018-11768). */
static void largest_values_survive(void **state)
{
    (void)state;
    struct name_dir d;
    struct core core;
    struct err err = ERR_INIT;

    start(&d, 0);
    name_dir_file(&d, "/file", 1, true);
    struct inode *file = dir_child_at(&d.core.tree, d.core.tree.root, 0);
    struct block *block = inode_block(file, 0);
    file->mtime_ms = file->atime_ms = (UINT64_C(1) << 48) - 1;
    file->mode = INODE_MODE_MASK;
    file->replication = 1023;
    file->storage_policy = 15;
    block->length = (UINT64_C(1) << 44) - 1;
    block->generation_stamp = (UINT64_C(1) << 44) - 1;
    d.core.block_id_last = INT64_MAX;
    d.core.tree.inode_id_last = INT64_MAX;
    char *path = mem_printf("%s/image", d.scratch);
    save(&d.core, path);
    if (load(&d, &core, path, &err)) fail_msg("%s", err.text);
    struct inode *back = dir_child_at(&core.tree, core.tree.root, 0);
    assert_true(back->mtime_ms == file->mtime_ms && back->atime_ms == file->atime_ms);
    assert_int_equal(back->mode, INODE_MODE_MASK);
    assert_int_equal(back->replication, 1023);
    assert_int_equal(back->storage_policy, 15);
    assert_true(inode_block(back, 0)->length == block->length);
    assert_true(inode_block(back, 0)->generation_stamp == block->generation_stamp);
    assert_true(core.block_id_last == INT64_MAX && core.tree.inode_id_last == INT64_MAX);
    core_release(&core);
    mem_free(path);
    name_dir_end(&d);
}

static void every_bit_may_flip(void **state)
{
    (void)state;
    struct name_dir d;
    struct buf image = {0};

    start(&d, 40);
    char *path = mem_printf("%s/image", d.scratch);
    save(&d.core, path);
    read_all(path, &image);
    for (size_t bit = 0; bit < image.length * 8; bit += 5) {
        struct core core;
        struct err err = ERR_INIT;
        image.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        write_all(path, image.data, image.length);
        if (load(&d, &core, path, &err)) assert_int_not_equal(err.text[0], 0);
        core_release(&core);
        image.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    buf_release(&image);
    mem_free(path);
    name_dir_end(&d);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    struct name_dir d;
    struct buf image = {0};

    start(&d, 30);
    char *path = mem_printf("%s/image", d.scratch);
    save(&d.core, path);
    read_all(path, &image);
    for (size_t size = 0; size < image.length; size += 3) {
        struct core core;
        struct err err = ERR_INIT;
        write_all(path, image.data, size);
        assert_int_not_equal(load(&d, &core, path, &err), 0);
        core_release(&core);
    }
    buf_release(&image);
    mem_free(path);
    name_dir_end(&d);
}

/* The image as Apache writes it with dfs.image.compress: each section a stream of its own. */
static void compress_image(const struct buf *plain, const char *codec, int window, struct buf *out)
{
    uint32_t length = get_be32(plain->data + plain->length - 4);
    struct cursor at = cursor_of(plain->data + plain->length - 4 - length, length);
    struct cursor body = cursor_delimited(&at);
    Pb__FileSummary *summary = pb__file_summary__unpack(NULL, cursor_left(&body), body.at);

    buf_put(out, IMAGE_MAGIC, IMAGE_MAGIC_SIZE);
    for (size_t i = 0; i < summary->n_sections; i++) {
        Pb__FileSummary__Section *section = summary->sections[i];
        z_stream z = {.next_in = plain->data + section->offset, .avail_in = (uInt)section->length};
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
        size_t room = section->length + 1024;
        z.next_out = buf_extend(out, room);
        z.avail_out = (uInt)room;
        section->offset = out->length - room;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        out->length -= z.avail_out;
        section->length = z.total_out;
        deflateEnd(&z);
    }
    char *apaches = summary->codec;
    summary->codec = (char *)(uintptr_t)codec;
    size_t start_of_summary = out->length, size = pb__file_summary__get_packed_size(summary);
    buf_put_varint(out, size);
    pb__file_summary__pack(summary, buf_extend(out, size));
    buf_put_u32(out, (uint32_t)(out->length - start_of_summary));
    summary->codec = apaches;
    pb__file_summary__free_unpacked(summary, NULL);
}

static void compressed_images_load(void **state)
{
    (void)state;
    struct name_dir d;
    struct core core;
    struct err err = ERR_INIT;
    struct buf plain = {0}, packed = {0}, before = {0}, after = {0};

    start(&d, 400);
    core_dump(&d.core, &before);
    char *path = mem_printf("%s/image", d.scratch);
    save(&d.core, path);
    read_all(path, &plain);
    for (int gzip = 0; gzip < 2; gzip++) {
        buf_clear(&packed);
        compress_image(&plain,
                       gzip ? "org.apache.hadoop.io.compress.GzipCodec"
                            : "org.apache.hadoop.io.compress.DefaultCodec",
                       gzip ? 31 : 15, &packed);
        write_all(path, packed.data, packed.length);
        if (load(&d, &core, path, &err)) fail_msg("%s", err.text);
        core.identity = d.core.identity;
        core_dump(&core, &after);
        core_dump_compare(&before, &after);
        core_release(&core);
        for (size_t at = 8; at < packed.length; at += 97) { /* damage in compressed data */
            packed.data[at] ^= 0x55;
            write_all(path, packed.data, packed.length);
            if (load(&d, &core, path, &err)) assert_int_not_equal(err.text[0], 0);
            core_release(&core);
            packed.data[at] ^= 0x55;
        }
    }
    buf_clear(&packed);
    compress_image(&plain, "org.apache.hadoop.io.compress.SnappyCodec", 15, &packed);
    write_all(path, packed.data, packed.length);
    assert_int_equal(load(&d, &core, path, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "SnappyCodec"));
    core_release(&core);
    buf_release(&plain);
    buf_release(&packed);
    buf_release(&before);
    buf_release(&after);
    mem_free(path);
    name_dir_end(&d);
}

/* ---- images made by hand: what must not be believed ---- */

struct hand {
    struct name_dir d;
    struct image_out out;
    char *path;
};

static void hand_begin(struct hand *h)
{
    struct err err = ERR_INIT;
    Pb__NameSystemSection ns = PB__NAME_SYSTEM_SECTION__INIT;

    *h = (struct hand){0};
    start(&h->d, 0);
    h->path = mem_printf("%s/image", h->d.scratch);
    assert_int_equal(image_out_open(&h->out, NULL, (const char *const *)&h->path, 1, &err), 0);
    ns.has_transactionid = true;
    image_out_put(&h->out, &ns.base);
    image_out_section(&h->out, "NS_INFO");
}

static void hand_strings(struct hand *h)
{
    Pb__StringTableSection table = PB__STRING_TABLE_SECTION__INIT;
    Pb__StringTableSection__Entry entry = PB__STRING_TABLE_SECTION__ENTRY__INIT;

    table.has_numentry = true;
    table.numentry = 1;
    image_out_put(&h->out, &table.base);
    entry.has_id = true;
    entry.id = 1;
    entry.str = (char *)(uintptr_t) "user.color";
    image_out_put(&h->out, &entry.base);
    image_out_section(&h->out, "STRING_TABLE");
}

static void put_dir(struct hand *h, uint64_t id, const char *name)
{
    Pb__INodeSection__INode inode = PB__INODE_SECTION__INODE__INIT;
    Pb__INodeSection__INodeDirectory dir = PB__INODE_SECTION__INODE_DIRECTORY__INIT;

    dir.has_permission = true;
    dir.permission = UINT64_C(1) << 40 | 1 << 16 | 0755;
    inode.type = PB__INODE_SECTION__TYPE__DIRECTORY;
    inode.id = id;
    inode.has_name = true;
    inode.name.data = (uint8_t *)(uintptr_t)name;
    inode.name.len = strlen(name);
    inode.directory = &dir;
    image_out_put(&h->out, &inode.base);
}

static void hand_inodes(struct hand *h, uint64_t count)
{
    Pb__INodeSection header = PB__INODE_SECTION__INIT;

    header.has_numinodes = true;
    header.numinodes = count;
    image_out_put(&h->out, &header.base);
    put_dir(h, INODE_ID_ROOT, "");
}

static void put_children(struct hand *h, uint64_t parent, uint64_t a, uint64_t b)
{
    Pb__INodeDirectorySection__DirEntry entry = PB__INODE_DIRECTORY_SECTION__DIR_ENTRY__INIT;
    uint64_t children[] = {a, b};

    entry.has_parent = true;
    entry.parent = parent;
    entry.children = children;
    entry.n_children = b ? 2 : 1;
    image_out_put(&h->out, &entry.base);
}

static void hand_refused(struct hand *h, int code, const char *word)
{
    uint8_t md5[MD5_SIZE];
    struct err err = ERR_INIT;
    struct core core;

    assert_int_equal(image_out_finish(&h->out, md5, &err), 0);
    image_out_release(&h->out);
    int rc = load(&h->d, &core, h->path, &err);
    if (rc != code || !strstr(err.text, word)) fail_msg("answers %d: %s", rc, err.text);
    core_release(&core);
    mem_free(h->path);
    name_dir_end(&h->d);
}

static void rings_of_directories(void **state)
{
    (void)state;
    struct hand h;

    hand_begin(&h);
    hand_strings(&h);
    hand_inodes(&h, 3);
    put_dir(&h, 20001, "a");
    put_dir(&h, 20002, "b");
    image_out_section(&h.out, "INODE");
    put_children(&h, 20001, 20002, 0);
    put_children(&h, 20002, 20001, 0);
    image_out_section(&h.out, "INODE_DIR");
    hand_refused(&h, ERR_CORRUPT, "ring");
}

static void orphans_doubles_and_wrong_parents(void **state)
{
    (void)state;
    static const struct {
        uint64_t parent, a, b;
        const char *word;
    } CASES[] = {
        {0, 0, 0, "in no directory"},
        {INODE_ID_ROOT, 20001, 20001, "in two directories"},
        {INODE_ID_ROOT, 20009, 0, "not there"},
        {20009, 20001, 0, "no directory"},
        {INODE_ID_ROOT, INODE_ID_ROOT, 0, "in two directories"},
        {INODE_ID_ROOT, 20001, 20002, "taken"},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct hand h;
        hand_begin(&h);
        hand_strings(&h);
        hand_inodes(&h, 3);
        put_dir(&h, 20001, "same");
        put_dir(&h, 20002, "same");
        image_out_section(&h.out, "INODE");
        if (CASES[i].parent) put_children(&h, CASES[i].parent, CASES[i].a, CASES[i].b);
        image_out_section(&h.out, "INODE_DIR");
        hand_refused(&h, ERR_CORRUPT, CASES[i].word);
    }
}

static void wrong_counts_and_names(void **state)
{
    (void)state;
    static const struct {
        uint64_t count, id;
        const char *name, *word;
    } CASES[] = {
        {3, 20001, "a", "expected 3 inodes"},
        {2, 20001, "a/b", "slash"},
        {2, 20001, "", "no name"},
        {2, INODE_ID_ROOT, "a", "root has a name"},
        {2, 0, "a", "impossible id"},
        {2, UINT64_MAX, "a", "impossible id"},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct hand h;
        hand_begin(&h);
        hand_strings(&h);
        hand_inodes(&h, CASES[i].count);
        put_dir(&h, CASES[i].id, CASES[i].name);
        image_out_section(&h.out, "INODE");
        hand_refused(&h, ERR_CORRUPT, CASES[i].word);
    }
}

static void features_that_are_not_built(void **state)
{
    (void)state;
    Pb__SecretManagerSection secrets = PB__SECRET_MANAGER_SECTION__INIT;
    Pb__CacheManagerSection cache = PB__CACHE_MANAGER_SECTION__INIT;
    struct hand h;

    secrets.has_numkeys = true;
    secrets.numkeys = 1;
    cache.numpools = 1;
    const struct {
        const ProtobufCMessage *message;
        const char *section;
        int code;
        const char *word;
    } CASES[] = {
        {&secrets.base, "SECRET_MANAGER", ERR_CORRUPT, "ends too early"},
        {&cache.base, "CACHE_MANAGER", ERR_CORRUPT, "ends too early"},
        {&cache.base, "NO_SUCH_SECTION", ERR_UNSUPPORTED, "Unrecognized section NO_SUCH_SECTION"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        hand_begin(&h);
        hand_strings(&h);
        image_out_put(&h.out, CASES[i].message);
        image_out_section(&h.out, CASES[i].section);
        hand_refused(&h, CASES[i].code, CASES[i].word);
    }
}

static void put_dir_with(struct hand *h, Pb__INodeSection__INodeDirectory *dir)
{
    Pb__INodeSection__INode inode = PB__INODE_SECTION__INODE__INIT;

    inode.type = PB__INODE_SECTION__TYPE__DIRECTORY;
    inode.id = 20001;
    inode.has_name = true;
    inode.name.data = (uint8_t *)(uintptr_t) "d";
    inode.name.len = 1;
    inode.directory = dir;
    image_out_put(&h->out, &inode.base);
}

static void bad_acls(void **state)
{
    (void)state;
    enum { DEFAULT = 1 << IMAGE_ACL_SCOPE_SHIFT, GROUP = ACL_GROUP << IMAGE_ACL_TYPE_SHIFT };
    uint32_t nobody[] = {9 << IMAGE_ACL_NAME_SHIFT | 7}, groupless[] = {1 << IMAGE_ACL_NAME_SHIFT};
    uint32_t many[ACL_ENTRIES_MAX + 1];
    const struct {
        uint32_t *entries;
        size_t count;
        const char *word;
    } CASES[] = {
        {nobody, 1, "not in the string table"},
        {groupless, 1, "lacks the entry of the group"},
        {many, ARRAY_LEN(many), "more entries than can be"},
    };

    for (size_t i = 0; i < ARRAY_LEN(many); i++) many[i] = DEFAULT | GROUP;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        Pb__INodeSection__INodeDirectory dir = PB__INODE_SECTION__INODE_DIRECTORY__INIT;
        Pb__INodeSection__AclFeature acl = PB__INODE_SECTION__ACL_FEATURE__INIT;
        struct hand h;

        acl.entries = CASES[i].entries;
        acl.n_entries = CASES[i].count;
        dir.acl = &acl;
        hand_begin(&h);
        hand_strings(&h);
        hand_inodes(&h, 2);
        put_dir_with(&h, &dir);
        image_out_section(&h.out, "INODE");
        hand_refused(&h, ERR_CORRUPT, CASES[i].word);
    }
}

static void bad_attributes(void **state)
{
    (void)state;
    static uint8_t large[XATTR_VALUE_MAX + 1];
    enum { NAMED = 1 << IMAGE_XATTR_NAME_SHIFT, EXTENDED = 1 << IMAGE_XATTR_EXTENDED_SHIFT };
    const struct {
        uint32_t name;
        size_t size;
        const char *word;
    } CASES[] = {
        {9 << IMAGE_XATTR_NAME_SHIFT, 0, "not in the string table"},
        {NAMED | EXTENDED | 1 << IMAGE_XATTR_NAMESPACE_SHIFT, 0, "unknown name space"},
        {NAMED, sizeof large, "too large a value"},
    };

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        Pb__INodeSection__INodeDirectory dir = PB__INODE_SECTION__INODE_DIRECTORY__INIT;
        Pb__INodeSection__XAttrCompact attribute = PB__INODE_SECTION__XATTR_COMPACT__INIT;
        Pb__INodeSection__XAttrCompact *list = &attribute;
        Pb__INodeSection__XAttrFeature attributes = PB__INODE_SECTION__XATTR_FEATURE__INIT;
        struct hand h;

        attribute.name = CASES[i].name;
        attribute.has_value = true;
        attribute.value.data = large;
        attribute.value.len = CASES[i].size;
        attributes.xattrs = &list;
        attributes.n_xattrs = 1;
        dir.xattrs = &attributes;
        hand_begin(&h);
        hand_strings(&h);
        hand_inodes(&h, 2);
        put_dir_with(&h, &dir);
        image_out_section(&h.out, "INODE");
        hand_refused(&h, ERR_CORRUPT, CASES[i].word);
    }
}

static void a_wrong_md5_falls_back_to_the_image_before(void **state)
{
    (void)state;
    struct name_dir d;
    struct buf before = {0}, after = {0}, image = {0};
    struct err err = ERR_INIT;
    uint8_t md5[IMAGE_MD5_SIZE];

    start(&d, 60);
    d.core.txid_applied = edit_log_roll(d.log);
    uint64_t txid = d.core.txid_applied - 1;
    assert_int_equal(image_save_begin(&d.core, d.storage, txid, md5, &err), 0);
    assert_int_equal(image_save_commit(d.storage, txid, md5, &err), 0);
    for (int i = 0; i < 20; i++) name_dir_change(&d);
    while (tree_reclaim(&d.core, UINT64_MAX)) {}
    core_dump(&d.core, &before);
    name_dir_stop(&d);

    char *name = mem_printf("fsimage_%019" PRIu64, txid), *path = name_dir_path(&d, 1, name);
    read_all(path, &image);
    image.data[image.length / 2] ^= 1;
    write_all(path, image.data, image.length);
    if (name_dir_load(&d, false, &err)) fail_msg("%s", err.text);
    core_dump(&d.core, &after);
    core_dump_compare(&before, &after);
    name_dir_stop(&d);

    char *sum = mem_printf("%s.md5", path); /* without its .md5 it counts as little */
    image.data[image.length / 2] ^= 1;
    write_all(path, image.data, image.length);
    assert_int_equal(unlink(sum), 0);
    if (name_dir_load(&d, false, &err)) fail_msg("%s", err.text);
    core_dump(&d.core, &after);
    core_dump_compare(&before, &after);
    mem_free(sum);
    mem_free(path);
    mem_free(name);
    buf_release(&before);
    buf_release(&after);
    buf_release(&image);
    name_dir_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_trees_come_back),
        cmocka_unit_test(large_directories_and_files_come_back),
        cmocka_unit_test(largest_values_survive),
        cmocka_unit_test(every_bit_may_flip),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(compressed_images_load),
        cmocka_unit_test(rings_of_directories),
        cmocka_unit_test(orphans_doubles_and_wrong_parents),
        cmocka_unit_test(wrong_counts_and_names),
        cmocka_unit_test(features_that_are_not_built),
        cmocka_unit_test(bad_acls),
        cmocka_unit_test(bad_attributes),
        cmocka_unit_test(a_wrong_md5_falls_back_to_the_image_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
