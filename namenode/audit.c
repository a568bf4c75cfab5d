#include "namenode/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"

struct audit {
    int fd;
    bool console;
    pthread_mutex_t lock;
    struct buf pending; /* guarded by lock */
    uint64_t left_out;  /* guarded by lock */
    struct buf writing; /* main thread */
};

int audit_open(struct audit **out, struct err *err)
{
    const char *setting = getenv("HDFS_AUDIT_LOGGER"), *dir = getenv("HADOOP_LOG_DIR");
    const char *appender = setting ? strchr(setting, ',') : NULL;

    *out = NULL;
    if (!appender || !str_starts(setting, "INFO") || str_eq(appender + 1, "NullAppender")) return 0;
    struct audit *audit = NEW(struct audit);
    audit->console = str_eq(appender + 1, "console");
    audit->fd = STDERR_FILENO;
    pthread_mutex_init(&audit->lock, NULL);
    if (!audit->console) {
        char *path = mem_printf("%s/hdfs-audit.log", str_empty(dir) ? "." : dir);
        audit->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        int rc =
            audit->fd < 0
                ? err_set_errno(err, errno,
                                "open the audit log %s (from HADOOP_LOG_DIR and HDFS_AUDIT_LOGGER)",
                                path)
                : 0;
        mem_free(path);
        if (rc) {
            mem_free(audit);
            return rc;
        }
    }
    *out = audit;
    return 0;
}

void audit_close(struct audit *audit)
{
    if (!audit) return;
    audit_flush(audit);
    if (!audit->console) close(audit->fd);
    buf_release(&audit->pending);
    buf_release(&audit->writing);
    pthread_mutex_destroy(&audit->lock);
    mem_free(audit);
}

static void put_time(struct buf *buf, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[32];
    struct tm tm;

    localtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    buf_printf(buf, "%s,%03d", text, (int)(wall_ms % 1000));
}

/* A value as one field of one line: what would break the line is escaped. */
static void put_field(struct buf *buf, const char *name, const char *value)
{
    buf_printf(buf, "\t%s=", name);
    if (!value) value = "null";
    for (; *value; value++) {
        if (*value == '\t')
            buf_put_str(buf, "\\t");
        else if (*value == '\n')
            buf_put_str(buf, "\\n");
        else if (*value == '\r')
            buf_put_str(buf, "\\r");
        else
            buf_put_u8(buf, (uint8_t)*value);
    }
}

static void put_permission(struct buf *buf, struct core *core, const struct inode *inode)
{
    char text[11] = "rwxrwxrwx";

    if (!inode) {
        put_field(buf, "perm", NULL);
        return;
    }
    for (int i = 0; i < 9; i++)
        if (!(inode->mode & (0400u >> i))) text[i] = '-';
    if (inode->mode & INODE_MODE_STICKY) text[8] = inode->mode & 1 ? 't' : 'T';
    buf_printf(buf, "\tperm=%s:%s:%s", inode_user(core->tree.inodes, inode),
               inode_group(core->tree.inodes, inode), text);
}

bool audit_log(struct audit *audit, struct core *core, const struct op *op, const char *command,
               bool allowed)
{
    if (!audit) return false;
    pthread_mutex_lock(&audit->lock);
    bool was_empty = !audit->pending.length;
    if (audit->pending.length > AUDIT_PENDING_MAX) {
        audit->left_out++;
    } else {
        struct buf *buf = &audit->pending;
        put_time(buf, core->now_wall_ms);
        buf_printf(buf, " INFO FSNamesystem.audit: allowed=%s", allowed ? "true" : "false");
        put_field(buf, "ugi", op->user); /* any name that a client cares to give */
        buf_printf(buf, " (auth:SIMPLE)\tip=/%s", op->client_ip);
        put_field(buf, "cmd", command);
        put_field(buf, "src", op->audit_src);
        put_field(buf, "dst", op->audit_dst);
        put_permission(buf, core, allowed ? op->audit_status : NULL);
        buf_put_str(buf, "\tproto=rpc");
        if (op->caller_context) put_field(buf, "callerContext", op->caller_context);
        buf_put_u8(buf, '\n');
    }
    pthread_mutex_unlock(&audit->lock);
    return was_empty;
}

void audit_flush(void *arg)
{
    struct audit *audit = arg;

    pthread_mutex_lock(&audit->lock);
    if (audit->left_out) {
        buf_printf(&audit->pending,
                   "%" PRIu64 " audit lines were left out because the disk did not keep up\n",
                   audit->left_out);
        audit->left_out = 0;
    }
    struct buf full = audit->pending;
    audit->pending = audit->writing;
    audit->writing = full;
    pthread_mutex_unlock(&audit->lock);
    for (size_t done = 0; done < full.length;) {
        ssize_t n = write(audit->fd, full.data + done, full.length - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            log_limited(LOG_ERROR, 60 * SECOND_MS, "the audit log cannot be written: %s",
                        strerror(errno));
            break;
        }
        done += (size_t)n;
    }
    buf_clear(&audit->writing);
}
