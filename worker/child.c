#include "worker/child.h"

#include "common/error.h"
#include "proto/pipe.h"
#include "worker/trial.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Higher than any descriptor the child keeps, so that moving one into place
 * never overwrites another. */
enum { FD_ASIDE = 10, FD_FIRST_UNUSED = TRIAL_FD_RESULT + 1 };

/* What the child's side of the fork needs; made before it. */
struct plan {
    char *const *argv;
    pid_t parent;
    int start_fd, result_fd, log_fd;
    uint64_t memory; /* bytes it may have; 0: no limit */
};

/* ---- after fork: system calls only, memory is the parent's ------------------ */

static void say(const char *text, size_t size)
{
    ssize_t ignored = write(STDERR_FILENO, text, size);
    (void)ignored;
}

static void default_signals(void)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t term;

    for (int signal = 1; signal < NSIG; signal++)
        (void)sigaction(signal, &standard, NULL);
    /* Asked to end before it has begun, it looks when it is ready to. */
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &term, NULL);
}

static void close_others(void)
{
    struct rlimit limit = {.rlim_cur = 1024};

    if (close_range(FD_FIRST_UNUSED, ~0U, 0) == 0)
        return;
    /* A kernel before 5.9. */
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t fd = FD_FIRST_UNUSED; fd < limit.rlim_cur; fd++)
        (void)close((int)fd);
}

static int arrange_fds(const struct plan *plan)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int from[] = {null_fd, plan->log_fd, plan->log_fd, plan->start_fd,
                        plan->result_fd};
    int aside[FD_FIRST_UNUSED];

    for (int fd = 0; fd < FD_FIRST_UNUSED; fd++)
        if ((aside[fd] = fcntl(from[fd], F_DUPFD_CLOEXEC, FD_ASIDE)) < 0)
            return -1;
    for (int fd = 0; fd < FD_FIRST_UNUSED; fd++)
        if (dup2(aside[fd], fd) < 0)
            return -1;
    close_others();
    return 0;
}

/* Rather the trial than the daemon, whose death ends every trial. */
static void volunteer_for_oom(void)
{
    static const char SCORE[] = "300";
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    ssize_t ignored = write(fd, SCORE, sizeof SCORE - 1);
    (void)ignored;
    close(fd);
}

/* Allocations beyond it fail, which the trial reports. Of data, not of addresses: what is
 * mapped from files does not count. */
static int limit_memory(uint64_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};

    return bytes == 0 ? 0 : setrlimit(RLIMIT_DATA, &limit);
}

_Noreturn static void become_trial(const struct plan *plan)
{
    static const char NO_FDS[] = "coord-worker: cannot arrange descriptors\n";
    static const char NO_LIMIT[] = "coord-worker: cannot limit the trial's memory\n";
    static const char NO_EXEC[] = "coord-worker: cannot execute the trial program\n";

    (void)setpgid(0, 0);
    /* The parent may have died before prctl took effect. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != plan->parent)
        _exit(127);
    volunteer_for_oom();
    if (arrange_fds(plan) != 0) {
        say(NO_FDS, sizeof NO_FDS - 1);
        _exit(127);
    }
    if (limit_memory(plan->memory) != 0) {
        say(NO_LIMIT, sizeof NO_LIMIT - 1);
        _exit(127);
    }
    default_signals();
    execv(plan->argv[0], plan->argv);
    say(NO_EXEC, sizeof NO_EXEC - 1);
    _exit(127);
}

/* ---- before fork ------------------------------------------------------------ */

/* The START message in a file without a name: unlike a pipe it takes any size at
 * once, so a slow child never holds the daemon up. */
static int start_file(const struct msg *start, struct error *err)
{
    int fd = memfd_create("start", MFD_CLOEXEC);

    if (fd < 0)
        return err_errno(err, ERR_IO, "cannot make a file for a trial's start");
    if (pipe_send(fd, start, err) != 0 || lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A pipe whose read end, the parent's, does not block. */
static int open_pipe(int ends[2], struct error *err)
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_errno(err, ERR_IO, "cannot make a pipe");
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        return err_errno(err, ERR_IO, "cannot make a pipe non-blocking");
    return 0;
}

static void close_pair(int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

int child_spawn(char *const argv[], const struct msg *start, struct child *ret,
                struct error *err)
{
    int result[2] = {-1, -1}, log[2] = {-1, -1};
    pid_t pid = -1;
    int start_fd = start_file(start, err);

    if (start_fd < 0)
        return -1;
    if (open_pipe(result, err) != 0 || open_pipe(log, err) != 0)
        goto done;
    const struct plan plan = {.argv = argv,
                              .parent = getpid(),
                              .start_fd = start_fd,
                              .result_fd = result[1],
                              .log_fd = log[1],
                              .memory = start->start.job.memory};
    pid = fork();
    if (pid == 0)
        become_trial(&plan);
    if (pid < 0) {
        err_errno(err, ERR_IO, "cannot start a process");
        goto done;
    }
    /* Both sides do this, so that the group exists when either goes on. */
    (void)setpgid(pid, pid);
    *ret = (struct child){pid, result[0], log[0]};
    result[0] = log[0] = -1;

done:
    close(start_fd);
    close_pair(result);
    close_pair(log);
    return pid < 0 ? -1 : 0;
}
