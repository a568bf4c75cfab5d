/* -cat, -text, -checksum, -head and -tail (fs.shell.Display, Head, Tail). */
#include "client/shell/command.h"
#include "client/shell/copy.h"
#include "client/shell/format.h"
#include "client/shell/text_stream.h"
#include "common/clock.h"
#include "common/mem.h"

enum { EDGE_SIZE = 1024, FOLLOW_MS = 5000 };

struct cat {
    struct cmd cmd;
    bool skip_checksum;
};

static struct cat *cat_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct cat, cmd);
}

static int cat_options(struct cmd *cmd, struct args *args, struct err *err)
{
    const struct option options[] = {{"ignoreCrc", &cat_of(cmd)->skip_checksum, NULL},
                                     {NULL, NULL, NULL}};

    return args_parse(args, 1, ARGS_MANY, options, false, err);
}

static int cat_path(struct cmd *cmd, struct item *item, struct err *err)
{
    struct vfs_in *in;
    int rc;

    if (item_is_dir(item)) return item_is_directory_error(item, err);
    rc = vfs_open(item->vfs, item->path, cat_of(cmd)->skip_checksum, &in, err);
    if (rc) return rc;
    rc = copy_to_stdout(in, UINT64_MAX, NULL, err);
    vfs_in_close(in);
    return rc;
}

const struct command command_cat = {
    .size = sizeof(struct cat), .options = cat_options, .path = cat_path};

static int text_path(struct cmd *cmd, struct item *item, struct err *err)
{
    struct vfs_in *in;
    int rc;

    if (item_is_dir(item)) return item_is_directory_error(item, err);
    rc = vfs_open(item->vfs, item->path, cat_of(cmd)->skip_checksum, &in, err);
    if (rc) return rc;
    rc = text_stream_show(in, item->path, err);
    vfs_in_close(in);
    return rc;
}

const struct command command_text = {
    .size = sizeof(struct cat), .options = cat_options, .path = text_path};

/* ---- checksum ---- */

struct checksum {
    struct cmd cmd;
    bool block_size;
};

static int checksum_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct checksum *checksum = CONTAINER_OF(cmd, struct checksum, cmd);
    const struct option options[] = {{"v", &checksum->block_size, NULL}, {NULL, NULL, NULL}};

    return args_parse(args, 1, ARGS_MANY, options, false, err);
}

static int checksum_path(struct cmd *cmd, struct item *item, struct err *err)
{
    struct fs_checksum sum = {.algorithm = "NONE"};
    int rc = 0;

    if (item_is_dir(item)) return item_is_directory_error(item, err);
    if (item->vfs->hdfs)
        rc = fs_file_checksum(item->vfs->hdfs, item->path, UINT64_MAX, FS_CHECKSUM_DEFAULT, &sum,
                              err);
    if (rc) return rc;
    printf("%s\t%s%s", item->display, sum.algorithm, sum.length ? "\t" : "");
    for (size_t i = 0; i < sum.length; i++) printf("%02x", sum.bytes[i]);
    if (CONTAINER_OF(cmd, struct checksum, cmd)->block_size)
        printf("\tBlockSize=%" PRIu64, item->stat.block_size);
    putchar('\n');
    return 0;
}

const struct command command_checksum = {
    .size = sizeof(struct checksum), .options = checksum_options, .path = checksum_path};

/* ---- head and tail ---- */

static int head_options(struct cmd *cmd, struct args *args, struct err *err)
{
    (void)cmd;
    return args_parse(args, 1, 1, NULL, false, err);
}

static int show_part(const struct item *item, uint64_t from, uint64_t limit, uint64_t *end,
                     struct err *err)
{
    uint64_t copied = 0;
    struct vfs_in *in;
    int rc = vfs_open(item->vfs, item->path, false, &in, err);

    if (rc) return rc;
    if (from) rc = vfs_seek(in, from, err);
    if (!rc) rc = copy_to_stdout(in, limit, &copied, err);
    vfs_in_close(in);
    if (end) *end = from + copied;
    return rc;
}

static int head_path(struct cmd *cmd, struct item *item, struct err *err)
{
    (void)cmd;
    if (item_is_dir(item)) return item_is_directory_error(item, err);
    return show_part(item, 0, EDGE_SIZE, NULL, err);
}

const struct command command_head = {
    .options = head_options, .expand = command_expand_plain, .path = head_path};

struct tail {
    struct cmd cmd;
    bool follow;
    int64_t pause_ms;
};

static int tail_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct tail *tail = CONTAINER_OF(cmd, struct tail, cmd);
    const char *pause = NULL;
    const struct option options[] = {
        {"f", &tail->follow, NULL}, {"s", NULL, &pause}, {NULL, NULL, NULL}};
    int rc = args_parse(args, 1, 1, options, false, err);

    tail->pause_ms = FOLLOW_MS;
    if (rc || !tail->follow || str_empty(pause)) return rc;
    rc = parse_long(pause, &tail->pause_ms, err);
    if (!rc && tail->pause_ms <= 0) tail->pause_ms = FOLLOW_MS;
    return rc;
}

/* Shows what is behind *offset; the first time, what is in the last 1024 bytes. */
static int show_new(struct item *item, uint64_t *offset, struct err *err)
{
    int rc = item_refresh(item, err);
    uint64_t length = item->stat.length;

    if (rc) return rc;
    if (*offset == UINT64_MAX) *offset = length > EDGE_SIZE ? length - EDGE_SIZE : 0;
    if (*offset > length) { /* it was cut */
        *offset = length;
        return 0;
    }
    return show_part(item, *offset, UINT64_MAX, offset, err);
}

static int tail_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct tail *tail = CONTAINER_OF(cmd, struct tail, cmd);
    uint64_t offset = UINT64_MAX;
    int rc;

    if (item_is_dir(item)) return item_is_directory_error(item, err);
    rc = show_new(item, &offset, err);
    while (!rc && tail->follow) {
        clock_sleep_ms(tail->pause_ms);
        rc = show_new(item, &offset, err);
    }
    return rc;
}

const struct command command_tail = {.size = sizeof(struct tail),
                                     .options = tail_options,
                                     .expand = command_expand_plain,
                                     .path = tail_path};
