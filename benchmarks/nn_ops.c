/*
 * Rate, latency and cost of the namenode's operations, ours or Apache's. The requests are encoded
 * once for each connection and only their digits are changed; the load is lib/flood.h's.
 *
 *   nn_ops [OPTION...] OPERATION...
 *
 * Operations run in the order given: create (with complete), mkdir, stat, open, list, chmod, rename,
 * delete. What they need is made before and not counted. The costs are CPU time of the namenode and
 * of this program, by operation.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "benchmarks/lib/flood.h"
#include "client/creds.h"
#include "common/conf.h"
#include "common/mem.h"
#include "proto/client_namenode.pb-c.h"

#define CLIENT_PROTOCOL "org.apache.hadoop.hdfs.protocol.ClientProtocol"

static const char usage[] =
    "Usage: nn_ops [OPTION...] OPERATION...\n"
    "  OPERATION: create mkdir stat open list chmod rename delete\n"
    "  --fs hdfs://host:port   default: fs.defaultFS of HADOOP_CONF_DIR\n"
    "  --connections N         16\n"
    "  --in-flight N           calls in flight on each connection, 16 (1 to 256)\n"
    "  --threads N             of this program, 1\n"
    "  --files N               files that exist or are made, 100000\n"
    "  --ops N                 stat, open, chmod, mkdir, 100000; list a hundredth of it\n"
    "  --entries N             files in a directory, 1000\n"
    "  --base PATH             a folder of its own; default: a new name in /\n"
    "  --pid N                 of the namenode; default: who listens on the port\n"
    "  --keep                  leave the files\n"
    "  --plain                 numbers only, separated by tabs\n";

enum { FRAME_MAX = 1024, PATHS_MAX = 2, STEPS_MAX = 2, DIR_DIGITS = 6, FILE_DIGITS = 8 };

/* Where in a path of a frame the digits are. */
struct path_at {
    size_t dir, letter, file; /* offsets; 0: the path has none */
};

struct frame {
    uint8_t bytes[FRAME_MAX];
    size_t size;
    size_t call_id, file_id; /* offsets; file_id 0: none */
    struct path_at paths[PATHS_MAX];
};

enum op_name { CREATE, MKDIR, STAT, OPEN, LIST, CHMOD, RENAME, DELETE, PARENT, CLEAN, OPS };
static const char *const op_names[OPS] = {"create", "mkdir",  "stat",   "open",   "list",
                                          "chmod",  "rename", "delete", "parent", "clean"};

static struct {
    struct net_addr address;
    unsigned connections, in_flight, threads;
    uint64_t files, ops, entries;
    char base[128];
    pid_t pid;
    bool keep, plain;
} options = {.connections = 16,
             .in_flight = 16,
             .threads = 1,
             .files = 100000,
             .ops = 100000,
             .entries = 1000};

static struct {
    struct flood *flood;
    struct creds creds;
    enum op_name op;
    char parent; /* letter of the folders that PARENT makes */
    char letter; /* of the files at present: 'f', or 'g' after a rename */
    bool made, parents_made;
    char mkdir_letter;    /* of the folder for mkdir: each time another one */
    struct frame *frames; /* STEPS_MAX for each connection */
} run = {.letter = 'f', .mkdir_letter = 'l'};

/* --- frames --- */

static size_t offset_of(const struct frame *frame, size_t from, const void *what, size_t size)
{
    const uint8_t *found = memmem(frame->bytes + from, frame->size - from, what, size);

    return found ? (size_t)(found - frame->bytes) : 0;
}

static void find_paths(struct frame *frame)
{
    size_t base = strlen(options.base), from = 0;

    for (int i = 0; i < PATHS_MAX; i++) {
        size_t at = offset_of(frame, from, options.base, base);
        if (!at) return;
        from = at + base;
        if (frame->size - from < 2 + DIR_DIGITS || frame->bytes[from] != '/') continue;
        frame->paths[i].dir = from + 2;
        from += 2 + DIR_DIGITS;
        if (frame->size - from < 2 + FILE_DIGITS || frame->bytes[from] != '/') continue;
        frame->paths[i].letter = from + 1;
        frame->paths[i].file = from + 2;
    }
}

static void make_frame(struct frame *frame, unsigned connection, const char *method,
                       const ProtobufCMessage *message)
{
    static const uint8_t call_id[FLOOD_CALL_ID_BYTES] = {0xfe, 0xff, 0xff, 0xff, 0x07};
    struct rpc_request_id id = {.client_id = flood_client_id(run.flood, connection),
                                .call_id = 0x3fffffff};
    struct buf out = {0};
    struct err err = ERR_INIT;

    if (rpc_put_request(&out, &id, CLIENT_PROTOCOL, method, message, FRAME_MAX, &err))
        die("%s", err.text);
    if (out.length > FRAME_MAX) die("--base: too long");
    *frame = (struct frame){.size = out.length};
    memcpy(frame->bytes, out.data, out.length);
    buf_release(&out);
    frame->call_id = offset_of(frame, 0, call_id, sizeof call_id);
    assert(frame->call_id);
    find_paths(frame);
}

static void make_create(struct frame *frames, unsigned connection, char *path)
{
    Pb__CreateRequest create = PB__CREATE_REQUEST__INIT;
    Pb__CompleteRequest complete = PB__COMPLETE_REQUEST__INIT;
    Pb__FsPermission mode = PB__FS_PERMISSION__INIT, unmasked = PB__FS_PERMISSION__INIT;
    Pb__CryptoProtocolVersion crypto = PB__CRYPTO_PROTOCOL_VERSION__ENCRYPTION_ZONES;
    char name[64];

    snprintf(name, sizeof name, "DFSClient_NONMAPREDUCE_%08x_%u",
             get_be32(flood_client_id(run.flood, connection)), connection + 1);
    mode.perm = 0644;
    unmasked.perm = 0666;
    create.src = complete.src = path;
    create.clientname = complete.clientname = name;
    create.masked = &mode;
    create.unmasked = &unmasked;
    create.createflag = 1;
    create.createparent = true;
    create.replication = 3;
    create.blocksize = 128 * MIB;
    create.n_cryptoprotocolversion = 1;
    create.cryptoprotocolversion = &crypto;
    make_frame(&frames[0], connection, "create", &create.base);
    complete.has_fileid = true;
    complete.fileid = ((uint64_t)1 << 35) - 1; /* five bytes, at the end */
    make_frame(&frames[1], connection, "complete", &complete.base);
    frames[1].file_id = frames[1].size - 5;
}

static void make_mkdir(struct frame *frame, unsigned connection, char *path)
{
    Pb__MkdirsRequest request = PB__MKDIRS_REQUEST__INIT;
    Pb__FsPermission mode = PB__FS_PERMISSION__INIT, unmasked = PB__FS_PERMISSION__INIT;

    mode.perm = 0755;
    unmasked.perm = 0777;
    request.src = path;
    request.masked = &mode;
    request.unmasked = &unmasked;
    request.createparent = true;
    make_frame(frame, connection, "mkdirs", &request.base);
}

static void make_read(struct frame *frame, unsigned connection, enum op_name op, char *path)
{
    Pb__GetFileInfoRequest stat = PB__GET_FILE_INFO_REQUEST__INIT;
    Pb__GetBlockLocationsRequest open = PB__GET_BLOCK_LOCATIONS_REQUEST__INIT;
    Pb__GetListingRequest list = PB__GET_LISTING_REQUEST__INIT;

    stat.src = open.src = list.src = path;
    open.length = 10 * 128 * MIB;
    if (op == STAT) make_frame(frame, connection, "getFileInfo", &stat.base);
    if (op == OPEN) make_frame(frame, connection, "getBlockLocations", &open.base);
    if (op == LIST) make_frame(frame, connection, "getListing", &list.base);
}

static void make_change(struct frame *frame, unsigned connection, enum op_name op, char *path)
{
    Pb__SetPermissionRequest chmod = PB__SET_PERMISSION_REQUEST__INIT;
    Pb__RenameRequest rename = PB__RENAME_REQUEST__INIT;
    Pb__DeleteRequest delete = PB__DELETE_REQUEST__INIT;
    Pb__FsPermission mode = PB__FS_PERMISSION__INIT;

    mode.perm = 0640;
    chmod.src = rename.src = rename.dst = delete.src = path;
    chmod.permission = &mode;
    delete.recursive = op == CLEAN;
    if (op == CHMOD) make_frame(frame, connection, "setPermission", &chmod.base);
    if (op == RENAME) make_frame(frame, connection, "rename", &rename.base);
    if (op == DELETE || op == CLEAN) make_frame(frame, connection, "delete", &delete.base);
}

static void make_frames(void)
{
    char path[192];
    int length = snprintf(path, sizeof path, "%s", options.base);

    if (run.op == PARENT || run.op == LIST)
        snprintf(path + length, sizeof path - (size_t)length, "/%c000000",
                 run.op == LIST ? 'd' : run.parent);
    else if (run.op != CLEAN)
        snprintf(path + length, sizeof path - (size_t)length, "/%c000000/%c00000000",
                 run.op == MKDIR ? run.mkdir_letter : 'd', run.op == MKDIR ? 'k' : run.letter);
    for (unsigned i = 0; i < options.connections; i++) {
        struct frame *frames = &run.frames[i * STEPS_MAX];
        switch (run.op) {
        case CREATE: make_create(frames, i, path); break;
        case PARENT:
        case MKDIR: make_mkdir(frames, i, path); break;
        case STAT:
        case OPEN:
        case LIST: make_read(frames, i, run.op, path); break;
        default: make_change(frames, i, run.op, path); break;
        }
    }
}

/* --- the flood's callbacks --- */

static void put_digits(uint8_t *at, int count, uint64_t value)
{
    while (count--) {
        at[count] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
}

/* Always five bytes: what protobuf allows and servers take, though not the shortest form. */
static void put_varint5(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 5; i++) {
        at[i] = (uint8_t)((value & 0x7f) | (i < 4 ? 0x80 : 0));
        value >>= 7;
    }
}

static uint64_t file_of(uint64_t index)
{
    if (run.op == STAT || run.op == OPEN || run.op == CHMOD) return index * 7919 % options.files;
    return index;
}

static void put_request(void *context UNUSED, const struct flood_call *call, struct buf *out)
{
    const struct frame *frame = &run.frames[call->connection * STEPS_MAX + (unsigned)call->step];
    uint8_t *bytes = buf_extend(out, frame->size);
    uint64_t file = file_of(call->index), dir = file / options.entries;

    if (run.op == LIST) dir = file % DIV_UP(options.files, options.entries);
    if (run.op == PARENT) dir = file;
    memcpy(bytes, frame->bytes, frame->size);
    put_varint5(bytes + frame->call_id, (uint64_t)call->call_id << 1);
    if (frame->file_id) put_varint5(bytes + frame->file_id, call->value);
    for (int i = 0; i < PATHS_MAX; i++) {
        const struct path_at *path = &frame->paths[i];
        if (path->dir) put_digits(bytes + path->dir, DIR_DIGITS, dir);
        if (path->file) put_digits(bytes + path->file, FILE_DIGITS, file);
        if (i == 1 && path->letter) bytes[path->letter] = run.letter == 'f' ? 'g' : 'f';
    }
}

/* CreateResponse: fs is field 1, fileId its field 13. */
static uint64_t created_file_id(struct cursor *body)
{
    if (cursor_u8(body) != (1 << 3 | 2)) return 0;
    struct cursor fields = cursor_delimited(body);
    while (cursor_ok(&fields) && cursor_left(&fields)) {
        uint64_t tag = cursor_varint(&fields);
        if (tag == 13 << 3) return cursor_varint(&fields);
        if ((tag & 7) == 2)
            (void)cursor_delimited(&fields);
        else
            (void)cursor_varint(&fields);
    }
    return 0;
}

static bool take_answer(void *context UNUSED, struct flood_call *call, struct cursor *body)
{
    if (run.op != CREATE || call->step) return false;
    call->value = created_file_id(body);
    if (!call->value) die("create: the answer has no file id");
    return true;
}

/* --- running --- */

static void flood_op(enum op_name op, uint64_t count, struct flood_result *result)
{
    struct flood_work work = {.count = count, .request = put_request, .answer = take_answer};

    run.op = op;
    make_frames();
    flood_run(run.flood, &work, result);
    if (result->failed)
        die("%s: %" PRIu64 " of %" PRIu64 " failed: %s", op_names[op], result->failed, count,
            result->error);
}

static void make_parents(char letter, uint64_t children)
{
    struct flood_result result;

    run.parent = letter;
    flood_op(PARENT, DIV_UP(children, options.entries), &result);
}

static void prepare(enum op_name op)
{
    struct flood_result result;

    if (op == MKDIR) {
        make_parents(++run.mkdir_letter, options.ops);
        return;
    }
    if (!run.parents_made) make_parents('d', options.files);
    run.parents_made = true;
    if (op == CREATE && run.made) flood_op(DELETE, options.files, &result);
    if (op != CREATE && !run.made) flood_op(CREATE, options.files, &result);
    run.made = true;
}

static uint64_t count_of(enum op_name op)
{
    if (op == CREATE || op == RENAME || op == DELETE) return options.files;
    return op == LIST ? MAX(options.ops / 100, (uint64_t)1) : options.ops;
}

static double us(int64_t ns)
{
    return (double)ns / 1000;
}

static void report(enum op_name op, const struct flood_result *result, int64_t server_ns,
                   int64_t own_ns)
{
    const char *format =
        options.plain ? "%s\t%u\t%u\t%" PRIu64 "\t%.3f\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\n"
                      : "%-8s %5u %6u %9" PRIu64 " %8.3f %9.0f %9.0f %9.0f %9.0f %9.2f %8.2f\n";
    double seconds = (double)result->elapsed_ns / 1e9, count = (double)result->done;

    printf(format, op_names[op], options.connections, options.in_flight, result->done, seconds,
           count / seconds, us(histogram_at(&result->latency, 0.5)),
           us(histogram_at(&result->latency, 0.99)), us(histogram_at(&result->latency, 0.999)),
           us(server_ns) / count, us(own_ns) / count);
    fflush(stdout);
}

static void measure(enum op_name op)
{
    struct flood_result result;

    prepare(op);
    int64_t server = process_cpu_ns(options.pid), own = own_cpu_ns();
    flood_op(op, count_of(op), &result);
    report(op, &result, process_cpu_ns(options.pid) - server, own_cpu_ns() - own);
    if (op == RENAME) run.letter = run.letter == 'f' ? 'g' : 'f';
    if (op == DELETE) run.made = false;
}

static enum op_name op_of(const char *name)
{
    for (enum op_name op = 0; op < PARENT; op++)
        if (str_eq(op_names[op], name)) return op;
    fprintf(stderr, "nn_ops: %s is no operation\n%s", name, usage);
    exit(2);
}

static void default_address(const char *uri)
{
    struct conf *conf = conf_new();
    struct err err = ERR_INIT;

    if ((!uri && conf_load_env(conf, &err)) ||
        net_parse(uri ? uri : conf_str(conf, CONF_fs_defaultFS), 8020, &options.address, &err))
        die("%s", err.text);
    conf_free(conf);
}

static void set_option(int option)
{
    static const char *const names[] = {
        ['c'] = "connections", ['i'] = "in-flight", ['t'] = "threads", ['f'] = "files",
        ['o'] = "ops",         ['e'] = "entries",   ['p'] = "pid"};
    switch (option) {
    case 'u': default_address(optarg); return;
    case 'b': snprintf(options.base, sizeof options.base - 4, "%s", optarg); return;
    case 'k': options.keep = true; return;
    case 'n': options.plain = true; return;
    case '?': fputs(usage, stderr); exit(2);
    }
    uint64_t max = option == 'i' ? FLOOD_IN_FLIGHT_MAX : option == 'c' ? 10000 : 99999999;
    uint64_t value = option_number(names[option], optarg, 1, max);
    if (option == 'c') options.connections = (unsigned)value;
    if (option == 'i') options.in_flight = (unsigned)value;
    if (option == 't') options.threads = (unsigned)value;
    if (option == 'f') options.files = value;
    if (option == 'o') options.ops = value;
    if (option == 'e') options.entries = value;
    if (option == 'p') options.pid = (pid_t)value;
}

static void read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"fs", 1, NULL, 'u'},      {"connections", 1, NULL, 'c'}, {"in-flight", 1, NULL, 'i'},
        {"threads", 1, NULL, 't'}, {"files", 1, NULL, 'f'},       {"ops", 1, NULL, 'o'},
        {"entries", 1, NULL, 'e'}, {"base", 1, NULL, 'b'},        {"pid", 1, NULL, 'p'},
        {"keep", 0, NULL, 'k'},    {"plain", 0, NULL, 'n'},       {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) set_option(option);
    if (optind == argc) {
        fputs(usage, stderr);
        exit(2);
    }
    if (!options.address.port) default_address(NULL);
    if (!options.pid) options.pid = process_of_port(options.address.port);
    if (!*options.base)
        snprintf(options.base, sizeof options.base, "/nn_ops-%" PRIx64, (uint64_t)own_cpu_ns());
}

int main(int argc, char **argv)
{
    struct flood_result result;
    struct err err = ERR_INIT;

    read_options(argc, argv);
    for (int i = optind; i < argc; i++) (void)op_of(argv[i]);
    if (creds_init(&run.creds, NULL, &err)) die("%s", err.text);
    run.flood = flood_new(&options.address, options.connections, options.in_flight, options.threads,
                          run.creds.user, CLIENT_PROTOCOL);
    run.frames = NEW_ARRAY(struct frame, options.connections * STEPS_MAX);
    if (!options.plain)
        printf("%-8s %5s %6s %9s %8s %9s %9s %9s %9s %9s %8s\n", "", "conns", "flight", "ops", "s",
               "ops/s", "p50 us", "p99 us", "p99.9 us", "nn us/op", "us/op");
    for (int i = optind; i < argc; i++) measure(op_of(argv[i]));
    if (!options.keep) flood_op(CLEAN, 1, &result);
    flood_free(run.flood);
    creds_release(&run.creds);
    mem_free(run.frames);
    return 0;
}
