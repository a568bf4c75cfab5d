/* Inodes, directories, paths and leases, against plain models of what they should hold. */
#include "namenode/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/hash.h"
#include "common/mem.h"
#include "namenode/block.h"
#include "namenode/lease.h"

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state = hash_u64(random_state, 99);
    return random_state % limit;
}

static struct inode *make(struct tree *tree, struct inode *dir, enum inode_type type,
                          const char *name)
{
    struct inode *inode = inode_new(tree->inodes, type, ++tree->inode_id_last);

    inode_set_name(tree->inodes, inode, name, strlen(name));
    if (dir) tree_link(tree, dir, inode);
    return inode;
}

static void drop(struct tree *tree, struct inode *inode)
{
    tree_unlink(tree, inode);
    inode_free(tree->inodes, inode);
}

static void assert_name(const struct inode *inode, const char *text)
{
    size_t length;
    const uint8_t *name = inode_name(inode, &length);

    assert_int_equal(length, strlen(text));
    assert_memory_equal(name, text, length);
}

/* ---- a random tree against a naive one ---- */

enum { MODEL_MAX = 4000, MODEL_OPS = 100000, MODEL_DIRS = 40 };

struct model_node {
    uint64_t id; /* 0: free */
    uint64_t parent_id;
    bool dir;
    char name[64];
};

struct model {
    struct tree tree;
    struct model_node nodes[MODEL_MAX];
    size_t dirs;
};

static const struct model_node *model_find(const struct model *model, uint64_t parent_id,
                                           const char *name)
{
    for (size_t i = 0; i < MODEL_MAX; i++)
        if (model->nodes[i].id && model->nodes[i].parent_id == parent_id &&
            str_eq(model->nodes[i].name, name))
            return &model->nodes[i];
    return NULL;
}

static bool model_has_children(const struct model *model, uint64_t id)
{
    for (size_t i = 0; i < MODEL_MAX; i++)
        if (model->nodes[i].id && model->nodes[i].parent_id == id) return true;
    return false;
}

static struct inode *random_dir(struct model *model)
{
    /* Mostly the first directories, so that some grow far beyond one chunk. */
    size_t wanted = random_below(4) ? random_below(3) : random_below(MODEL_DIRS), seen = 0;

    for (size_t i = 0; i < MODEL_MAX; i++)
        if (model->nodes[i].id && model->nodes[i].dir && seen++ == wanted)
            return inode_find(model->tree.inodes, model->nodes[i].id);
    return model->tree.root;
}

static void random_name(char *name, size_t size)
{
    static const char *const styles[] = {"%" PRIu64, "a-name-that-does-not-fit-inside-%" PRIu64,
                                         "\xff%" PRIu64, "x"};

    snprintf(name, size, styles[random_below(ARRAY_LEN(styles))], random_below(100000));
}

static void model_make(struct model *model, struct model_node *node)
{
    struct inode *dir = random_dir(model);
    bool is_dir = model->dirs < MODEL_DIRS && random_below(20) == 0;
    char name[64];

    random_name(name, sizeof name);
    struct inode *there = tree_child(&model->tree, dir, name, strlen(name));
    const struct model_node *expected = model_find(model, dir->id, name);
    assert_int_equal(there ? there->id : 0, expected ? expected->id : 0);
    if (there) return;
    there = make(&model->tree, dir, is_dir ? INODE_DIRECTORY : INODE_FILE, name);
    *node = (struct model_node){.id = there->id, .parent_id = dir->id, .dir = is_dir};
    memcpy(node->name, name, sizeof name);
    model->dirs += is_dir;
}

static void model_change(struct model *model, struct model_node *node)
{
    struct inode *inode = inode_find(model->tree.inodes, node->id);
    char name[64];

    assert_non_null(inode);
    assert_name(inode, node->name);
    if (random_below(2) && !model_has_children(model, node->id)) {
        drop(&model->tree, inode);
        assert_null(inode_find(model->tree.inodes, node->id));
        model->dirs -= node->dir;
        node->id = 0;
        return;
    }
    struct inode *dir = random_dir(model);
    random_name(name, sizeof name);
    if (model_find(model, dir->id, name) || tree_is_ancestor(&model->tree, inode, dir)) return;
    tree_move(&model->tree, inode, dir, name, strlen(name));
    node->parent_id = dir->id;
    memcpy(node->name, name, sizeof name);
}

static int compare_nodes(const void *a, const void *b)
{
    const struct model_node *const *left = a, *const *right = b;

    const int8_t *a_name = (const int8_t *)(*left)->name,
                 *b_name = (const int8_t *)(*right)->name; /* signed, as Apache's */

    while (*a_name && *a_name == *b_name) a_name++, b_name++;
    if (!*a_name || !*b_name) return (*a_name != 0) - (*b_name != 0);
    return *a_name - *b_name;
}

/* Pages of a random size give all children in order, each `remaining` right. */
static void check_listing(const struct model *model, const struct inode *dir)
{
    const struct model_node *sorted[MODEL_MAX];
    struct inode *page[700];
    size_t count = 0, at = 0;
    const char *start = "";

    for (size_t i = 0; i < MODEL_MAX; i++)
        if (model->nodes[i].id && model->nodes[i].parent_id == dir->id)
            sorted[count++] = &model->nodes[i];
    qsort(sorted, count, sizeof *sorted, compare_nodes);
    assert_int_equal(dir_child_count(dir), count);
    for (uint64_t remaining = 1; remaining;) {
        size_t got = dir_list(&model->tree, dir, start, strlen(start), page,
                              1 + random_below(ARRAY_LEN(page)), &remaining);

        for (size_t i = 0; i < got; i++, at++) {
            assert_int_equal(page[i]->id, sorted[at]->id);
            assert_ptr_equal(page[i], dir_child_at(&model->tree, dir, at));
        }
        assert_int_equal(remaining, count - at);
        if (at) start = sorted[at - 1]->name;
    }
    assert_null(dir_child_at(&model->tree, dir, count));
}

static void check_walk(const struct model *model)
{
    struct tree_walk walk;
    uint64_t seen = 0, live = 1;
    struct inode *inode;

    for (size_t i = 0; i < MODEL_MAX; i++) live += model->nodes[i].id != 0;
    tree_walk_start(&walk, &model->tree, model->tree.root);
    while ((inode = tree_walk_next(&walk))) {
        assert_true(inode == model->tree.root || !inode_parent(model->tree.inodes, inode)->marked);
        seen++;
    }
    tree_walk_release(&walk);
    assert_int_equal(seen, live);
    assert_int_equal(inode_count(model->tree.inodes), live);
}

static void test_random_tree(void **state)
{
    struct model *model = NEW(struct model);

    (void)state;
    random_state = 1;
    assert_int_equal(tree_init(&model->tree), 0);
    for (int op = 0; op < MODEL_OPS; op++) {
        struct model_node *node = &model->nodes[random_below(MODEL_MAX)];

        if (!node->id)
            model_make(model, node);
        else if (op < MODEL_OPS / 2 ? random_below(4) == 0 : true)
            model_change(model, node);
        if (op % 5000 != 4999) continue;
        check_walk(model);
        check_listing(model, model->tree.root);
        for (size_t i = 0; i < MODEL_MAX; i++)
            if (model->nodes[i].id && model->nodes[i].dir)
                check_listing(model, inode_find(model->tree.inodes, model->nodes[i].id));
    }
    tree_release(&model->tree);
    mem_free(model);
}

/* A walk in slices over a tree that changes: what stays all the time is met exactly once. */
static void test_walk_in_slices(void **state UNUSED)
{
    enum { FIXED = 3000, MOVING = 1500, DIRS = 6 }; /* met[]: by id */
    struct tree tree;
    struct arena arena = {0};
    struct inode *dirs[DIRS], *moving[MOVING];
    uint8_t *met = NEW_ARRAY(uint8_t, INODE_ID_ROOT + FIXED + 20 * MOVING);
    struct tree_bookmark *bookmark = NULL;
    struct tree_walk walk;
    char name[48];

    random_state = 12;
    assert_int_equal(tree_init(&tree), 0);
    dirs[0] = tree.root;
    for (int i = 1; i < DIRS; i++) {
        snprintf(name, sizeof name, "dir-%d", i);
        dirs[i] = make(&tree, dirs[i / 2], INODE_DIRECTORY, name);
    }
    for (int i = 0; i < FIXED; i++) {
        snprintf(name, sizeof name, "fixed-%" PRIu64 "-%d", random_below(1000000), i);
        make(&tree, dirs[i % DIRS], INODE_FILE, name);
    }
    uint64_t fixed_last = tree.inode_id_last;
    for (int i = 0; i < MOVING; i++) {
        snprintf(name, sizeof name, "%" PRIu64 "-%d", random_below(1000000), i);
        moving[i] = make(&tree, dirs[random_below(DIRS)], INODE_FILE, name);
    }
    tree_walk_start(&walk, &tree, tree.root);
    for (int step = 0;; step++) {
        struct inode *inode = tree_walk_next(&walk);

        if (!inode) break;
        met[inode->id]++;
        if (step % 23) continue;
        bookmark = tree_walk_save(&walk, &arena, bookmark);
        for (int i = 0; i < 20; i++) {
            uint64_t which = random_below(MOVING);

            drop(&tree, moving[which]);
            snprintf(name, sizeof name, "%c%" PRIu64 "-%d", (char)('a' + random_below(26)),
                     random_below(1000000), step * 20 + i);
            moving[which] = make(&tree, dirs[random_below(DIRS)], INODE_FILE, name);
        }
        tree_walk_resume(&walk, &tree, bookmark);
    }
    tree_walk_release(&walk);
    for (uint64_t id = INODE_ID_ROOT; id <= fixed_last; id++) assert_int_equal(met[id], 1);
    mem_free(met);
    arena_release(&arena);
    tree_release(&tree);
}

/* ---- large directories ---- */

static void test_large_directory(void **state)
{
    enum { FILES = 20000 };
    struct tree tree;
    struct inode **files = NEW_ARRAY(struct inode *, FILES), *page[3];
    uint64_t remaining;
    char name[32];

    (void)state;
    random_state = 7;
    assert_int_equal(tree_init(&tree), 0);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "part-%06d", i * 2);
        files[i] = make(&tree, tree.root, INODE_FILE, name);
    }
    /* An entry that is not there is a fine start. */
    assert_int_equal(dir_list(&tree, tree.root, "part-000101", 11, page, 3, &remaining), 3);
    assert_name(page[0], "part-000102");
    assert_int_equal(remaining, FILES - 51 - 3);
    assert_int_equal(dir_list(&tree, tree.root, "zzz", 3, page, 3, &remaining), 0);
    assert_int_equal(remaining, 0);
    assert_int_equal(dir_list(&tree, tree.root, "part-000000", 11, page, 0, &remaining), 0);
    assert_int_equal(remaining, FILES - 1);
    for (int left = FILES; left; left--) { /* in random order down to nothing */
        uint64_t i = random_below((uint64_t)left);

        drop(&tree, files[i]);
        files[i] = files[left - 1];
        assert_int_equal(dir_child_count(tree.root), left - 1);
        if (left > 1) assert_non_null(dir_child_at(&tree, tree.root, (uint64_t)left - 2));
    }
    assert_null(tree.root->children);
    mem_free(files);
    tree_release(&tree);
}

static void test_bytes_per_inode(void **state)
{
    enum { FILES = 200000, PER_DIR = 1000 };
    struct tree tree;
    struct inode *dir = NULL;
    char name[64];

    (void)state;
    assert_int_equal(tree_init(&tree), 0);
    for (int i = 0; i < FILES; i++) {
        if (i % PER_DIR == 0) {
            snprintf(name, sizeof name, "d%d", i);
            dir = make(&tree, tree.root, INODE_DIRECTORY, name);
        }
        snprintf(name, sizeof name, "part-%05d-c000.snappy",
                 i % PER_DIR); /* 22 bytes: outside the inode */
        struct inode *file = make(&tree, dir, INODE_FILE, name);
        inode_set_owner(tree.inodes, file, "spark", "hadoop");
    }
    uint64_t bytes = inode_table_memory(tree.inodes) / FILES;
    print_message(
        "%" PRIu64
        " bytes per file in the inode table (name of 22 bytes), without the directory's 4\n",
        bytes);
    assert_true(bytes <= 64 + 24 + 12);
    tree_release(&tree);
}

/* Directories as an image brings them, at the bounds of arrays and chunks; they go on like any other. */
static void check_linked_at_once(uint32_t count)
{
    struct tree tree;
    uint32_t *children = NEW_ARRAY(uint32_t, count);
    struct inode *page[4];
    uint64_t remaining;
    char name[32];

    assert_int_equal(tree_init(&tree), 0);
    struct inode *dir = make(&tree, tree.root, INODE_DIRECTORY, "d");
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "f%06u", i * 2);
        children[i] = inode_reference(make(&tree, NULL, INODE_FILE, name));
    }
    if (count > 1) {
        uint32_t first = children[0];

        children[0] = children[1];
        children[1] = first;
        assert_false(tree_link_all(&tree, dir, children, count));
        assert_int_equal(dir_child_count(dir), 0);
        assert_null(inode_parent(tree.inodes, inode_at(tree.inodes, children[0])));
        children[1] = children[0];
        children[0] = first;
    }
    assert_true(tree_link_all(&tree, dir, children, count));
    assert_int_equal(dir_child_count(dir), count);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "f%06u", i * 2);
        assert_ptr_equal(tree_child(&tree, dir, name, strlen(name)),
                         inode_at(tree.inodes, children[i]));
        assert_ptr_equal(dir_child_at(&tree, dir, i), inode_at(tree.inodes, children[i]));
    }
    assert_false(tree_link_all(&tree, dir, children, count)); /* it has children */
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "f%06u", i * 2 + 1);
        make(&tree, dir, INODE_FILE, name);
    }
    size_t listed = dir_list(&tree, dir, "f000000", 7, page, ARRAY_LEN(page), &remaining);
    assert_int_equal(listed + remaining, 2 * count - 1);
    assert_name(page[0], "f000001");
    for (uint32_t i = 0; i < count; i++) drop(&tree, inode_at(tree.inodes, children[i]));
    assert_int_equal(dir_child_count(dir), count);
    mem_free(children);
    tree_release(&tree);
}

static void test_linked_at_once(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 8; count++) check_linked_at_once(count);
    check_linked_at_once(512);
    check_linked_at_once(513);
    check_linked_at_once(1600);
}

/* ---- inodes ---- */

static void test_names_and_owners(void **state)
{
    struct tree tree;
    char name[INODE_NAME_MAX + 1] = "";

    (void)state;
    assert_int_equal(tree_init(&tree), 0);
    struct inode *inode = make(&tree, NULL, INODE_FILE, "x");
    for (size_t length = 0; length <= INODE_NAME_MAX; length++) {
        memset(name, 'a' + (int)(length % 26), length);
        name[length] = '\0';
        inode_set_name(tree.inodes, inode, name, length);
        assert_name(inode, name);
    }
    size_t length;
    const uint8_t *own = inode_name(inode, &length);
    inode_set_name(tree.inodes, inode, own + 1, length - 1); /* from itself */
    name[INODE_NAME_MAX - 1] = '\0';
    assert_name(inode, name);
    assert_string_equal(inode_user(tree.inodes, inode), "");
    inode_set_owner(tree.inodes, inode, "ab", "c");
    inode_set_owner(tree.inodes, tree.root, "a", "bc"); /* other pair, same letters */
    assert_string_equal(inode_user(tree.inodes, inode), "ab");
    assert_string_equal(inode_group(tree.inodes, tree.root), "bc");
    assert_int_equal(inode_reference(inode_at(tree.inodes, inode_reference(inode))),
                     inode_reference(inode));
    inode_free(tree.inodes, inode);
    tree_release(&tree);
}

static void test_block_sizes(void **state)
{
    enum { FILES = 600 };
    struct tree tree;
    struct inode *files[FILES];
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(tree_init(&tree), 0);
    for (uint64_t i = 0; i < FILES; i++) { /* more sizes than have a number */
        files[i] = inode_new(tree.inodes, INODE_FILE, 20000 + i);
        assert_int_equal(inode_set_block_size(tree.inodes, files[i], (i + 1) * MIB, &err), 0);
    }
    for (uint64_t i = 0; i < FILES; i++)
        assert_int_equal(inode_block_size(tree.inodes, files[i]), (i + 1) * MIB);
    assert_int_equal(inode_set_block_size(tree.inodes, files[599], 7 * MIB, &err), 0);
    assert_int_equal(inode_block_size(tree.inodes, files[599]), 7 * MIB);
    assert_int_equal(inode_set_block_size(tree.inodes, tree.root, MIB, &err), ERR_ARGUMENT);
    for (uint64_t i = 0; i < FILES; i++) inode_free(tree.inodes, files[i]);
    tree_release(&tree);
}

static void test_block_list(void **state)
{
    enum { BLOCKS = 100 };
    struct tree tree;
    struct block blocks[BLOCKS] = {0};

    (void)state;
    assert_int_equal(tree_init(&tree), 0);
    struct inode *file = make(&tree, tree.root, INODE_FILE, "f");
    assert_null(inode_last_block(file));
    for (uint32_t i = 0; i < BLOCKS; i++) {
        blocks[i].length = 10;
        inode_append_block(file, &blocks[i]);
        assert_ptr_equal(inode_last_block(file), &blocks[i]);
        assert_ptr_equal(inode_penultimate_block(file), i ? &blocks[i - 1] : NULL);
        for (uint32_t j = 0; j <= i; j++) assert_ptr_equal(inode_block(file, j), &blocks[j]);
    }
    blocks[BLOCKS - 1].state = BLOCK_UNDER_CONSTRUCTION;
    assert_int_equal(inode_length(file, true), 10 * BLOCKS);
    assert_int_equal(inode_length(file, false), 10 * (BLOCKS - 1));
    for (uint32_t i = BLOCKS; i--;) {
        assert_ptr_equal(inode_drop_last_block(file), &blocks[i]);
        assert_int_equal(file->block_count, i);
    }
    drop(&tree, file);
    tree_release(&tree);
}

/* ---- paths ---- */

static void test_resolve(void **state)
{
    struct tree tree;
    struct arena arena = {0};
    struct resolved path;
    struct err err = ERR_INIT;
    char text[100];

    (void)state;
    assert_int_equal(tree_init(&tree), 0);
    struct inode *a = make(&tree, tree.root, INODE_DIRECTORY, "a");
    struct inode *b = make(&tree, a, INODE_DIRECTORY, "b");
    struct inode *f = make(&tree, b, INODE_FILE, "f");

    const struct {
        const char *path, *text;
        uint32_t depth, found;
        struct inode *inode, *parent, *deepest;
    } cases[] = {
        {"/", "/", 0, 0, tree.root, NULL, tree.root},
        {"//", "/", 0, 0, tree.root, NULL, tree.root},
        {"/a", "/a", 1, 1, a, tree.root, a},
        {"/a//b/", "/a/b", 2, 2, b, a, b},
        {"/a/b/f", "/a/b/f", 3, 3, f, b, f},
        {"/a/b/g", "/a/b/g", 3, 2, NULL, b, b},
        {"/a/x/g", "/a/x/g", 3, 1, NULL, NULL, a},
        {"/a/b/f/g", "/a/b/f/g", 4, 3, NULL, NULL, f},
        {"/a/b/f/g/h", "/a/b/f/g/h", 5, 3, NULL, NULL, f},
        {"/a/..", "/a/..", 2, 1, NULL, a, a},
        {"/.reserved", "/.reserved", 1, 0, NULL, tree.root, tree.root},
        {"/.reserved/.inodes/16385", "/", 0, 0, tree.root, NULL, tree.root},
        {"/.reserved/.inodes/16385/a", "/a", 1, 1, a, tree.root, a},
        {"/.reserved/.inodes/16387", "/a/b", 2, 2, b, a, b},
        {"/.reserved/.inodes/16387/f", "/a/b/f", 3, 3, f, b, f},
        {"/.reserved/.inodes/16387/..", "/a", 1, 1, a, tree.root, a},
        {"/.reserved/.inodes/16385/..", "/", 0, 0, tree.root, NULL, tree.root},
        {"/.reserved/.inodes", "/.reserved/.inodes", 2, 0, NULL, NULL, tree.root},
        {"/.reserved/raw", "/", 0, 0, tree.root, NULL, tree.root},
        {"/.reserved/raw/a/b", "/a/b", 2, 2, b, a, b},
        {"/.reserved/raw/.reserved", "/.reserved/raw/.reserved", 3, 0, NULL, NULL, tree.root},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(resolve_path(&tree, cases[i].path, &arena, &path, &err), 0);
        assert_string_equal(path.text, cases[i].text);
        assert_int_equal(path.depth, cases[i].depth);
        assert_int_equal(path.found, cases[i].found);
        assert_ptr_equal(path.inode, cases[i].inode);
        assert_ptr_equal(path.parent, cases[i].parent);
        assert_ptr_equal(path.deepest, cases[i].deepest);
        assert_int_equal(path.is_reserved_raw, str_starts(cases[i].path, "/.reserved/raw"));
    }
    assert_string_equal(tree_path_of(&tree, f, &arena), "/a/b/f");
    assert_string_equal(tree_path_of(&tree, tree.root, &arena), "/");
    assert_true(tree_is_ancestor(&tree, a, f) && tree_is_ancestor(&tree, a, a) &&
                !tree_is_ancestor(&tree, f, a));

    assert_int_equal(resolve_path(&tree, "a/b", &arena, &path, &err), ERR_ASSERTION);
    assert_string_equal(err.text, "Absolute path required, but got 'a/b'");
    assert_int_equal(resolve_path(&tree, "", &arena, &path, &err), ERR_ASSERTION);
    assert_int_equal(resolve_path(&tree, "/.reserved/.inodes/99/x", &arena, &path, &err),
                     ERR_NOT_FOUND);
    assert_string_equal(err.text,
                        "File for given inode path does not exist: /.reserved/.inodes/99/x");
    static const char *const bad_ids[] = {"x",    "12x",   "-", "+", "99999999999999999999999",
                                          "0x10", "16387 "};
    for (size_t i = 0; i < ARRAY_LEN(bad_ids); i++) {
        snprintf(text, sizeof text, "/.reserved/.inodes/%s", bad_ids[i]);
        assert_int_equal(resolve_path(&tree, text, &arena, &path, &err), ERR_NOT_FOUND);
        assert_true(str_starts(err.text, "Invalid inode path: /.reserved/.inodes/"));
    }
    /* What is detached is not found by its id either. */
    tree_unlink(&tree, a);
    inode_table_detached(tree.inodes, 1);
    assert_null(inode_find(tree.inodes, f->id));
    assert_null(tree_path_of(&tree, f, &arena));
    assert_ptr_equal(inode_find(tree.inodes, INODE_ID_ROOT), tree.root);
    arena_release(&arena);
    tree_release(&tree);
}

static void test_valid_names(void **state)
{
    static const char *const good[] = {
        "/", "/a", "/a/", "/a//", "//", "/a.b/..c/...", "/.reserved/.inodes/5/.."};
    static const char *const bad[] = {"",
                                      "a",
                                      "//a",
                                      "/a//b",
                                      "/./a",
                                      "/a/.",
                                      "/..",
                                      "/a/../b",
                                      "/a:b",
                                      "/a/b:",
                                      "/.reserved/.inodes/.."};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!path_is_valid(good[i])) fail_msg("%s should be valid", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (path_is_valid(bad[i])) fail_msg("%s should not be valid", bad[i]);
}

/* ---- leases ---- */

static void test_leases(void **state)
{
    struct lease_table *table = lease_table_new();
    uint64_t ids[8];

    (void)state;
    assert_false(lease_renew(table, "a", 5));
    lease_add(table, 30, "a", "m1", 1000);
    lease_add(table, 10, "a", "m1", 1000);
    lease_add(table, 20, "b", "m2", 2000);
    assert_int_equal(lease_count(table), 2);
    assert_int_equal(lease_file_count(table), 3);
    assert_string_equal(lease_holder(table, 30), "a");
    assert_string_equal(lease_machine(table, 20), "m2");
    assert_int_equal(lease_files(table, NULL, 0, ids, 8), 3);
    assert_true(ids[0] == 10 && ids[1] == 20 && ids[2] == 30);
    assert_int_equal(lease_files(table, NULL, 10, ids, 1), 1);
    assert_int_equal(ids[0], 20);
    assert_int_equal(lease_files(table, "a", 10, ids, 8), 1);
    assert_int_equal(lease_files(table, "nobody", 0, ids, 8), 0);

    assert_null(lease_next_expired(table, 1000, 2000));
    assert_string_equal(lease_next_expired(table, 1000, 2001), "a");
    assert_true(lease_renew(table, "a", 2500));
    assert_string_equal(lease_next_expired(table, 1000, 3001), "b");
    assert_false(lease_soft_expired(table, "b", 2000 + LEASE_SOFT_LIMIT_MS));
    assert_true(lease_soft_expired(table, "b", 2001 + LEASE_SOFT_LIMIT_MS));
    lease_renew_all(table, 100000);
    assert_null(lease_next_expired(table, 1000, 100500));

    lease_reassign(table, 20, "c", 100001);
    assert_string_equal(lease_holder(table, 20), "c");
    assert_string_equal(lease_machine(table, 20), "m2");
    assert_int_equal(lease_count(table), 2); /* b had no other file */
    lease_add(table, 20, lease_holder(table, 30), lease_machine(table, 20),
              100002); /* texts of its own */
    assert_string_equal(lease_holder(table, 20), "a");
    assert_string_equal(lease_machine(table, 20), "m2");
    lease_remove(table, 30);
    lease_remove(table, 20);
    lease_remove(table, 20);
    lease_remove(table, 10);
    assert_int_equal(lease_count(table), 0);
    assert_null(lease_holder(table, 10));
    lease_table_free(table);
}

static void test_many_leases(void **state)
{
    enum { FILES = 5000 };
    struct lease_table *table = lease_table_new();
    uint64_t ids[70], after = 0, seen = 0;

    (void)state;
    for (uint64_t i = 0; i < FILES; i++) lease_add(table, 1 + i * 7919 % FILES, "c", "m", 1);
    for (size_t got; (got = lease_files(table, NULL, after, ids, ARRAY_LEN(ids)));
         after = ids[got - 1])
        for (size_t i = 0; i < got; i++) assert_int_equal(ids[i], ++seen);
    assert_int_equal(seen, FILES);
    lease_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_tree),     cmocka_unit_test(test_walk_in_slices),
        cmocka_unit_test(test_large_directory), cmocka_unit_test(test_bytes_per_inode),
        cmocka_unit_test(test_linked_at_once),  cmocka_unit_test(test_names_and_owners),
        cmocka_unit_test(test_block_sizes),     cmocka_unit_test(test_block_list),
        cmocka_unit_test(test_resolve),         cmocka_unit_test(test_valid_names),
        cmocka_unit_test(test_leases),          cmocka_unit_test(test_many_leases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
