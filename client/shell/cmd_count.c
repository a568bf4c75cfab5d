/* -count (fs.shell.Count, ContentSummary, QuotaUsage). */
#include <strings.h>

#include "client/shell/command.h"
#include "client/shell/format.h"
#include "common/mem.h"

struct count {
    struct cmd cmd;
    bool quotas, human, header, usage_only, exclude_snapshots, ec_policy, snapshots;
    const char *type_list;       /* -t */
    int types[FS_STORAGE_TYPES]; /* those to show; the number is type_count, 0 without -t */
    int type_count;
};

static struct count *count_of(struct cmd *cmd)
{
    return CONTAINER_OF(cmd, struct count, cmd);
}

/* StorageType's order and names, those that take a quota. */
static const char *const quota_types[] = {"SSD", "DISK", "ARCHIVE", "PROVIDED", "NVDIMM"};

static int parse_types(struct count *count, struct err *err)
{
    const char *at = count->type_list;

    if (!*at || !strcasecmp(at, "all")) {
        for (size_t i = 0; i < ARRAY_LEN(quota_types); i++)
            count->types[count->type_count++] = fs_storage_type_parse(quota_types[i]);
        return 0;
    }
    while (*at && count->type_count < FS_STORAGE_TYPES) {
        size_t length = strcspn(at, ",");
        char *word = mem_strndup(at, length);
        int type = fs_storage_type_parse(word);
        if (!type) {
            for (char *c = word; *c; c++)
                if (*c >= 'a' && *c <= 'z') *c -= 'a' - 'A';
            int rc =
                command_illegal(err, "No enum constant org.apache.hadoop.fs.StorageType.%s", word);
            mem_free(word);
            return rc;
        }
        mem_free(word);
        count->types[count->type_count++] = type;
        at += length + (at[length] == ',');
    }
    return 0;
}

static void print_header(const struct count *count)
{
    if (count->type_count) {
        for (int i = 0; i < count->type_count; i++) {
            char quota[32], left[32];
            snprintf(quota, sizeof quota, "%s_QUOTA", fs_storage_type_name(count->types[i]));
            snprintf(left, sizeof left, "REM_%s_QUOTA", fs_storage_type_name(count->types[i]));
            printf("%14s %18s ", quota, left);
        }
    } else {
        if (count->usage_only || count->quotas)
            printf("%12s %15s %15s %15s ", "QUOTA", "REM_QUOTA", "SPACE_QUOTA", "REM_SPACE_QUOTA");
        if (!count->usage_only)
            printf("%12s %12s %18s ", "DIR_COUNT", "FILE_COUNT", "CONTENT_SIZE");
    }
    if (count->ec_policy) printf("%20s ", "ERASURECODING_POLICY");
    if (count->snapshots)
        printf("%18s %24s %24s %28s ", "SNAPSHOT_LENGTH", "SNAPSHOT_FILE_COUNT",
               "SNAPSHOT_DIR_COUNT", "SNAPSHOT_SPACE_CONSUMED");
    puts("PATHNAME");
}

static int count_options(struct cmd *cmd, struct args *args, struct err *err)
{
    struct count *count = count_of(cmd);
    const struct option options[] = {
        {"q", &count->quotas, NULL},
        {"h", &count->human, NULL},
        {"v", &count->header, NULL},
        {"u", &count->usage_only, NULL},
        {"e", &count->ec_policy, NULL},
        {"x", &count->exclude_snapshots, NULL},
        {"s", &count->snapshots, NULL},
        {"t", NULL, &count->type_list},
        {NULL, NULL, NULL},
    };
    int rc = args_parse(args, 1, ARGS_MANY, options, false, err);

    if (!rc && (count->quotas || count->usage_only)) {
        if (count->type_list) rc = parse_types(count, err);
        if (!rc && count->exclude_snapshots)
            puts("q or u option is given, the -x option is ignored.");
        count->exclude_snapshots = false;
    }
    if (!rc && count->header) print_header(count);
    return rc;
}

static void print_number(int width, int64_t n, bool human)
{
    char text[UNITS_TEXT_MAX];

    printf("%*s ", width, format_size(text, n, human));
}

/* A limit and what is left of it. */
static void print_quota(int width, int width_left, int64_t quota, uint64_t used, bool set,
                        bool human)
{
    if (!set) {
        printf("%*s %*s ", width, "none", width_left, "inf");
        return;
    }
    print_number(width, quota, human);
    print_number(width_left, quota - (int64_t)used, human);
}

static void print_quotas(const struct fs_quota_usage *usage, bool human)
{
    print_quota(12, 15, usage->quota, usage->names, usage->quota > 0, human);
    print_quota(15, 15, usage->space_quota, usage->space_consumed, usage->space_quota >= 0, human);
}

static void print_usage(const struct count *count, const struct fs_quota_usage *usage)
{
    if (!count->type_count) print_quotas(usage, count->human);
    for (int i = 0; i < count->type_count; i++) {
        const struct fs_quota *quota = &usage->types[count->types[i]];
        print_quota(14, 18, quota->quota, quota->consumed,
                    usage->has_type_quotas && quota->quota >= 0, count->human);
    }
}

static void print_summary(const struct count *count, const struct fs_content_summary *summary)
{
    const struct fs_quota_usage usage = {
        .names = summary->files + summary->directories,
        .quota = summary->quota,
        .space_quota = summary->space_quota,
        .space_consumed = summary->space_consumed,
    };
    bool without = count->exclude_snapshots;

    if (count->quotas) print_quotas(&usage, count->human);
    print_number(12,
                 (int64_t)(summary->directories - (without ? summary->snapshot_directories : 0)),
                 count->human);
    print_number(12, (int64_t)(summary->files - (without ? summary->snapshot_files : 0)),
                 count->human);
    print_number(18, (int64_t)(summary->length - (without ? summary->snapshot_length : 0)),
                 count->human);
}

static void print_extras(const struct count *count, const struct fs_content_summary *summary)
{
    if (count->ec_policy) {
        char text[80];
        bool plain = str_eq(summary->ec_policy, "Replicated");
        snprintf(text, sizeof text, "%s%s", plain ? "" : "EC:", summary->ec_policy);
        printf("%20s ", text);
    }
    if (count->snapshots) {
        print_number(18, (int64_t)summary->snapshot_length, count->human);
        print_number(24, (int64_t)summary->snapshot_files, count->human);
        print_number(24, (int64_t)summary->snapshot_directories, count->human);
        print_number(28, (int64_t)summary->snapshot_space_consumed, count->human);
    }
}

static int count_path(struct cmd *cmd, struct item *item, struct err *err)
{
    const struct count *count = count_of(cmd);
    bool usage_only = count->usage_only || count->type_count;
    struct fs_content_summary summary;
    struct fs_quota_usage usage;
    int rc = 0;

    if (usage_only) rc = vfs_quota_usage(item->vfs, item->path, &usage, err);
    if (!rc && (!usage_only || count->ec_policy || count->snapshots))
        rc = vfs_content_summary(item->vfs, item->path, &summary, err);
    if (rc) return rc;
    if (usage_only)
        print_usage(count, &usage);
    else
        print_summary(count, &summary);
    print_extras(count, &summary);
    puts(item->display);
    return 0;
}

const struct command command_count = {
    .size = sizeof(struct count), .options = count_options, .path = count_path};
