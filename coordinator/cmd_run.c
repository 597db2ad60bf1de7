/* coord run: a grid in, results out, on this machine. A private coordinator and
 * a worker daemon are started as processes of their own, the same programs that
 * serve a cluster; there is no other engine. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/file.h"
#include "coordinator/lock.h"
#include "coordinator/process.h"
#include "coordinator/submit.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    EXIT_INTERRUPTED = 130, /* as shells say it: 128 + SIGINT */
    /* The coordinator may have a large database to open first. */
    START_MS = 60 * 1000,
    /* A worker that is told to stop ends its trials first. */
    STOP_MS = 20 * 1000,
    /* For its runs to save themselves, when somebody waits for the prompt. */
    SAVE_MS = 5 * 1000,
    TAIL_LINES = 10,
    WORKERS_MAX = 256,
};

struct run {
    struct cli *cli;
    const char *file, *data;
    int64_t workers;
    struct buf grid;
    struct process serve, worker;
    char serve_log[PATH_MAX], worker_log[PATH_MAX];
    char socket_dir[PATH_MAX]; /* of our own, "" when the socket is in DIR */
    char socket[PATH_MAX];
    char endpoint[WIRE_ENDPOINT_MAX];
    int signal_fd;
    bool interrupted;
};

/* ---- before anything starts ------------------------------------------------ */

static int usable_cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

static int check_grid(struct run *run, struct error *err)
{
    if (file_read(run->file, PROTO_GRID_MAX, &run->grid, err) != 0)
        return -1;
    struct plan *plan = plan_from_grid(run->grid.data, run->grid.size, run->file, err);
    if (!plan)
        return -1;
    plan_free(&plan);
    return 0;
}

/* "coord --dir DIR VERB FILE", to be typed. */
static void put_command(const struct run *run, const char *verb, struct buf *out)
{
    buf_puts(out, "coord ");
    cli_dir_option(run->cli, out);
    buf_printf(out, "%s ", verb);
    cli_quote(run->file, out);
}

/* A folder that is not there would be passed over for the system's. */
static int check_data(const struct run *run, struct error *err)
{
    const char *environment = getenv("COORD_DATA");
    const char *data = run->data ? run->data : environment ? environment : "";
    struct stat st;

    if (!*data || (stat(data, &st) == 0 && S_ISDIR(st.st_mode)))
        return 0;
    return err_set(err, ERR_INVALID, "%s: no such folder: %s",
                   run->data ? "--data" : "$COORD_DATA", data);
}

static int check_alone(const struct run *run, struct error *err)
{
    char path[PATH_MAX];
    pid_t pid = lock_holder(cli_path(run->cli, "lock", path, sizeof path));

    if (pid == 0)
        return 0;
    struct buf command = {0};
    put_command(run, "submit", &command);
    err_set(err, ERR_BUSY,
            "a coordinator (pid %ld) works in %s already: %s hands it the grid",
            (long)pid, run->cli->dir, command.data ? command.data : "coord submit");
    buf_free(&command);
    return -1;
}

/* A socket's path is short by nature, a state directory's may not be: then the
 * socket is in a folder of its own. */
static int place_socket(struct run *run, struct error *err)
{
    struct sockaddr_un address;
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char real[PATH_MAX];

    if (!realpath(run->cli->dir, real))
        return err_errno(err, ERR_IO, "%s", run->cli->dir);
    int size = snprintf(run->socket, sizeof run->socket, "%s/run.sock", real);
    if ((size_t)size >= sizeof address.sun_path) {
        snprintf(run->socket_dir, sizeof run->socket_dir, "%s/coord-XXXXXX",
                 runtime && runtime[0] == '/' && strlen(runtime) < 64 ? runtime : "/tmp");
        if (!mkdtemp(run->socket_dir)) {
            err_errno(err, ERR_IO, "cannot create %s", run->socket_dir);
            run->socket_dir[0] = '\0';
            return -1;
        }
        snprintf(run->socket, sizeof run->socket, "%.80s/run.sock", run->socket_dir);
    }
    snprintf(run->endpoint, sizeof run->endpoint, "ipc://%.200s", run->socket);
    return 0;
}

static int watch_signals(struct run *run, struct error *err)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) == 0)
        run->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signal_fd < 0 ? err_errno(err, ERR_IO, "cannot watch signals") : 0;
}

/* ---- the two processes ----------------------------------------------------- */

static int start_serve(struct run *run, struct error *err)
{
    char self[] = "/proc/self/exe", verb[] = "serve", dir[] = "--dir", bind[] = "--bind";
    char *argv[] = {self, verb, dir, run->cli->dir, bind, run->endpoint, NULL};

    run->serve = (struct process){
        .name = "the coordinator",
        .log = cli_path(run->cli, "coord.log", run->serve_log, sizeof run->serve_log),
        .death_signal = SIGTERM};
    return process_start(&run->serve, argv, err);
}

/* Without us nobody takes its results, so it is not asked but killed. */
static int start_worker(struct run *run, struct error *err)
{
    char program[PATH_MAX], slots[24], cache[PATH_MAX], data[PATH_MAX];
    char to[] = "--connect", slots_option[] = "--slots", cache_option[] = "--cache",
         data_option[] = "--data";
    char *argv[] = {program, to,           run->endpoint, slots_option,
                    slots,   cache_option, cache,         run->data ? data_option : NULL,
                    data,    NULL};

    process_find("coord-worker", program, sizeof program);
    snprintf(slots, sizeof slots, "%lld", (long long)run->workers);
    snprintf(data, sizeof data, "%s", run->data ? run->data : "");
    cli_path(run->cli, "cache", cache, sizeof cache);
    run->worker = (struct process){
        .name = "the worker",
        .log = cli_path(run->cli, "worker.log", run->worker_log, sizeof run->worker_log),
        .death_signal = SIGKILL};
    return process_start(&run->worker, argv, err);
}

/* Interrupted, or one of the two has ended: nothing more will come. */
static bool should_stop(void *user)
{
    struct run *run = user;
    struct signalfd_siginfo info;

    while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        run->interrupted = true;
    return run->interrupted || process_ended(&run->serve) || process_ended(&run->worker);
}

static void stop(struct process *process)
{
    if (process_wait(process, STOP_MS))
        return;
    fprintf(stderr, "coord run: %s does not end, killing it\n", process->name);
    process_signal(process, SIGKILL);
    (void)process_wait(process, STOP_MS);
}

/* The worker first, so that the coordinator hears it leave. One signal lets its runs
 * save themselves; the second of another kind, for equal ones melt into one, stops
 * it: at once when nobody is left to take its results. */
static void stop_both(struct run *run)
{
    process_signal(&run->worker, SIGTERM);
    if (process_ended(&run->serve) ||
        (run->interrupted && !process_wait(&run->worker, SAVE_MS)))
        process_signal(&run->worker, SIGINT);
    stop(&run->worker);
    process_signal(&run->serve, SIGTERM);
    stop(&run->serve);
}

/* ---- the whole ------------------------------------------------------------- */

static void say_died(const struct process *process)
{
    char text[64];

    fprintf(stderr, "coord run: %s %s\n", process->name,
            process_end_text(process, text, sizeof text));
    process_tail(process, TAIL_LINES);
}

static void say_next(const struct run *run, const char *sweep)
{
    struct buf dir = {0};

    cli_dir_option(run->cli, &dir);
    const char *option = dir.data ? dir.data : "";
    fprintf(stderr,
            "\n"
            "database  %s/coord.db\n"
            "logs      %s, %s\n"
            "try next  coord %sreport %s\n"
            "          coord %ssql \"SELECT * FROM summary WHERE sweep = '%s'\"\n"
            "          coord %sjobs %s\n"
            "          coord %sartifact list\n",
            run->cli->dir, run->serve_log, run->worker_log, option, sweep, option, sweep,
            option, sweep, option);
    buf_free(&dir);
}

static void say_interrupted(const struct run *run)
{
    struct buf command = {0};

    put_command(run, "run", &command);
    fprintf(stderr, "coord run: interrupted; this goes on where it was: %s\n",
            command.data ? command.data : "");
    buf_free(&command);
}

/* Submit and wait. Returns an exit code; answer->name is "" before the sweep is
 * known. */
static int follow(struct run *run, struct submit_answer *answer)
{
    const struct submit_request request = {.endpoint = run->endpoint,
                                           .file = run->file,
                                           .grid = run->grid.data,
                                           .size = run->grid.size,
                                           .unheard_ms = START_MS,
                                           .should_stop = should_stop,
                                           .user = run};
    struct error err = {0};

    if (submit_send(&request, answer, &err) != 0) {
        answer->name[0] = '\0';
        return err.code == ERR_BUSY ? EXIT_JOB_FAILED : cli_fail(run->cli, &err);
    }
    cli_say(stderr, "%s: %llu jobs, %llu new, %lld at once\n", answer->name,
            (unsigned long long)answer->jobs, (unsigned long long)answer->added,
            (long long)run->workers);
    return cli_wait(run->cli, answer->sweep, 0, should_stop, run);
}

static int finish(struct run *run, int code, const struct submit_answer *answer)
{
    bool serve_died = process_ended(&run->serve);
    bool worker_died = process_ended(&run->worker);
    struct error err = {0};

    if (run->interrupted)
        fprintf(stderr, "coord run: stopping\n");
    stop_both(run);
    if (run->interrupted) {
        say_interrupted(run);
        return EXIT_INTERRUPTED;
    }
    if (serve_died)
        say_died(&run->serve);
    if (worker_died)
        say_died(&run->worker);
    if (answer->name[0] == '\0' || serve_died || worker_died)
        return code == EXIT_OK ? EXIT_JOB_FAILED : code;
    if (cli_report(run->cli, answer->name, &err) != 0)
        return cli_fail(run->cli, &err);
    fflush(stdout);
    say_next(run, answer->name);
    return code;
}

static int run_all(struct run *run)
{
    struct submit_answer answer = {0};
    struct error err = {0};

    if (check_grid(run, &err) != 0 || check_data(run, &err) != 0 ||
        cli_make_dir(run->cli, &err) != 0 || check_alone(run, &err) != 0 ||
        place_socket(run, &err) != 0 || watch_signals(run, &err) != 0)
        return cli_fail(run->cli, &err);
    if (start_serve(run, &err) != 0 || start_worker(run, &err) != 0) {
        stop_both(run);
        return cli_fail(run->cli, &err);
    }
    int code = follow(run, &answer);
    return finish(run, code, &answer);
}

int cmd_run(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"workers", required_argument, NULL, 'w'},
                                            {"data", required_argument, NULL, 'd'},
                                            {NULL, 0, NULL, 0}};
    struct run run = {.cli = cli, .workers = usable_cores(), .signal_fd = -1};
    struct error err;
    int option, code;

    while ((option = cli_option(cli, argc, argv, "", options)) != -1) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'd')
            run.data = optarg;
        else if (cli_integer("--workers", optarg, 1, WORKERS_MAX, &run.workers, &err) !=
                 0)
            return cli_fail(cli, &err);
    }
    if (argc - optind != 1)
        return cli_usage(cli, "expected one grid file");
    run.file = argv[optind];
    code = run_all(&run);
    if (run.socket_dir[0]) {
        unlink(run.socket);
        rmdir(run.socket_dir);
    }
    if (run.signal_fd >= 0)
        close(run.signal_fd);
    buf_free(&run.grid);
    return code;
}
