#include "namenode/trash_emptier.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/log.h"
#include "namenode/handlers.h"
#include "namenode/op.h"

#define HOMES   "/user"
#define CURRENT "Current"

enum { ROOTS_PER_TICK = 16, CHILDREN_MAX = 1024, NAME_MAX_BYTES = 255, ATTEMPTS_MAX = 1000 };

struct trash_emptier {
    int64_t due_ms; /* wall clock; 0: not known yet */
    bool running;
    char after[NAME_MAX_BYTES + 1]; /* the last home looked at in this round */
    size_t after_length;
};

struct trash_emptier *trash_emptier_new(void)
{
    return NEW(struct trash_emptier);
}

void trash_emptier_free(struct trash_emptier *emptier)
{
    mem_free(emptier);
}

/* ---- names of checkpoints ---- */

int64_t trash_checkpoint_ms(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    int field[6] = {0};
    struct tm tm = {.tm_isdst = -1};

    /* What follows the time tells checkpoints of the same second apart. */
    if ((digits != 12 && digits != 10) || (name[digits] && name[digits] != '-')) return -1;
    for (size_t i = 0; i < digits / 2; i++)
        field[i] = (name[2 * i] - '0') * 10 + name[2 * i + 1] - '0';
    tm.tm_year = 100 + field[0];
    tm.tm_mon = field[1] - 1;
    tm.tm_mday = field[2];
    tm.tm_hour = field[3];
    tm.tm_min = field[4];
    tm.tm_sec = field[5];
    time_t time = mktime(&tm);
    return time == (time_t)-1 ? -1 : (int64_t)time * SECOND_MS;
}

static void checkpoint_name(int64_t wall_ms, char out[16])
{
    time_t seconds = (time_t)(wall_ms / SECOND_MS);
    struct tm tm;

    localtime_r(&seconds, &tm);
    strftime(out, 16, "%y%m%d%H%M%S", &tm);
}

/* ---- changes, as the superuser's calls make them ---- */

static struct op own_op(const struct core *core, struct arena *arena)
{
    static const char *const no_groups[] = {NULL};

    return (struct op){.arena = arena,
                       .user = core->conf.superuser,
                       .groups = no_groups,
                       .superuser = true,
                       .client_ip = "127.0.0.1",
                       .method = "trash"};
}

static void delete_checkpoint(struct core *core, char *path, struct arena *arena)
{
    Pb__DeleteRequest request = PB__DELETE_REQUEST__INIT;
    Pb__DeleteResponse response = PB__DELETE_RESPONSE__INIT;
    struct op op = own_op(core, arena);
    struct err err = ERR_INIT;

    request.src = path;
    request.recursive = true;
    if (op_delete(core, &op, &request, &response, &err))
        log_warn("Couldn't delete checkpoint: %s Ignoring: %s", path, err.text);
    else if (response.result)
        log_info("Deleted trash checkpoint: %s", path);
}

/* 1: the name is taken. */
static int move_current(struct core *core, const char *root, char *to, struct arena *arena)
{
    Pb__RenameRequest request = PB__RENAME_REQUEST__INIT;
    Pb__RenameResponse response = PB__RENAME_RESPONSE__INIT;
    struct op op = own_op(core, arena);
    struct err err = ERR_INIT;

    request.src = arena_printf(arena, "%s/" CURRENT, root);
    request.dst = to;
    if (op_rename(core, &op, &request, &response, &err)) {
        log_warn("Failed to checkpoint trash: %s: %s", root, err.text);
        return -1;
    }
    if (!response.result) return 1;
    log_info("Created trash checkpoint: %s", to);
    return 0;
}

static void make_checkpoint(struct core *core, const char *root, struct arena *arena)
{
    char name[16];
    int taken;

    checkpoint_name(core->now_wall_ms, name);
    taken = move_current(core, root, arena_printf(arena, "%s/%s", root, name), arena);
    for (int i = 1; taken == 1 && i < ATTEMPTS_MAX; i++)
        taken = move_current(core, root, arena_printf(arena, "%s/%s-%d", root, name, i), arena);
}

/* ---- one user's ---- */

static struct inode *child(const struct core *core, const struct inode *dir, const char *name)
{
    struct inode *inode = tree_child(&core->tree, dir, name, strlen(name));

    return inode && inode_is_dir(inode) ? inode : NULL;
}

static bool is_over(const struct core *core, const char *name)
{
    int64_t time_ms = trash_checkpoint_ms(name);

    if (time_ms < 0) return core->conf.trash_clean_root;
    return time_ms < core->now_wall_ms - core->conf.trash_interval_ms;
}

/* The names first: deleting changes the directory. */
static void delete_old(struct core *core, const struct inode *root_dir, const char *root,
                       struct arena *arena)
{
    uint32_t count = (uint32_t)MIN(dir_child_count(root_dir), (uint64_t)CHILDREN_MAX), n = 0;
    char **paths = ARENA_ARRAY(arena, char *, count + 1);

    for (uint32_t i = 0; i < count; i++) {
        const struct inode *inode = dir_child_at(&core->tree, root_dir, i);
        size_t length;
        const uint8_t *bytes = inode_name(inode, &length);
        char *name = arena_printf(arena, "%.*s", (int)length, (const char *)bytes);
        if (inode_is_dir(inode) && !str_eq(name, CURRENT) && is_over(core, name))
            paths[n++] = arena_printf(arena, "%s/%s", root, name);
    }
    for (uint32_t i = 0; i < n; i++) delete_checkpoint(core, paths[i], arena);
}

static void empty_home(struct core *core, const struct inode *home)
{
    const struct inode *trash = child(core, home, ".Trash");
    struct arena arena = {0};
    size_t length;
    const uint8_t *name = inode_name(home, &length);

    if (!trash) return;
    const char *root = arena_printf(&arena, HOMES "/%.*s/.Trash", (int)length, (const char *)name);
    bool current = child(core, trash, CURRENT) != NULL;
    delete_old(core, trash, root, &arena);
    if (current) make_checkpoint(core, root, &arena);
    arena_release(&arena);
}

/* ---- rounds ---- */

static int64_t interval_of(const struct core_conf *conf)
{
    int64_t checkpoint = conf->trash_checkpoint_ms;

    return checkpoint <= 0 || checkpoint > conf->trash_interval_ms ? conf->trash_interval_ms
                                                                   : checkpoint;
}

/* Some homes more; false at the end of the round. */
static bool go_on(struct trash_emptier *emptier, struct core *core)
{
    struct inode *homes = child(core, core->tree.root, "user");
    struct inode *batch[ROOTS_PER_TICK];
    uint64_t left;

    if (!homes) return false;
    size_t count = dir_list(&core->tree, homes, emptier->after, emptier->after_length, batch,
                            ROOTS_PER_TICK, &left);
    for (size_t i = 0; i < count; i++) {
        size_t length;
        const uint8_t *name = inode_name(batch[i], &length);
        emptier->after_length = MIN(length, (size_t)NAME_MAX_BYTES);
        memcpy(emptier->after, name, emptier->after_length);
        if (inode_is_dir(batch[i])) empty_home(core, batch[i]);
    }
    return count == ROOTS_PER_TICK;
}

bool trash_emptier_tick(struct trash_emptier *emptier, struct core *core)
{
    int64_t interval = interval_of(&core->conf);

    if (core->conf.trash_interval_ms <= 0 || interval <= 0) return false;
    if (!emptier->due_ms) emptier->due_ms = (core->now_wall_ms / interval + 1) * interval;
    if (!emptier->running && core->now_wall_ms >= emptier->due_ms) {
        emptier->running = true;
        emptier->after_length = 0;
        emptier->due_ms = (core->now_wall_ms / interval + 1) * interval;
    }
    if (emptier->running) emptier->running = go_on(emptier, core);
    return emptier->running;
}
