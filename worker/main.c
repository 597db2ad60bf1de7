/* coord-worker: the daemon, and (as `coord-worker trial`) one of its trials. */

#include "common/crash.h"
#include "common/error.h"
#include "common/labels.h"
#include "common/log.h"
#include "common/statedir.h"
#include "common/units.h"
#include "common/version.h"
#include "proto/keyfile.h"
#include "worker/daemon.h"
#include "worker/env.h"
#include "worker/hand.h"
#include "worker/memory.h"
#include "worker/nn/team.h"
#include "worker/provenance.h"
#include "worker/trial.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* As coord's (coordinator/cli.h). */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 4 };

static const char HELP[] =
    "usage: coord-worker --connect ENDPOINT [options]\n"
    "\n"
    "Runs the jobs of a coordinator (coord serve) on this machine, each in a process\n"
    "of its own. SIGTERM once: let runs save themselves, deliver, leave; twice: stop.\n"
    "\n"
    "  --connect ENDPOINT  where the coordinator is: tcp://HOST:PORT\n"
    "  --key FILE          this worker's key, over tcp, as 'coord keygen' made it\n"
    "                      (default: $COORD_KEY, else keys/worker.key in the state\n"
    "                      directory: $COORD_DIR, else ~/.local/state/coord)\n"
    "  --slots N           jobs at once (default: as many as the cores this process\n"
    "                      may use allow, of K threads each)\n"
    "  --threads K         threads of a job (default: 1); no result depends on it,\n"
    "                      and more slots do more than more threads\n"
    "  --checkpoint S      runs save themselves every S seconds, so that another worker\n"
    "                      can go on from there; 0: only at SIGTERM (default: 60)\n"
    "  --label NAME        sweeps whose labels ask for it run here; once for each\n"
    "  --memory SIZE       memory for all jobs, \"60 GB\": sweeps that say how much\n"
    "                      theirs need are handed out accordingly (default: what the\n"
    "                      machine, its control group or Slurm gives)\n"
    "  --time-limit TIME   be gone after that, \"12h\" or \"1-12:00:00\": no job is\n"
    "                      taken that needs longer, and what runs is saved and handed\n"
    "                      on in time (default: until $SLURM_JOB_END_TIME)\n"
    "  --name NAME         what lists call this machine (default: its host name);\n"
    "                      workers of different names are on different machines\n"
    "  --cache DIR         states fetched and to be delivered\n"
    "                      (default: ${XDG_CACHE_HOME:-~/.cache}/coord-worker)\n"
    "  --cache-size GB     its bound (default: 10)\n"
    "  --data DIR          folder of data sets, DIR/NAME/... (default: $COORD_DATA)\n"
    "  --log-level LEVEL   error, warn, info or debug (default: info)\n"
    "  --provenance        print what every result is labelled with, as JSON\n"
    "  --help, --version\n";

static char cache_dir[PATH_MAX];
static char trial_program[] = "/proc/self/exe", trial_verb[] = "trial";
static char *const TRIAL[] = {trial_program, trial_verb, NULL};

struct options {
    struct daemon_setup setup;
    const char *key; /* --key, or $COORD_KEY, or NULL */
    struct keyfile keyfile;
    enum log_level level;
    char labels[LABELS_TEXT];
};

__attribute__((format(printf, 1, 2))) static int usage(const char *fmt, ...)
{
    va_list args;

    fputs("coord-worker: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("\ncoord-worker: see 'coord-worker --help'\n", stderr);
    return -1;
}

/* ---- options: one function each, named in the table below ------------------------ */

static int number(const char *name, const char *text, double min, double max, double *ret)
{
    char *end;

    errno = 0;
    *ret = strtod(text, &end);
    if (errno == 0 && end != text && *end == '\0' && *ret >= min && *ret <= max)
        return 0;
    return usage("--%s: expected a number from %g to %g, got '%s'", name, min, max, text);
}

static int set_connect(struct options *options, const char *text)
{
    options->setup.endpoint = text;
    return 0;
}

static int set_key(struct options *options, const char *text)
{
    options->key = text;
    return 0;
}

static int whole(const char *name, const char *text, uint32_t max, uint32_t *ret)
{
    double count;

    if (number(name, text, 1, max, &count) != 0)
        return -1;
    *ret = (uint32_t)count;
    if (*ret != count)
        return usage("--%s: expected an integer, got '%s'", name, text);
    return 0;
}

static int set_slots(struct options *options, const char *text)
{
    return whole("slots", text, HAND_SLOTS_MAX, &options->setup.slots);
}

static int set_threads(struct options *options, const char *text)
{
    return whole("threads", text, TEAM_MAX, &options->setup.threads);
}

static int set_checkpoint(struct options *options, const char *text)
{
    double seconds;

    if (number("checkpoint", text, 0, 1e6, &seconds) != 0)
        return -1;
    options->setup.checkpoint_ms = (uint32_t)(seconds * 1000 + 0.5);
    return 0;
}

static int set_label(struct options *options, const char *text)
{
    if (labels_add(options->labels, text))
        return 0;
    return usage("--label: expected at most %d labels of 1 to %d letters, digits, '.', "
                 "'_' and '-', got '%s'",
                 LABELS_MAX, LABEL_BYTES, text);
}

static int set_memory(struct options *options, const char *text)
{
    if (units_bytes(text, &options->setup.memory))
        return 0;
    return usage("--memory: expected a size such as \"60 GB\", got '%s'", text);
}

static int set_time_limit(struct options *options, const char *text)
{
    if (units_seconds(text, &options->setup.time_limit_s))
        return 0;
    return usage("--time-limit: expected a time such as 90m, 12h or 1-12:00:00, got '%s'",
                 text);
}

static int set_name(struct options *options, const char *text)
{
    options->setup.name = text;
    if (*text && strlen(text) < 64)
        return 0;
    return usage("--name: expected 1 to 63 characters, got '%s'", text);
}

static int set_cache(struct options *options, const char *text)
{
    options->setup.cache_dir = text;
    return 0;
}

static int set_cache_size(struct options *options, const char *text)
{
    double gigabytes;

    if (number("cache-size", text, 0, 1e6, &gigabytes) != 0)
        return -1;
    options->setup.cache_size_max = (uint64_t)(gigabytes * 1e9);
    return 0;
}

static int set_data(struct options *options, const char *text)
{
    options->setup.data_dir = text;
    return 0;
}

static int set_log_level(struct options *options, const char *text)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        options->level = (enum log_level)i;
        return 0;
    }
    return usage("--log-level: expected error, warn, info or debug, got '%s'", text);
}

static const struct {
    const char *name;
    int (*set)(struct options *options, const char *text);
} OPTIONS[] = {
    {"connect", set_connect},
    {"key", set_key},
    {"slots", set_slots},
    {"threads", set_threads},
    {"cache", set_cache},
    {"cache-size", set_cache_size},
    {"data", set_data},
    {"log-level", set_log_level},
    {"checkpoint", set_checkpoint},
    {"label", set_label},
    {"memory", set_memory},
    {"time-limit", set_time_limit},
    {"name", set_name},
};

enum { OPTION_COUNT = sizeof OPTIONS / sizeof OPTIONS[0] };

/* A folder that is not there would be passed over for the system's. */
static int check_data(const char *dir)
{
    struct stat st;

    if (!*dir || (stat(dir, &st) == 0 && S_ISDIR(st.st_mode)))
        return 0;
    return usage("--data (or $COORD_DATA): no such folder: %s", dir);
}

static int parse(int argc, char **argv, struct options *options)
{
    struct option table[OPTION_COUNT + 1] = {0};
    int which, found;

    for (int i = 0; i < OPTION_COUNT; i++)
        table[i] = (struct option){OPTIONS[i].name, required_argument, NULL, 0};
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":", table, &which)) != -1) {
        if (found == ':')
            return usage("%s needs a value", argv[optind - 1]);
        if (found != 0)
            return usage("unknown option '%s'", argv[optind - 1]);
        if (OPTIONS[which].set(options, optarg) != 0)
            return -1;
    }
    if (optind < argc)
        return usage("unexpected '%s'", argv[optind]);
    if (!options->setup.endpoint)
        return usage("--connect ENDPOINT is missing");
    return check_data(options->setup.data_dir);
}

/* ---- defaults ---------------------------------------------------------------------- */

/* How many jobs of so many threads the cores allow that this process may use. */
static uint32_t usable_slots(uint32_t threads)
{
    cpu_set_t set;
    int count = 1;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set) / (int)threads;
    if (count < 1)
        count = 1;
    return (uint32_t)(count < HAND_SLOTS_MAX ? count : HAND_SLOTS_MAX);
}

static const char *default_cache_dir(void)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (cache && cache[0] == '/')
        snprintf(cache_dir, sizeof cache_dir, "%s/coord-worker", cache);
    else if (home && home[0])
        snprintf(cache_dir, sizeof cache_dir, "%s/.cache/coord-worker", home);
    else /* one for each user, or the second finds the first's */
        snprintf(cache_dir, sizeof cache_dir, "/tmp/coord-worker-%ld", (long)getuid());
    return cache_dir;
}

/* An empty variable is none. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

/* When Slurm will end this job, seconds since 1970; 0 seconds left: not said. */
static uint32_t slurm_time_left(void)
{
    const char *end = variable("SLURM_JOB_END_TIME");
    const int64_t left_s = end ? strtoll(end, NULL, 10) - (int64_t)time(NULL) : 0;

    return left_s > 0 && left_s < UINT32_MAX ? (uint32_t)left_s : 0;
}

static struct options defaults(void)
{
    const char *data = getenv("COORD_DATA");

    return (struct options){
        .setup = {.threads = 1,
                  .checkpoint_ms = 60 * 1000,
                  .cache_dir = default_cache_dir(),
                  .cache_size_max = 10000000000,
                  .data_dir = data ? data : "",
                  .trial = TRIAL,
                  .memory = memory_usable(""),
                  .time_limit_s = slurm_time_left()},
        .key = variable("COORD_KEY"),
        .level = LOG_INFO,
    };
}

/* ---- the key --------------------------------------------------------------------- */

static int default_key(char out[PATH_MAX])
{
    char dir[PATH_MAX - 32];
    int size = statedir_default(dir, sizeof dir);

    if (size <= 0 || (size_t)size >= sizeof dir)
        return -1;
    snprintf(out, PATH_MAX, "%s/keys/worker.key", dir);
    return 0;
}

/* Over tcp there is no work without a key. */
static int read_key(struct options *options, struct error *err)
{
    char path[PATH_MAX] = "";

    if (!wire_needs_keys(options->setup.endpoint))
        return 0;
    if (options->key)
        snprintf(path, sizeof path, "%s", options->key);
    else if (default_key(path) != 0)
        return err_set(err, ERR_REFUSED, "a worker over tcp needs a key: --key FILE");
    if (keyfile_read(path, &options->keyfile, err) != 0) {
        if (err->code == ERR_NOT_FOUND)
            err_set(err, ERR_REFUSED,
                    "there is no key in %s: 'coord keygen --worker NAME' on the "
                    "coordinator's machine makes one, and --key names its copy here",
                    path);
        return -1;
    }
    options->setup.keys = &options->keyfile.keys;
    return 0;
}

/* ---- main ------------------------------------------------------------------------ */

static int print_provenance(char **argv)
{
    struct buf text = {0};

    if (env_prepare())
        execv(trial_program, argv);
    provenance_json(&text, "", "", "");
    bool failed = text.failed || puts(text.data) < 0 || fflush(stdout) != 0;
    buf_free(&text);
    return failed ? EXIT_FAILED : EXIT_OK;
}

static int run_daemon(int argc, char **argv)
{
    struct options options = defaults();
    struct crash crash;
    struct error err;

    if (parse(argc, argv, &options) != 0)
        return EXIT_USAGE;
    if (options.setup.slots == 0)
        options.setup.slots = usable_slots(options.setup.threads);
    /* OpenBLAS read its environment before main: start over with the right one,
     * which the trials inherit. */
    if (env_prepare())
        execv(trial_program, argv);
    options.setup.labels = options.labels;
    (void)prctl(PR_SET_NAME, "coord-worker"); /* which that made "exe" */
    log_set_level(options.level);
    int rc = crash_read(&crash, getenv("COORD_CRASH"), &err);
    options.setup.crash = &crash;
    if (rc == 0)
        rc = read_key(&options, &err);
    /* What the trials inherit does not even say where the key lies. */
    unsetenv("COORD_KEY");
    if (rc == 0 && daemon_run(&options.setup, &err) == 0)
        return EXIT_OK;
    fprintf(stderr, "coord-worker: %s\n", err.text);
    if (err.code == ERR_REFUSED)
        return EXIT_REFUSED;
    return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], trial_verb) == 0)
        return trial_main(TRIAL_FD_START, TRIAL_FD_RESULT);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return fputs(HELP, stdout) < 0 ? EXIT_FAILED : EXIT_OK;
        if (strcmp(argv[i], "--provenance") == 0)
            return print_provenance(argv);
        if (strcmp(argv[i], "--version") == 0)
            return puts("coord-worker " COORD_VERSION) < 0 ? EXIT_FAILED : EXIT_OK;
    }
    return run_daemon(argc, argv);
}
