/* -chmod, -chown, -chgrp and -setrep (FsShellPermissions, fs.shell.SetReplication). */
#include <ctype.h>

#include "client/shell/chmod_mode.h"
#include "client/shell/command.h"
#include "client/shell/format.h"
#include "common/clock.h"
#include "common/mem.h"

struct chmod {
    struct cmd cmd;
    struct chmod_mode mode;
};

static int chmod_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct chmod *chmod = CONTAINER_OF(cmd, struct chmod, cmd);
    const struct option options[] = {{"R", &cmd->recursive, NULL}, {NULL, NULL, NULL}};
    int rc = args_parse(args, 2, ARGS_MANY, options, true, err);

    if (rc) return rc;
    const char *text = args_shift(args);
    if (chmod_mode_parse(&chmod->mode, text)) return 0;
    return command_illegal(err, "chmod : mode '%s' does not match the expected pattern.", text);
}

/* "changing WHAT of 'x': why" */
static int changing(const char *what, const struct item *item, int code, struct err *err)
{
    char line[ERR_TEXT_MAX];

    shell_error_text(err, line, sizeof line);
    return err_set(err, code, "changing %s of '%s': %.1500s", what, item->display, line);
}

static int chmod_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct chmod *chmod = CONTAINER_OF(cmd, struct chmod, cmd);
    uint32_t mode = chmod_mode_apply(&chmod->mode, item->stat.mode, item_is_dir(item));

    if (mode == item->stat.mode) return 0;
    int rc = vfs_set_permission(item->vfs, item->path, mode, err);
    return rc ? changing("permissions", item, rc, err) : 0;
}

const struct command command_chmod = {
    .size = sizeof(struct chmod), .options = chmod_options, .path = chmod_path};

struct chown {
    struct cmd cmd;
    char *owner, *group; /* NULL: stays */
};

static size_t name_length(const char *text)
{
    size_t length = 0;

    while (isascii(text[length]) && (isalnum((unsigned char)text[length]) ||
                                     (text[length] && strchr("-+_./@", text[length]))))
        length++;
    return length;
}

static const char *skip_space(const char *text)
{
    while (isspace((unsigned char)*text)) text++;
    return text;
}

/* "\s*(name+)?(:(name*))?\s*" */
static int parse_owner(struct chown *chown, const char *text, struct err *err)
{
    const char *at = skip_space(text);
    size_t length = name_length(at);

    if (length) chown->owner = mem_strndup(at, length);
    at += length;
    if (*at == ':') {
        length = name_length(++at);
        if (length) chown->group = mem_strndup(at, length);
        at += length;
    }
    if (*skip_space(at))
        return command_illegal(err, "'%s' does not match expected pattern for [owner][:group].",
                               text);
    if (!chown->owner && !chown->group)
        return command_illegal(err, "'%s' does not specify owner or group.", text);
    return 0;
}

static int parse_group(struct chown *chown, const char *text, struct err *err)
{
    const char *at = skip_space(text);
    size_t length = name_length(at);

    if (!length || *skip_space(at + length))
        return command_illegal(err, "'%s' does not match expected pattern for group", text);
    chown->group = mem_strndup(at, length);
    return 0;
}

static int owner_options(struct cmd *cmd, struct args *args,
                         int (*parse)(struct chown *, const char *, struct err *), struct err *err)
{
    const struct option options[] = {{"R", &cmd->recursive, NULL}, {NULL, NULL, NULL}};
    int rc = args_parse(args, 2, ARGS_MANY, options, false, err);

    return rc ? rc : parse(CONTAINER_OF(cmd, struct chown, cmd), args_shift(args), err);
}

static int chown_options(struct cmd *cmd, struct args *args, struct err *err)
{
    return owner_options(cmd, args, parse_owner, err);
}

static int chgrp_options(struct cmd *cmd, struct args *args, struct err *err)
{
    return owner_options(cmd, args, parse_group, err);
}

static int chown_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct chown *chown = CONTAINER_OF(cmd, struct chown, cmd);
    const char *owner =
        chown->owner && !str_eq(chown->owner, item->stat.owner) ? chown->owner : NULL;
    const char *group =
        chown->group && !str_eq(chown->group, item->stat.group) ? chown->group : NULL;

    if (!owner && !group) return 0;
    int rc = vfs_set_owner(item->vfs, item->path, owner, group, err);
    return rc ? changing("ownership", item, rc, err) : 0;
}

static void chown_release(struct cmd *cmd)
{
    struct chown *chown = CONTAINER_OF(cmd, struct chown, cmd);

    mem_free(chown->owner);
    mem_free(chown->group);
}

const struct command command_chown = {.size = sizeof(struct chown),
                                      .options = chown_options,
                                      .path = chown_path,
                                      .release = chown_release};
const struct command command_chgrp = {.size = sizeof(struct chown),
                                      .options = chgrp_options,
                                      .path = chown_path,
                                      .release = chown_release};

/* ---- -setrep ---- */

enum { SETREP_POLL_MS = 200, SETREP_DOT_MS = 10000 };

struct setrep {
    struct cmd cmd;
    int replication;
    bool wait;
    struct items waiting;
};

static int setrep_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct setrep *setrep = CONTAINER_OF(cmd, struct setrep, cmd);
    bool ignored;
    const struct option options[] = {
        {"R", &ignored, NULL}, {"w", &setrep->wait, NULL}, {NULL, NULL, NULL}};
    int rc = args_parse(args, 2, ARGS_MANY, options, false, err);

    if (rc) return rc;
    cmd->recursive = true;
    rc = parse_short(args_shift(args), &setrep->replication, err);
    if (rc)
        command_warning(cmd, "Illegal replication, a positive integer expected");
    else if (setrep->replication < 1)
        rc = command_illegal(err, "replication must be >= 1");
    return rc;
}

static int setrep_path(struct cmd *cmd, struct item *item, struct err *err)
{
    struct setrep *setrep = CONTAINER_OF(cmd, struct setrep, cmd);
    bool set;
    int rc;

    if (item->stat.type == FS_SYMLINK) return item_error(item, ERR_IO, "Symlinks unsupported", err);
    if (!item_is_file(item)) return 0;
    if (item->stat.flags & FS_ERASURE_CODED) {
        printf("Did not set replication for: %s, because it's an erasure coded file.\n",
               item->display);
        return 0;
    }
    rc = vfs_set_replication(item->vfs, item->path, (unsigned)setrep->replication, &set, err);
    if (rc) return rc;
    if (!set) return err_set(err, ERR_IO, "Could not set replication for: %s", item->display);
    printf("Replication %d set: %s\n", setrep->replication, item->display);
    if (setrep->wait) item_copy(items_add(&setrep->waiting), item);
    return 0;
}

/* Whether every block has as many replicas as wanted; *more when one has too many. */
static int check_replicas(struct item *item, unsigned wanted, bool *done, bool *more,
                          struct err *err)
{
    struct fs_blocks *blocks;
    int rc;

    *done = true;
    rc = item_refresh(item, err);
    if (rc || vfs_is_local(item->vfs) || !item->stat.length) return rc;
    rc = fs_block_locations(item->vfs->hdfs, item->path, 0, item->stat.length, &blocks, err);
    if (rc) return rc;
    for (size_t i = 0; i < blocks->count && *done; i++) {
        *done = blocks->blocks[i].replica_count == wanted;
        if (blocks->blocks[i].replica_count > wanted) *more = true;
    }
    fs_blocks_free(blocks);
    return 0;
}

static int wait_for(struct item *item, unsigned wanted, struct err *err)
{
    bool done = false, more = false, warned = false;

    printf("Waiting for %s ...", item->display);
    fflush(stdout);
    for (int64_t next_dot = clock_mono_ms();; clock_sleep_ms(SETREP_POLL_MS)) {
        int rc = check_replicas(item, wanted, &done, &more, err);
        if (rc) return rc;
        if (more && !warned)
            puts("\nWARNING: the waiting time may be long for DECREASING the number of "
                 "replications.");
        warned = more;
        if (done) break;
        if (clock_mono_ms() < next_dot) continue;
        putchar('.');
        fflush(stdout);
        next_dot += SETREP_DOT_MS;
    }
    puts(" done");
    return 0;
}

static int setrep_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    struct setrep *setrep = CONTAINER_OF(cmd, struct setrep, cmd);
    int rc = command_arguments(cmd, items, err);

    for (size_t i = 0; i < setrep->waiting.count && !rc; i++)
        rc = wait_for(&setrep->waiting.items[i], (unsigned)setrep->replication, err);
    return rc;
}

static void setrep_release(struct cmd *cmd)
{
    items_release(&CONTAINER_OF(cmd, struct setrep, cmd)->waiting);
}

const struct command command_setrep = {.size = sizeof(struct setrep),
                                       .options = setrep_options,
                                       .arguments = setrep_arguments,
                                       .path = setrep_path,
                                       .release = setrep_release};
