/* -rm, -rmr, -rmdir and -expunge (fs.shell.Delete). */
#include <strings.h>

#include "client/shell/command.h"
#include "client/shell/trash.h"
#include "common/mem.h"

struct rm {
    struct cmd cmd;
    bool force, recursive, skip_trash, safely;
};

static struct rm *rm_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct rm, cmd);
}

static int rm_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct rm *rm = rm_of(cmd);
    const struct option options[] = {
        {"f", &rm->force, NULL},       {"r", &rm->recursive, NULL},
        {"R", &rm->recursive, NULL},   {"skipTrash", &rm->skip_trash, NULL},
        {"safely", &rm->safely, NULL}, {NULL, NULL, NULL},
    };

    return args_parse(args, 1, ARGS_MANY, options, false, err);
}

static int rmr_options(struct cmd *cmd, struct args *args, struct err *err)
{
    args_insert(args, 0, "-r");
    return rm_options(cmd, args, err);
}

static int rm_expand(struct cmd *cmd, const char *arg, struct items *items, struct err *err)
{
    int rc = command_expand(cmd, arg, items, err);

    return rc == ERR_NOT_FOUND && rm_of(cmd)->force ? 0 : rc;
}

static int rm_nonexistent(struct cmd *cmd, struct item *item, struct err *err)
{
    return rm_of(cmd)->force ? 0 : item_not_found(item, err);
}

/* ToolRunner.confirmPrompt. The end of standard input is a no: Java would ask for ever. */
static bool confirm(const char *question)
{
    char answer[64];

    for (;;) {
        fflush(stdout);
        fprintf(stderr, "%s (Y or N) ", question);
        if (!fgets(answer, sizeof answer, stdin)) return false;
        answer[strcspn(answer, "\r\n")] = '\0';
        if (!strcasecmp(answer, "y") || !strcasecmp(answer, "yes")) return true;
        if (!strcasecmp(answer, "n") || !strcasecmp(answer, "no")) return false;
        fprintf(stderr, "Invalid input: %s\n", answer);
    }
}

static int check_safety(const struct rm *rm, struct item *item, bool *may, struct err *err)
{
    int64_t limit = conf_int(rm->cmd.shell->conf, CONF_hadoop_shell_safely_delete_limit_num_files);
    struct fs_content_summary summary;
    char question[80];
    int rc;

    *may = true;
    if (!rm->safely || limit <= 0) return 0;
    rc = vfs_content_summary(item->vfs, item->path, &summary, err);
    if (rc || summary.files <= (uint64_t)limit) return rc;
    snprintf(question, sizeof question, "Proceed deleting %" PRIu64 " files?", summary.files);
    *may = confirm(question);
    if (!*may) fputs("Delete aborted at user request.\n\n", stderr);
    return 0;
}

static int rm_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct rm *rm = rm_of(cmd);
    bool done = false;
    int rc = 0;

    if (item_is_dir(item) && !rm->recursive) return item_is_directory_error(item, err);
    if (!rm->skip_trash) rc = trash_move(cmd->shell, item, &done, err);
    if (rc || done) return rc;
    rc = check_safety(rm, item, &done, err);
    if (rc || !done) return rc;
    rc = vfs_delete(item->vfs, item->path, rm->recursive, &done, err);
    if (rc) return rc;
    if (!done) return item_io_error(item, err);
    printf("Deleted %s\n", item->display);
    return 0;
}

#define RM_STEPS                                                                                   \
    .size = sizeof(struct rm), .expand = rm_expand, .path = rm_path, .nonexistent = rm_nonexistent

const struct command command_rm = {RM_STEPS, .options = rm_options};
const struct command command_rmr = {RM_STEPS, .options = rmr_options};

/* ---- rmdir ---- */

struct rmdir {
    struct cmd cmd;
    bool ignore_full;
};

static int rmdir_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct rmdir *rmdir = CONTAINER_OF(cmd, struct rmdir, cmd);
    const struct option options[] = {{"-ignore-fail-on-non-empty", &rmdir->ignore_full, NULL},
                                     {NULL, NULL, NULL}};

    return args_parse(args, 1, ARGS_MANY, options, false, err);
}

static int is_empty(const struct item *item, bool *empty, struct err *err)
{
    const struct fs_status *status;
    struct vfs_listing *listing;
    int rc = vfs_list(item->vfs, item->path, &listing, err);

    if (rc) return rc;
    rc = vfs_list_next(listing, &status, err);
    *empty = rc == 0;
    vfs_list_close(listing);
    return MIN(rc, 0);
}

static int rmdir_path(struct cmd *cmd, struct item *item, struct err *err)
{
    bool yes;
    int rc;

    if (!item_is_dir(item)) return item_not_directory_error(item, err);
    rc = is_empty(item, &yes, err);
    if (rc) return rc;
    if (!yes)
        return CONTAINER_OF(cmd, struct rmdir, cmd)->ignore_full
                   ? 0
                   : item_error(item, ERR_NOT_EMPTY, "Directory is not empty", err);
    rc = vfs_delete(item->vfs, item->path, false, &yes, err);
    return rc || yes ? rc : item_io_error(item, err);
}

const struct command command_rmdir = {
    .size = sizeof(struct rmdir), .options = rmdir_options, .path = rmdir_path};

/* ---- expunge ---- */

struct expunge {
    struct cmd cmd;
    bool immediate;
    const char *file_system;
};

static int expunge_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct expunge *expunge = CONTAINER_OF(cmd, struct expunge, cmd);
    const struct option options[] = {{"immediate", &expunge->immediate, NULL},
                                     {"fs", NULL, &expunge->file_system},
                                     {NULL, NULL, NULL}};

    return args_parse(args, 0, 2, options, false, err);
}

static int expunge_arguments(struct cmd *cmd, struct items *items, struct err *err)
{
    const struct expunge *expunge = CONTAINER_OF(cmd, struct expunge, cmd);
    struct vfs *vfs;
    int rc = 0;

    (void)items;
    if (!str_empty(expunge->file_system))
        rc = conf_set(cmd->shell->conf, "fs.defaultFS", expunge->file_system, err);
    if (!rc) rc = shell_default_vfs(cmd->shell, &vfs, err);
    return rc ? rc : trash_expunge(cmd->shell, vfs, expunge->immediate, err);
}

const struct command command_expunge = {
    .size = sizeof(struct expunge), .options = expunge_options, .arguments = expunge_arguments};
