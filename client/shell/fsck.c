/* `hdfs fsck` (DFSck): the namenode does the work; this shows its words and makes the exit code of
 * the last line. */
#include <stdio.h>

#include "client/fs.h"
#include "client/shell/http_get.h"
#include "client/shell/tool.h"
#include "client/shell/uri.h"
#include "client/shell/vfs.h"
#include "common/mem.h"
#include "common/parse.h"
#include "common/user.h"

static const char usage[] =
    "Usage: hdfs fsck <path> [-list-corruptfileblocks | [-move | -delete | -openforwrite] "
    "[-files [-blocks [-locations | -racks | -replicaDetails | -upgradedomains]]]] "
    "[-includeSnapshots] [-showprogress] [-storagepolicies] [-maintenance] [-blockId <blk_Id>] "
    "[-replicate]\n"
    "\t<path>\tstart checking from this path\n"
    "\t-move\tmove corrupted files to /lost+found\n"
    "\t-delete\tdelete corrupted files\n"
    "\t-files\tprint out files being checked\n"
    "\t-openforwrite\tprint out files opened for write\n"
    "\t-includeSnapshots\tinclude snapshot data if the given path indicates a snapshottable "
    "directory or there are snapshottable directories under it\n"
    "\t-list-corruptfileblocks\tprint out list of missing blocks and files they belong to\n"
    "\t-files -blocks\tprint out block report\n"
    "\t-files -blocks -locations\tprint out locations for every block\n"
    "\t-files -blocks -racks\tprint out network topology for data-node locations\n"
    "\t-files -blocks -replicaDetails\tprint out each replica details \n"
    "\t-files -blocks -upgradedomains\tprint out upgrade domains for every block\n"
    "\t-storagepolicies\tprint out storage policy summary for the blocks\n"
    "\t-maintenance\tprint out maintenance state node details\n"
    "\t-showprogress\tDeprecated. Progress is now shown by default\n"
    "\t-blockId\tprint out which file this blockId belongs to, locations (nodes, racks) of this "
    "block, and other diagnostics info (under replicated, corrupted or not, etc)\n"
    "\t-replicate initiate replication work to make mis-replicated\n"
    " blocks satisfy block placement policy\n"
    "\n"
    "Please Note:\n"
    "\n"
    "\t1. By default fsck ignores files opened for write, use -openforwrite to report such "
    "files. They are usually  tagged CORRUPT or HEALTHY depending on their block allocation "
    "status\n"
    "\t2. Option -includeSnapshots should not be used for comparing stats, should be used only "
    "for HEALTH check, as this may contain duplicates if the same file present in both original "
    "fs tree and inside snapshots.\n";

static int print_usage(FILE *file)
{
    fflush(stdout);
    fprintf(file, "%s\n", usage);
    shell_print_generic_usage(file);
    return EXIT_USAGE;
}

static const struct {
    const char *option, *parameter;
} flags[] = {
    {"-move", "move=1"},
    {"-delete", "delete=1"},
    {"-files", "files=1"},
    {"-openforwrite", "openforwrite=1"},
    {"-blocks", "blocks=1"},
    {"-locations", "locations=1"},
    {"-racks", "racks=1"},
    {"-replicaDetails", "replicadetails=1"},
    {"-upgradedomains", "upgradedomains=1"},
    {"-storagepolicies", "storagepolicies=1"},
    {"-showprogress", "showprogress=1"},
    {"-list-corruptfileblocks", "listcorruptfileblocks=1"},
    {"-includeSnapshots", "includeSnapshots=1"},
    {"-maintenance", "maintenance=1"},
    {"-replicate", "replicate=1"},
};

struct fsck {
    struct buf query; /* "/fsck?ugi=…&…" */
    const char *path; /* as given */
    bool list_corrupt;
};

/* The words up to the next option; returns the index behind them. As Apache's loop does, which then
 * steps over one. */
static int take_block_ids(struct fsck *fsck, int argc, char **argv, int i)
{
    struct buf ids = {.data = NULL};

    for (; i < argc && argv[i][0] != '-'; i++) buf_printf(&ids, "%s ", argv[i]);
    buf_put_str(&fsck->query, "&blockId=");
    if (ids.length) url_encode(&fsck->query, buf_cstr(&ids));
    buf_release(&ids);
    return i;
}

static bool take_flag(struct fsck *fsck, const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (!str_eq(flags[i].option, word)) continue;
        buf_printf(&fsck->query, "&%s", flags[i].parameter);
        if (str_eq(word, "-list-corruptfileblocks")) fsck->list_corrupt = true;
        return true;
    }
    return false;
}

static int parse_arguments(struct fsck *fsck, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (str_eq(word, "-blockId")) {
            i = take_block_ids(fsck, argc, argv, i + 1);
        } else if (take_flag(fsck, word)) {
            continue;
        } else if (word[0] == '-') {
            fprintf(stderr, "fsck: Illegal option '%s'\n", word);
            return print_usage(stderr);
        } else if (fsck->path) {
            fprintf(stderr, "fsck: can only operate on one path at a time '%s'\n", word);
            return print_usage(stderr);
        } else {
            fsck->path = word;
        }
    }
    if (!fsck->path) fsck->path = "/";
    return 0;
}

static int inaccessible(const struct err *err)
{
    char line[ERR_TEXT_MAX];

    fprintf(stderr, "FileSystem is inaccessible due to:\n%s: %s\nDFSck exiting.\n",
            fs_error_class(err), shell_error_text(err, line, sizeof line));
    return 0;
}

/* Resolves the path, which must exist, and finds the namenode's web address. */
static int find_namenode(struct shell *shell, const struct fsck *fsck, char **path, char **address,
                         struct err *err)
{
    struct fs_status status;
    struct vfs *vfs;
    struct uri uri;
    int rc = uri_parse(&uri, fsck->path, err);

    if (rc) return rc;
    rc = shell_vfs(shell, uri.scheme, uri.authority, &vfs, err);
    if (!rc) *path = uri_path_absolute(vfs->working_dir, uri.path);
    uri_release(&uri);
    if (!rc) rc = vfs_stat(vfs, *path, &status, err);
    if (rc) return rc;
    fs_status_release(&status);
    if (vfs_is_local(vfs))
        fprintf(stderr, "FileSystem is %s\nDFSck exiting.\n", vfs->uri);
    else
        *address = namenode_http_address(shell->conf, fs_uri(vfs->hdfs));
    return 0;
}

static int get_failed(const struct err *err)
{
    char line[ERR_TEXT_MAX];

    fflush(stdout);
    fprintf(stderr, "Exception in thread \"main\" %s: %s\n", fs_error_class(err),
            shell_error_text(err, line, sizeof line));
    return 1;
}

static int open_query(struct shell *shell, const char *address, const char *query,
                      struct http_get **get, struct err *err)
{
    return http_get_open(address, query, conf_ms(shell->conf, CONF_dfs_client_fsck_connect_timeout),
                         conf_ms(shell->conf, CONF_dfs_client_fsck_read_timeout), get, err);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && str_eq(text + length - end_length, end);
}

static int exit_code_of(const char *last)
{
    static const struct {
        const char *end;
        int code;
    } ends[] = {
        {"is HEALTHY", 0},        {"is CORRUPT", 1},
        {"does not exist", 0},    {"is EXCESS", 0},
        {"is DECOMMISSIONED", 2}, {"is DECOMMISSIONING", 3},
        {"is IN MAINTENANCE", 4}, {"is ENTERING MAINTENANCE", 5},
        {"is STALE", 6},
    };

    if (strstr(last, "Incorrect blockId format:")) return 0;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (ends_with(last, ends[i].end)) return ends[i].code;
    return EXIT_USAGE;
}

static int show_report(struct shell *shell, const char *address, const char *query)
{
    struct err err = ERR_INIT;
    char *last = mem_strdup("is CORRUPT");
    struct http_get *get = NULL;
    const char *line;
    int rc = open_query(shell, address, query, &get, &err), code;

    while (!rc && (rc = http_get_line(get, &line, &err)) > 0) {
        puts(line);
        mem_free(last);
        last = mem_strdup(line);
        rc = 0;
    }
    http_get_close(get);
    code = rc ? get_failed(&err) : exit_code_of(last);
    mem_free(last);
    return code;
}

struct corrupt_list {
    const char *path;
    int count, cookie;
    bool done, denied;
};

static void list_line(struct corrupt_list *list, const char *line)
{
    static const char *const ends[] = {"has no CORRUPT files", "has no more CORRUPT files",
                                       "does not exist"};
    static const char *const skipped[] = {"FSCK started by", "FSCK ended at",
                                          "The filesystem under path"};
    const char *tab = strchr(line, '\t');
    int64_t cookie;

    if (str_starts(line, "Cookie:")) {
        if (tab && parse_i64_n(tab + 1, strcspn(tab + 1, "\t"), 0, INT32_MAX, &cookie))
            list->cookie = (int)cookie;
        else
            list->done = true;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (ends_with(line, ends[i])) list->done = true;
    if (list->done) return;
    if (str_starts(line, "Access denied for user")) {
        list->denied = list->done = true;
        return;
    }
    if (!*line) return;
    for (size_t i = 0; i < ARRAY_LEN(skipped); i++)
        if (str_starts(line, skipped[i])) return;
    if (!list->count++) printf("The list of corrupt blocks under path '%s' are:\n", list->path);
    puts(line);
}

/* Asks in portions, until the namenode says that there are no more. */
static int list_corrupt(struct shell *shell, const struct fsck *fsck, const char *address,
                        const char *query)
{
    struct corrupt_list list = {.path = fsck->path};
    struct err err = ERR_INIT;
    const char *line;

    while (!list.done) {
        char *portion = list.cookie > 0 ? mem_printf("%s&startblockafter=%d", query, list.cookie)
                                        : mem_strdup(query);
        struct http_get *get = NULL;
        int before = list.cookie, rc = open_query(shell, address, portion, &get, &err);
        while (!rc && !list.done && (rc = http_get_line(get, &line, &err)) > 0) {
            list_line(&list, line);
            rc = 0;
        }
        http_get_close(get);
        mem_free(portion);
        if (rc) return get_failed(&err);
        if (list.cookie == before)
            list.done = true; /* it says no end, and nothing further either */
    }
    if (list.denied) {
        printf("Failed to open path '%s': Permission denied\n", fsck->path);
        return EXIT_USAGE;
    }
    printf("The filesystem under path '%s' has %d CORRUPT blocks\n", fsck->path, list.count);
    return list.count ? EXIT_USAGE : 0;
}

static int ask(struct shell *shell, struct fsck *fsck)
{
    char *path = NULL, *address = NULL;
    struct err err = ERR_INIT;
    int code = 0, rc = find_namenode(shell, fsck, &path, &address, &err);

    if (rc) {
        code = inaccessible(&err);
    } else if (address) {
        buf_put_str(&fsck->query, "&path=");
        url_encode(&fsck->query, path);
        const char *query = buf_cstr(&fsck->query);
        fflush(stdout);
        fprintf(stderr, "Connecting to namenode via http://%s%s\n", address, query);
        code = fsck->list_corrupt ? list_corrupt(shell, fsck, address, query)
                                  : show_report(shell, address, query);
    }
    mem_free(path);
    mem_free(address);
    return code;
}

static int run(struct shell *shell, int argc, char **argv)
{
    struct fsck fsck = {.path = NULL};
    char *user = user_current();
    int code;

    if (argc < 1) return print_usage(stderr);
    buf_printf(&fsck.query, "/fsck?ugi=%s", user);
    code = parse_arguments(&fsck, argc, argv);
    if (!code) code = ask(shell, &fsck);
    buf_release(&fsck.query);
    mem_free(user);
    return code;
}

int fsck_main(int argc, char **argv)
{
    /* -files is a generic option, too: first, it would be taken for that */
    if (argc < 1 || str_eq(argv[0], "-files")) return print_usage(stderr);
    if (argc == 1 &&
        (str_eq(argv[0], "-h") || str_eq(argv[0], "--help") || str_eq(argv[0], "-help"))) {
        print_usage(stdout);
        return 0;
    }
    return tool_run(argc, argv, run);
}
