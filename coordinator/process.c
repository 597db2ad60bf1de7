#include "coordinator/process.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/mask.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TAIL_BYTES = 16384 };

/* Runs in the child. Only returns when exec failed. */
static void become(const struct process *process, char *const argv[], pid_t parent,
                   int log_fd)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;

    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, process->death_signal);
    if (getppid() != parent)
        raise(process->death_signal); /* it died before we asked */
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
        dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0)
        return;
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(argv[0], argv);
}

/* A pipe that exec closes: what comes through it is why exec did not. */
static int exec_error(int fd)
{
    int code = 0;
    ssize_t got;

    do
        got = read(fd, &code, sizeof code);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof code ? code : 0;
}

static int open_log(struct process *process, struct error *err)
{
    struct stat st;
    int fd = open(process->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot open %s", process->log);
    process->log_from = fstat(fd, &st) == 0 ? st.st_size : 0;
    return fd;
}

int process_start(struct process *process, char *const argv[], struct error *err)
{
    pid_t parent = getpid();
    sigset_t child;
    int pipe_fd[2];
    int log_fd = open_log(process, err);

    if (log_fd < 0)
        return -1;
    if (pipe2(pipe_fd, O_CLOEXEC) != 0) {
        err_errno(err, ERR_IO, "cannot start %s", process->name);
        close(log_fd);
        return -1;
    }
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    process->pid = fork();
    if (process->pid == 0) {
        become(process, argv, parent, log_fd);
        int code = errno;
        ssize_t ignored = write(pipe_fd[1], &code, sizeof code);
        (void)ignored;
        _exit(127);
    }
    int code = process->pid < 0 ? errno : 0;
    close(log_fd);
    close(pipe_fd[1]);
    if (code == 0)
        code = exec_error(pipe_fd[0]);
    close(pipe_fd[0]);
    if (code == 0)
        return 0;
    if (process->pid > 0)
        waitpid(process->pid, &process->status, 0);
    process->pid = 0;
    errno = code;
    return err_errno(err, ERR_IO, "cannot start %s", argv[0]);
}

bool process_ended(struct process *process)
{
    if (process->pid > 0 &&
        waitpid(process->pid, &process->status, WNOHANG) == process->pid)
        process->pid = 0;
    return process->pid == 0;
}

char *process_end_text(const struct process *process, char *out, size_t size)
{
    int status = process->status;

    if (WIFSIGNALED(status))
        snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exited with code %d", WEXITSTATUS(status));
    return out;
}

bool process_wait(struct process *process, int64_t timeout_ms)
{
    int64_t end_ms = clock_mono_ms() + timeout_ms;
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (!process_ended(process)) {
        int64_t left_ms = end_ms - clock_mono_ms();
        if (left_ms <= 0)
            return false;
        struct timespec left = {.tv_sec = left_ms / 1000,
                                .tv_nsec = left_ms % 1000 * 1000000};
        (void)sigtimedwait(&child, NULL, &left);
    }
    return true;
}

void process_signal(const struct process *process, int signal)
{
    if (process->pid > 0)
        kill(process->pid, signal);
}

/* Where the last `lines` lines of the text begin. */
static const char *last_lines(const char *text, size_t size, int lines)
{
    const char *at = text + size;

    if (size > 0 && at[-1] == '\n')
        at--;
    for (; at > text; at--)
        if (at[-1] == '\n' && --lines == 0)
            break;
    return at;
}

void process_tail(const struct process *process, int lines)
{
    char text[TAIL_BYTES];
    struct stat st;
    int fd = open(process->log, O_RDONLY | O_CLOEXEC);
    off_t from = process->log_from;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size - from > TAIL_BYTES)
        from = st.st_size - TAIL_BYTES;
    ssize_t size = pread(fd, text, sizeof text, from);
    close(fd);
    if (size <= 0)
        return;
    mask_controls(text, (size_t)size, "\n\t");
    const char *at = last_lines(text, (size_t)size, lines);
    fprintf(stderr, "the last lines of %s:\n", process->log);
    fwrite(at, 1, (size_t)size - (size_t)(at - text), stderr);
}

void process_find(const char *name, char *out, size_t size)
{
    char self[PATH_MAX];
    ssize_t got = readlink("/proc/self/exe", self, sizeof self - 1);

    snprintf(out, size, "%s", name);
    if (got <= 0)
        return;
    self[got] = '\0';
    char *slash = strrchr(self, '/');
    if (!slash)
        return;
    *slash = '\0';
    int length = snprintf(out, size, "%s/%s", self, name);
    if (length < 0 || (size_t)length >= size || access(out, X_OK) != 0)
        snprintf(out, size, "%s", name);
}
