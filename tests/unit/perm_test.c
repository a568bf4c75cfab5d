/* Permissions: the texts of refusals, and all checks against a plain model over random trees, users
 * and modes. */
#include "namenode/perm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/hash.h"
#include "tests/lib/core_world.h"

static int resolve_and_check(struct world *w, const char *path, enum resolve_for purpose,
                             const struct perm_request *request)
{
    struct resolved resolved;
    int rc = perm_resolve(&w->core, &w->op, path, purpose, &resolved, &w->err);

    return rc ? rc : perm_check(&w->core, &w->op, &resolved, request, &w->err);
}

static void test_texts(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_mkdirs(w, "/q", 0755), 0);
    assert_int_equal(world_mkdirs(w, "/q/priv/in", 0700), 0);
    world_file(w, "/q/f", 0, 0);
    world_be(w, "bob", "staff");
    assert_error(
        w, world_mkdirs(w, "/q/new", 0755), ERR_ACCESS,
        "Permission denied: user=bob, access=WRITE, inode=\"/q\":root:supergroup:drwxr-xr-x");
    assert_error(w, world_mkdirs(w, "/q/priv/in/new", 0755), ERR_ACCESS,
                 "Permission denied: user=bob, access=EXECUTE, "
                 "inode=\"/q/priv\":root:supergroup:drwx------");
    assert_error(
        w, world_delete(w, "/q/f", false, NULL), ERR_ACCESS,
        "Permission denied: user=bob, access=WRITE, inode=\"/q\":root:supergroup:drwxr-xr-x");
    assert_error(
        w, world_delete(w, "/q/none", false, NULL), ERR_ACCESS,
        "Permission denied: user=bob, access=WRITE, inode=\"/q\":root:supergroup:drwxr-xr-x");
    assert_error(
        w, world_rename(w, "/q/f", "/q/g", NULL), ERR_ACCESS,
        "Permission denied: user=bob, access=WRITE, inode=\"/q\":root:supergroup:drwxr-xr-x");
    assert_error(
        w, world_set_replication(w, "/q/f", 2, NULL), ERR_ACCESS,
        "Permission denied: user=bob, access=WRITE, inode=\"/q/f\":root:supergroup:-rw-r--r--");
    assert_error(
        w, world_set_quota(w, "/q", 1, 1), ERR_ACCESS,
        "Access denied for user bob. Superuser privilege is required for operation setSpaceQuota");
    assert_error(w, world_mkdirs(w, "/q/f/x", 0755), ERR_NOT_DIRECTORY,
                 "/q/f (is not a directory)");
    assert_error(w, world_delete(w, "/q/f/x", true, NULL), ERR_ACCESS, "/q/f (is not a directory)");
    assert_error(w, world_delete(w, "/.reserved/raw/q/f", true, NULL), ERR_ACCESS,
                 "Access denied for user bob. Superuser privilege is required for operation test");
    world_free(w);
}

static void test_sticky(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_mkdirs(w, "/q", 01777), 0);
    assert_int_equal(world_chmod(w, "/q", 01777), 0);
    world_file(w, "/q/f", 0, 0);
    assert_int_equal(world_chmod(w, "/q/f", 0), 0);
    world_be(w, "bob", "staff");
    assert_error(
        w, world_delete(w, "/q/f", false, NULL), ERR_ACCESS,
        "Permission denied by sticky bit: user=bob, path=\"/q/f\":root:supergroup:----------, "
        "parent=\"/q\":root:supergroup:drwxrwxrwt");
    assert_int_equal(world_rename2(w, "/q/f", "/q/g", false), ERR_ACCESS);
    assert_int_equal(world_mkdirs(w, "/q/mine", 0755), 0);
    assert_int_equal(world_delete(w, "/q/mine", false, NULL), 0); /* one's own */
    /* Deep below: the children of a sticky directory of somebody else. The text shows the deleted
     * tree's own mode. */
    world_be_super(w);
    assert_int_equal(world_mkdirs(w, "/t/tmp", 0777), 0);
    assert_int_equal(world_chmod(w, "/t", 0777), 0);
    assert_int_equal(world_chmod(w, "/t/tmp", 01776), 0);
    world_file(w, "/t/tmp/a", 0, 0);
    assert_int_equal(world_chown(w, "/t", "ann", NULL), 0);
    world_be(w, "bob", "supergroup-not");
    assert_int_equal(world_delete(w, "/t", true, NULL), ERR_ACCESS); /* WRITE on the root */
    world_be_super(w);
    assert_int_equal(world_chmod(w, "/", 0777), 0);
    world_be(w, "bob", "supergroup");
    assert_error(
        w, world_delete(w, "/t", true, NULL), ERR_ACCESS,
        "Permission denied by sticky bit: user=bob, path=\"/t/tmp/a\":root:supergroup:-rw-r--r--, "
        "parent=\"/t/tmp\":ann:supergroup:drwxrwxrwx");
    world_be(w, "bob", NULL);
    assert_error(
        w, world_delete(w, "/t", true, NULL), ERR_ACCESS,
        "Permission denied: user=bob, access=ALL, inode=\"/t/tmp\":root:supergroup:drwxrwxrwT");
    world_free(w);
}

static void test_subtree(void **state UNUSED)
{
    struct world *w = world_new(NULL);

    assert_int_equal(world_chmod(w, "/", 0777), 0);
    assert_int_equal(world_mkdirs(w, "/d/empty", 0777), 0);
    assert_int_equal(world_chmod(w, "/d", 0777), 0);
    assert_int_equal(world_chmod(w, "/d/empty", 0700), 0);
    world_be(w, "bob", NULL);
    assert_int_equal(world_delete(w, "/d", true, NULL), 0); /* empty directories need nothing */
    world_be_super(w);
    assert_int_equal(world_mkdirs(w, "/d/full/x", 0777), 0);
    assert_int_equal(world_chmod(w, "/d", 0777), 0);
    assert_int_equal(world_chmod(w, "/d/full", 0700), 0);
    world_be(w, "bob", NULL);
    assert_error(
        w, world_delete(w, "/d", true, NULL), ERR_ACCESS,
        "Permission denied: user=bob, access=ALL, inode=\"/d/full\":root:supergroup:drwx------");
    world_free(w);
}

static void test_switched_off(void **state UNUSED)
{
    struct world *w = world_new((const char *const[]){"dfs.permissions.enabled", "false", NULL});

    assert_int_equal(world_mkdirs(w, "/q", 0700), 0);
    world_file(w, "/q/f", 0, 0);
    world_be(w, "bob", NULL);
    assert_int_equal(world_mkdirs(w, "/q/x", 0755), 0);
    assert_int_equal(world_delete(w, "/q/x", true, NULL), 0);
    assert_error(w, world_mkdirs(w, "/q/f/x", 0755), ERR_NOT_DIRECTORY,
                 "/q/f (is not a directory)");
    /* Owners are asked for all the same. */
    assert_int_equal(world_chmod(w, "/q/f", 0600), ERR_ACCESS);
    world_free(w);
}

/* ---- against a model ---- */

static uint64_t random_state;

static uint32_t roll(uint32_t limit)
{
    random_state = hash_u64(random_state, 5);
    return (uint32_t)(random_state % limit);
}

static bool may(const struct world *w, const struct inode *inode, unsigned action)
{
    const struct inode_table *inodes = w->core.tree.inodes;
    unsigned shift = 0;

    if (str_eq(inode_user(inodes, inode), w->op.user))
        shift = 6;
    else if (w->groups[0] && str_eq(inode_group(inodes, inode), w->groups[0]))
        shift = 3;
    return ((inode->mode >> shift) & action) == action;
}

static bool is_mine(const struct world *w, const struct inode *inode)
{
    return str_eq(inode_user(w->core.tree.inodes, inode), w->op.user);
}

/* May the caller take `inode` out of its directory, as far as the sticky bit goes? */
static bool sticky_allows(const struct world *w, const struct inode *inode)
{
    const struct inode *parent = inode_parent(w->core.tree.inodes, inode);

    return !parent || !(parent->mode & INODE_MODE_STICKY) || is_mine(w, parent) ||
           is_mine(w, inode);
}

static bool may_all_below(const struct world *w, struct inode *dir, unsigned action)
{
    struct tree_walk walk;
    bool yes = true;

    tree_walk_start(&walk, &w->core.tree, dir);
    for (struct inode *at; (at = tree_walk_next(&walk));) {
        if (inode_is_dir(at) && dir_child_count(at) && !may(w, at, action)) yes = false;
        if (at != dir && !sticky_allows(w, at)) yes = false;
    }
    tree_walk_release(&walk);
    return yes;
}

/* The rule in its plainest form, for a path of directories d0/d1/… of which the last may be
 * missing. */
static bool model(struct world *w, const struct resolved *path, const struct perm_request *request)
{
    struct inode_table *inodes = w->core.tree.inodes;
    struct inode *parent = path->inode ? inode_parent(inodes, path->inode) : path->parent;
    struct inode *ancestor = path->inode ? parent : path->deepest;

    for (struct inode *at = ancestor; at; at = inode_parent(inodes, at))
        if (!may(w, at, ACTION_EXECUTE)) return false;
    if (request->parent & ACTION_WRITE && path->inode && !sticky_allows(w, path->inode))
        return false;
    if (request->ancestor && ancestor && !may(w, ancestor, request->ancestor)) return false;
    if (request->parent && parent && !may(w, parent, request->parent)) return false;
    if (request->target && path->inode && !may(w, path->inode, request->target)) return false;
    if (request->subtree && path->inode && !may_all_below(w, path->inode, request->subtree))
        return false;
    return !request->owner || (path->inode && is_mine(w, path->inode));
}

static void test_against_model(void **state UNUSED)
{
    static const char *const users[] = {"ann", "bob", "cid"}, *const groups[] = {"g1", "g2", NULL};
    struct world *w = world_new(NULL);
    uint32_t allowed = 0, refused = 0;
    char path[64];

    random_state = 3;
    for (int round = 0; round < 4000; round++) {
        if (round % 4 == 0) { /* another tree */
            world_be_super(w);
            assert_int_equal(world_delete(w, "/r", true, NULL), 0);
            for (int i = 0; i < 6; i++) {
                snprintf(path, sizeof path, "/r/%u/%u/%u", roll(2), roll(2), roll(2));
                assert_int_equal(world_mkdirs(w, path, 0755), 0);
            }
            struct tree_walk walk;
            tree_walk_start(&walk, &w->core.tree, world_inode(w, "/r"));
            for (struct inode *at; (at = tree_walk_next(&walk));) {
                at->mode = roll(3) ? 0711 | roll(512) : roll(512);
                if (roll(8) == 0) at->mode |= INODE_MODE_STICKY;
                inode_set_owner(w->core.tree.inodes, at, users[roll(3)], groups[roll(2)]);
            }
            tree_walk_release(&walk);
        }
        world_be(w, users[roll(3)], groups[roll(3)]);
        const struct perm_request request = {
            .owner = roll(5) == 0,
            .ancestor = roll(3) ? ACTION_NONE : (enum fs_action)roll(8),
            .parent = roll(3) ? ACTION_NONE : (enum fs_action)roll(8),
            .target = roll(3) ? ACTION_NONE : (enum fs_action)roll(8),
            .subtree = roll(4) ? ACTION_NONE : (enum fs_action)roll(8),
            .ignore_empty = true,
        };
        snprintf(path, sizeof path, roll(2) ? "/r/%u/%u/%u" : "/r/%u/%u", roll(2), roll(2),
                 roll(2));
        struct resolved resolved;
        assert_int_equal(resolve_path(&w->core.tree, path, &w->arena, &resolved, &w->err), 0);
        int rc = resolve_and_check(w, path, RESOLVE_WRITE, &request);
        bool expected = model(w, &resolved, &request);
        if ((rc == 0) != expected)
            fail_msg("%s of %s: %s, but the model says %s", path, w->op.user,
                     rc ? w->err.text : "allowed", expected ? "yes" : "no");
        expected ? allowed++ : refused++;
        arena_clear(&w->arena);
    }
    assert_true(allowed > 300 && refused > 300);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),         cmocka_unit_test(test_sticky),
        cmocka_unit_test(test_subtree),       cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_against_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
