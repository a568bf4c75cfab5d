#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

static struct {
    pthread_mutex_t lock; /* guards fd and path; `level` and `component` are set before threads, or
                             atomically */
    int fd;
    char *path; /* NULL: stderr */
    char component[32];
    int level;
    int reopen; /* set by signal handlers */
} the_log = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO, .component = "tusk", .level = LOG_INFO};

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};

/* A child that is forked while another thread writes a line would find the lock taken for ever. */
static void lock_log(void)
{
    pthread_mutex_lock(&the_log.lock);
}

static void unlock_log(void)
{
    pthread_mutex_unlock(&the_log.lock);
}

void log_init(const char *component)
{
    enum log_level level;
    const char *word = getenv("TUSK_LOG_LEVEL");

    pthread_atfork(lock_log, unlock_log, unlock_log);
    snprintf(the_log.component, sizeof the_log.component, "%s", component);
    if (!word) return;
    if (log_parse_level(word, &level))
        log_set_level(level);
    else
        log_warn("TUSK_LOG_LEVEL is '%s'; it can be debug, info, warn or error", word);
}

int log_descriptor(void)
{
    lock_log();
    int fd = the_log.fd;
    unlock_log();
    return fd;
}

void log_set_level(enum log_level level)
{
    assert(level <= LOG_ERROR);
    __atomic_store_n(&the_log.level, (int)level, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
    return (enum log_level)__atomic_load_n(&the_log.level, __ATOMIC_RELAXED);
}

bool log_enabled(enum log_level level)
{
    return level >= log_get_level();
}

bool log_parse_level(const char *word, enum log_level *level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (strcasecmp(word, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

int log_open(const char *path, struct err *err)
{
    int fd = STDERR_FILENO;

    if (path) {
        fd = open_file(path);
        if (fd < 0) return err_set_errno(err, errno, "open the log file %s", path);
    }
    pthread_mutex_lock(&the_log.lock);
    if (the_log.path) close(the_log.fd);
    mem_free(the_log.path);
    the_log.path = path ? mem_strdup(path) : NULL;
    the_log.fd = fd;
    pthread_mutex_unlock(&the_log.lock);
    return 0;
}

/* With the lock held. A file that cannot be opened leaves the old one in use: better a wrong place
 * than no line. */
static void reopen_locked(void)
{
    if (!the_log.path) return;
    int fd = open_file(the_log.path);
    if (fd < 0) return;
    close(the_log.fd);
    the_log.fd = fd;
}

void log_reopen(void)
{
    pthread_mutex_lock(&the_log.lock);
    reopen_locked();
    pthread_mutex_unlock(&the_log.lock);
}

void log_want_reopen(void)
{
    __atomic_store_n(&the_log.reopen, 1, __ATOMIC_RELAXED);
}

static void write_line(const char *line, size_t length)
{
    pthread_mutex_lock(&the_log.lock);
    if (__atomic_exchange_n(&the_log.reopen, 0, __ATOMIC_RELAXED)) reopen_locked();
    ssize_t rc;
    do {
        rc = write(the_log.fd, line, length);
    } while (rc < 0 && errno == EINTR);
    pthread_mutex_unlock(&the_log.lock);
}

static size_t write_head(char *line, size_t size, enum log_level level)
{
    int64_t now_ms = clock_wall_ms();
    time_t now = (time_t)(now_ms / 1000);
    struct tm tm;

    localtime_r(&now, &tm);
    size_t used = strftime(line, size, "%Y-%m-%d %H:%M:%S", &tm);
    return used + (size_t)snprintf(line + used, size - used, ",%03d %s %s: ", (int)(now_ms % 1000),
                                   level_names[level], the_log.component);
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    int errno_kept = errno;
    va_list args;

    assert(level <= LOG_ERROR);
    size_t used = write_head(line, sizeof line, level);
    va_start(args, format);
    int wanted = vsnprintf(line + used, sizeof line - used, format, args);
    va_end(args);
    size_t end = MIN(used + (size_t)MAX(wanted, 0), sizeof line - 1);
    for (size_t i = used; i < end; i++)
        if (line[i] == '\n' || line[i] == '\r') line[i] = ' ';
    line[end] = '\n';
    write_line(line, end + 1);
    errno = errno_kept;
}

bool log_limit_pass(struct log_limit *limit, int64_t interval_ms, uint64_t *suppressed)
{
    int64_t now = clock_mono_ms();
    int64_t next = __atomic_load_n(&limit->next_ms, __ATOMIC_RELAXED);

    if (now < next || !__atomic_compare_exchange_n(&limit->next_ms, &next, now + interval_ms, false,
                                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        __atomic_add_fetch(&limit->suppressed, 1, __ATOMIC_RELAXED);
        return false;
    }
    *suppressed = __atomic_exchange_n(&limit->suppressed, 0, __ATOMIC_RELAXED);
    return true;
}
