/*
 * Does what lines on standard input say, through our client library, and answers each with "ok", what was asked for, or "error" and why.
 * Byte i of every file is a function of i. tests/interop/java/FileDriver.java is the same over Apache's client.
 *
 *   create PATH REPLICATION BLOCKSIZE    append PATH      write PATH BYTES    hflush PATH    hsync PATH [FLAGS]    close PATH
 *   verify PATH BYTES                    truncate PATH N  setrep PATH N       recover PATH   closed PATH
 *   FLAGS of hsync: 1 UPDATE_LENGTH, 2 END_BLOCK, 3 both
 *   where PATH                           data ports of the last block's replicas
 *   pipeline PATH                        data ports of the pipeline that it is written through, in order
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/fs.h"
#include "client/in_stream.h"
#include "client/out_stream.h"
#include "common/conf.h"

enum { STEP = 65536, OPEN_MAX = 16, WORD = 256, BAD = ERR_ARGUMENT };

static struct fs *fs;
static struct {
    char path[WORD];
    struct out_stream *out;
} files[OPEN_MAX];

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)((i * 2654435761u) >> 13 ^ i >> 20 ^ i);
}

static int slot_of(const char *path)
{
    for (int i = 0; i < OPEN_MAX; i++)
        if (files[i].out ? str_eq(files[i].path, path) : !*path) return i;
    return -1;
}

static int opened(const char *path, struct out_stream *out)
{
    int i = slot_of("");

    if (i < 0) abort();
    files[i].out = out;
    snprintf(files[i].path, WORD, "%s", path);
    return 0;
}

static int write_bytes(struct out_stream *out, uint64_t size, struct err *err)
{
    uint8_t data[STEP];
    int rc = 0;

    while (size && !rc) {
        size_t n = (size_t)MIN(size, (uint64_t)STEP);
        uint64_t from = out_stream_tell(out);
        for (size_t i = 0; i < n; i++) data[i] = byte_at(from + i);
        rc = out_stream_write(out, data, n, err);
        size -= n;
    }
    return rc;
}

static int verify(const char *path, uint64_t size, struct err *err)
{
    uint8_t data[STEP];
    struct in_stream *in;
    uint64_t at = 0;
    ssize_t n;
    int rc = fs_open(fs, path, NULL, &in, err);

    if (rc) return rc;
    while (!rc && (n = in_stream_read(in, data, sizeof data, err)) != 0) {
        if (n < 0) rc = (int)n;
        for (ssize_t i = 0; i < n && !rc; i++)
            if (data[i] != byte_at(at + (uint64_t)i))
                rc = err_set(err, ERR_CORRUPT, "wrong byte at %" PRIu64, at + (uint64_t)i);
        at += (uint64_t)MAX(n, (ssize_t)0);
    }
    in_stream_close(in);
    if (!rc && at != size) rc = err_set(err, ERR_CORRUPT, "there are %" PRIu64 " bytes", at);
    return rc;
}

static void pipeline(struct out_stream *out)
{
    uint16_t port;

    printf("ok");
    for (unsigned i = 0; (port = out_stream_replica_port(out, i)); i++) printf(" %u", port);
    printf("\n");
}

static int where(const char *path, struct err *err)
{
    struct fs_blocks *blocks;
    int rc = fs_block_locations(fs, path, 0, INT64_MAX, &blocks, err);

    if (rc) return rc;
    printf("ok");
    if (blocks->count) {
        const struct fs_block *last = &blocks->blocks[blocks->count - 1];
        for (size_t i = 0; i < last->replica_count; i++) printf(" %u", last->replicas[i].xfer_port);
    }
    printf("\n");
    fs_blocks_free(blocks);
    return 0;
}

static int on_stream(const char *verb, const char *path, uint64_t number, struct err *err)
{
    int i = slot_of(path), rc;
    struct out_stream *out = i >= 0 ? files[i].out : NULL;

    if (!out) return err_set(err, BAD, "%s is not open", path);
    if (str_eq(verb, "write")) return write_bytes(out, number, err);
    if (str_eq(verb, "hflush")) return out_stream_hflush(out, err);
    if (str_eq(verb, "hsync")) return out_stream_hsync(out, (unsigned)number, err);
    files[i].out = NULL;
    rc = out_stream_close(out, err);
    return rc;
}

/* *yes: 0 or 1 for those that answer so, else -1; -2: the answer is written. */
static int run(const char *verb, const char *path, uint64_t a, uint64_t b, int *yes,
               struct err *err)
{
    struct fs_create_options options = {
        .overwrite = true, .replication = (unsigned)a, .block_size = b};
    struct out_stream *out = NULL;
    bool answer = false;
    int rc;

    *yes = -1;
    if (str_eq(verb, "create") || str_eq(verb, "append")) {
        rc = *verb == 'c' ? fs_create(fs, path, &options, &out, err)
                          : fs_append(fs, path, false, &out, err);
        return rc ? rc : opened(path, out);
    }
    if (str_eq(verb, "verify")) return verify(path, a, err);
    if (str_eq(verb, "where")) {
        *yes = -2;
        return where(path, err);
    }
    if (str_eq(verb, "pipeline") && slot_of(path) >= 0) {
        *yes = -2;
        pipeline(files[slot_of(path)].out);
        return 0;
    }
    if (str_eq(verb, "truncate"))
        rc = fs_truncate(fs, path, a, &answer, err);
    else if (str_eq(verb, "setrep"))
        rc = fs_set_replication(fs, path, (unsigned)a, &answer, err);
    else if (str_eq(verb, "recover"))
        rc = fs_recover_lease(fs, path, &answer, err);
    else if (str_eq(verb, "closed"))
        rc = fs_is_file_closed(fs, path, &answer, err);
    else
        return on_stream(verb, path, a, err);
    *yes = answer;
    return rc;
}

int main(int argc, char **argv)
{
    struct conf *conf = conf_new();
    struct err err = ERR_INIT;
    char line[1024], verb[16], path[WORD];
    int yes;

    if (argc != 2 || conf_load_env(conf, &err) || fs_connect(conf, argv[1], NULL, &fs, &err)) {
        fprintf(stderr, "usage: file_driver hdfs://host:port %s\n", err.text);
        return 2;
    }
    while (fgets(line, sizeof line, stdin)) {
        unsigned long long a = 0, b = 0;
        struct err why = ERR_INIT;
        if (sscanf(line, "%15s %255s %llu %llu", verb, path, &a, &b) < 2) return 2;
        int rc = run(verb, path, a, b, &yes, &why);
        if (rc)
            printf("error %s\n", why.text);
        else if (yes != -2)
            printf("ok%s\n", yes < 0 ? "" : yes ? " true" : " false");
        fflush(stdout);
    }
    _exit(0); /* what is open stays so, as after a crash */
}
