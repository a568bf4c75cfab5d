#include "client/shell/mini_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/mem.h"
#include "common/parse.h"

enum { WORDS_MAX = 16 };

void daemon_init(struct daemon *daemon, const char *base, const char *program, int number)
{
    *daemon = (struct daemon){.program = program};
    if (number)
        snprintf(daemon->name, sizeof daemon->name, "%s%d", program, number);
    else
        snprintf(daemon->name, sizeof daemon->name, "%s", program);
    daemon->dir = mem_printf("%s/%s", base, daemon->name);
    daemon->conf = number ? mem_printf("%s/conf", daemon->dir) : mem_printf("%s/conf", base);
}

void daemon_release(struct daemon *daemon)
{
    mem_free(daemon->dir);
    mem_free(daemon->conf);
}

/* In the child: what the shell would do for `HADOOP_CONF_DIR=… hdfs … >> log 2>&1 < /dev/null`. */
static NORETURN void become(const struct daemon *daemon, int log_fd, pid_t parent, char **argv)
{
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY);

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* no daemon outlives a mini that was killed */
    if (getppid() != parent) _exit(1);
    setenv("HADOOP_CONF_DIR", daemon->conf, 1);
    dup2(null_fd, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    execv("/proc/self/exe", argv);
    dprintf(STDERR_FILENO, "cannot run /proc/self/exe: %s\n", strerror(errno));
    _exit(127);
}

static int write_pid(const struct daemon *daemon, struct err *err)
{
    char *path = mem_printf("%s/pid", daemon->dir), text[32];
    int length = snprintf(text, sizeof text, "%d\n", (int)daemon->pid);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), rc = 0;

    if (fd < 0)
        rc = err_set_errno(err, errno, "%s", path);
    else {
        rc = file_write_full(fd, text, (size_t)length, err);
        close(fd);
    }
    mem_free(path);
    return rc;
}

int daemon_start(struct daemon *daemon, const char *const *words, struct err *err)
{
    char *log = mem_printf("%s/log", daemon->dir);
    char *argv[WORDS_MAX] = {"hdfs", (char *)daemon->program, "--config", daemon->conf};
    size_t argc = 4;
    pid_t parent = getpid();
    int fd;

    for (; *words && argc < WORDS_MAX - 1; words++) argv[argc++] = (char *)*words;
    assert(!*words);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int rc = fd < 0 ? err_set_errno(err, errno, "%s", log) : 0;
    mem_free(log);
    if (rc) return rc;
    daemon->pid = fork();
    if (!daemon->pid) become(daemon, fd, parent, argv);
    if (daemon->pid < 0) {
        daemon->pid = 0;
        rc = err_set_errno(err, errno, "cannot start the %s", daemon->name);
    }
    close(fd);
    return rc ? rc : write_pid(daemon, err);
}

int daemon_wait(struct daemon *daemon, struct err *err)
{
    int status = 0;

    while (waitpid(daemon->pid, &status, 0) < 0 && errno == EINTR) continue;
    daemon->pid = 0;
    if (WIFEXITED(status) && !WEXITSTATUS(status)) return 0;
    return err_set(err, ERR_IO, "the %s failed; its log is %s/log", daemon->name, daemon->dir);
}

void daemon_ended(struct daemon *daemon, int status, bool wanted)
{
    if (!wanted && WIFSIGNALED(status))
        fprintf(stderr, "mini: the %s (pid %d) was ended by signal %d; its log is %s/log\n",
                daemon->name, (int)daemon->pid, WTERMSIG(status), daemon->dir);
    else if (!wanted)
        fprintf(stderr, "mini: the %s (pid %d) ended with status %d; its log is %s/log\n",
                daemon->name, (int)daemon->pid, WEXITSTATUS(status), daemon->dir);
    daemon->pid = 0;
}

/* The process of the pid file, if it is one of this program; else 0. */
static pid_t stranger(const struct daemon *daemon)
{
    char *path = mem_printf("%s/pid", daemon->dir), exe[64];
    struct stat mine, its;
    struct buf text = {.data = NULL};
    int64_t pid = 0;
    struct err err;

    if (file_read(path, 64, &text, &err) ||
        !parse_i64_n(buf_cstr(&text), strcspn(buf_cstr(&text), "\n"), 2, INT_MAX, &pid))
        pid = 0;
    mem_free(path);
    buf_release(&text);
    snprintf(exe, sizeof exe, "/proc/%d/exe", (int)pid);
    if (!pid || pid == getpid() || stat("/proc/self/exe", &mine) || stat(exe, &its)) return 0;
    return mine.st_dev == its.st_dev && mine.st_ino == its.st_ino ? (pid_t)pid : 0;
}

void daemon_signal(struct daemon *daemon, int number)
{
    pid_t pid = daemon->pid ? daemon->pid : stranger(daemon);

    if (pid) kill(pid, number);
}

bool daemon_runs(const struct daemon *daemon)
{
    return daemon->pid || stranger(daemon);
}
