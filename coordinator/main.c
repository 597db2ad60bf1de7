/* coord: one program, one verb per task. */

#include "common/crash.h"
#include "common/error.h"
#include "common/opts.h"
#include "common/statedir.h"
#include "common/version.h"
#include "coordinator/cli.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS_HELP                                                                        \
    "  JOBS           12, 1-10, 1-10:2, 3,5-8, all, last or a sweep's name\n"            \
    "  --where SQL    only those for which it holds, over the columns of table job:\n"   \
    "                 \"state = 'failed' AND cause = 'oom'\"\n"                          \
    "  --reason TEXT  kept with the jobs and their events\n"

static const struct cli_verb VERBS[] = {
    {"run", "GRID [--workers N] [--data DIR]",
     "run a grid on this machine and show the results",
     "  --workers N  jobs at once, one core each (default: as many as there are cores)\n"
     "  --data DIR   the folder of data sets, DIR/NAME/... (default: $COORD_DATA, else\n"
     "               the system's)\n",
     cmd_run},
    {"serve", "[--bind ENDPOINT] [--lease SECONDS] [--beat MS] [--durability LEVEL]",
     "coordinate workers until told to stop",
     "  --bind ENDPOINT  tcp://HOST:PORT or ipc://PATH (default: tcp://127.0.0.1:7077)\n"
     "  --lease SECONDS  a worker silent for so long loses its jobs (default: 6)\n"
     "  --beat MS        how often workers report (default: 2000)\n"
     "  --durability LEVEL  what an acknowledgement survives: normal: the end of any\n"
     "                      process; full: a power cut too (default: normal)\n"
     "  --log-size MB    of the write-ahead log, before it is copied into the database\n"
     "                   (default: 16)\n",
     cmd_serve},
    {"submit", "GRID [--dry-run [--jobs]] [--prune] [--wait]",
     "hand a grid to the coordinator, or only say what it comes to",
     "  --dry-run  print what the grid comes to, what of it is there and what is left\n"
     "             costs, and submit nothing\n"
     "  --jobs     with --dry-run: every job too (--csv and --json always list them)\n"
     "  --prune    cancel jobs of the sweep that the grid no longer asks for\n"
     "  --force    run its jobs again that have ended; their results are made anew\n"
     "  --wait     until every job of the sweep has ended\n",
     cmd_submit},
    {"status", "[SWEEP] [--watch]", "how far the sweeps are, and what went wrong",
     "  --watch  again every second, until interrupted\n", cmd_status},
    {"jobs", "[SWEEP] [--state STATE] [--kind KIND] [--limit N]",
     "list the jobs of a sweep",
     "  SWEEP          name or number; \"last\" or none: the one submitted last\n"
     "  --state STATE  waiting, ready, running, done, failed, cancelled, skipped or\n"
     "                 stopped\n"
     "  --kind KIND    train, probe or derive\n"
     "  --limit N      at most N rows; 0: all (default: 100)\n",
     cmd_jobs},
    {"logs", "JOB [--attempt N] [-f]",
     "what a job's attempts printed, and how they ended",
     "  JOB           its number, or 4 or more digits of its key\n"
     "  --attempt N   from 1 (default: the last)\n"
     "  -f, --follow  the output of every attempt as it comes, until the job has ended\n",
     cmd_logs},
    {"sql", "STATEMENT", "query the database, read-only",
     "  STATEMENT  one statement; - reads it from stdin. Views: runs, params, history,\n"
     "             curves, class_curves, planes, paths, summary, trajectory, progress,\n"
     "             failures, workers, troubles, and for each sweep runs_SWEEP with a "
     "column for\n"
     "             every parameter that varies\n",
     cmd_sql},
    {"report", "[SWEEP] [--markdown] [--table NAME]",
     "what a sweep found: runs, paths, curves, and what they come to",
     "  --markdown    as Markdown\n"
     "  --table NAME  one table: runs (the one that --csv and --json print), paths,\n"
     "                interventions, differences or correlations\n",
     cmd_report},
    {"artifact", "list [SWEEP] | get JOB STATE -o FILE | put FILE",
     "stored states of runs, losses that a probe kept; files for runs to start from",
     "  STATE     final, epoch:3, ...; 'examples': the losses that a probe kept\n"
     "  -o FILE   where to write it, as safetensors; weights have PyTorch's names\n"
     "  put FILE  take a file of weights, and say what init.from calls it\n",
     cmd_artifact},
    {"options", "[PREFIX]", "everything that a grid can say about a run",
     "  PREFIX  of the options' names, such as train or optimizer.lr\n", cmd_options},
    {"explain", "JOB", "why a job is in the state that it is in, and what can be done",
     "  JOB  its number, or 4 or more digits of its key\n", cmd_explain},
    {"events", "[SWEEP] [--job JOB] [--limit N] [-f]",
     "what happened, as it was committed",
     "  --job JOB     of one job\n"
     "  --limit N     the last N; 0: all (default: 100)\n"
     "  -f, --follow  go on as more happens; with --json an object a line\n",
     cmd_events},
    {"cancel", "JOBS [--where SQL] [--reason TEXT]",
     "end jobs; those that run are stopped", JOBS_HELP, cmd_cancel},
    {"retry", "JOBS [--where SQL] [--reason TEXT] [--force]",
     "run failed or cancelled jobs again, and what was skipped because of them",
     "  Runs that were stopped early go on, to their end, where JOBS are numbers or\n"
     "  --where picks them.\n"
     "  --force  jobs that are done, too: their results are made anew\n" JOBS_HELP,
     cmd_retry},
    {"pause", "SWEEP [--reason TEXT]",
     "hand out no more jobs of a sweep; what runs goes on", NULL, cmd_pause},
    {"resume", "SWEEP [--reason TEXT]", "hand them out again", NULL, cmd_resume},
    {"set", "JOBS --priority N [--where SQL] | SWEEP --max-running N",
     "change the order of jobs, or how many of a sweep run at once",
     "  --priority N     from -1000000000 to 1000000000, higher goes first (new jobs: "
     "0)\n"
     "  --max-running N  0: no limit\n" JOBS_HELP,
     cmd_set},
    {"worker", "list | drain NAME | stop NAME | resume NAME",
     "the worker daemons; let one finish and leave, or leave at once",
     "  NAME    its number, or its host: all daemons there\n"
     "  resume  end its quarantine: it had failed jobs that succeed elsewhere\n",
     cmd_worker},
    {"db",
     "check [FILE] [--artifacts] [--sql] | backup FILE | restore FILE |"
     " gc [--dry-run] [--states]",
     "whether the database is sound; copies of it; what can be removed",
     "  check        what SQLite finds, and the rules that results obey\n"
     "  --artifacts  check: the files of states too, every byte of them\n"
     "  --sql        check: print the rules, for 'coord sql -'\n"
     "  backup       as of one moment, also while a coordinator writes\n"
     "  restore      put a sound backup in the place of the database, which keeps "
     "another\n"
     "               name; while no coordinator runs\n"
     "  gc           remove states that no result needs; while no coordinator runs\n"
     "  --dry-run    gc: only list them\n"
     "  --states     gc: states of finished runs that no job waits for, too; probes "
     "that\n"
     "               ask for them later are skipped, and say so\n",
     cmd_db},
    {"keygen", "[--worker NAME | --client NAME | --revoke NAME]",
     "make keys, list who may connect over tcp, shut somebody out",
     "  --worker NAME  make a key file for a worker; its path goes to stdout\n"
     "  --client NAME  make one for somebody who submits\n"
     "  --revoke NAME  take a key off the list; a running coordinator obeys at once\n",
     cmd_keygen},
    {"doctor", "", "what is wrong with a set-up, and what to do", NULL, cmd_doctor},
};

enum { VERB_COUNT = sizeof VERBS / sizeof VERBS[0] };

static const char TAIL[] =
    "\n"
    "Options of every verb:\n"
    "  --dir DIR   the state directory, where coord.db is\n"
    "              (default: $COORD_DIR, else ${XDG_STATE_HOME:-~/.local/state}/coord)\n"
    "  --json      print one JSON value\n"
    "  --csv       print rows as CSV\n"
    "  --help, --version\n"
    "\n"
    "Exit codes: 0 ok, 1 a job failed or nothing could be written, 2 usage or bad grid,\n"
    "3 no coordinator, 4 refused, 5 timeout, 130 interrupted.\n";

static void print_help(FILE *out)
{
    fputs("usage: coord VERB [ARGUMENTS]\n\n", out);
    for (int i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  %-9s %s\n", VERBS[i].name, VERBS[i].help);
    fputs(TAIL, out);
}

static void print_verb_help(const struct cli_verb *verb)
{
    printf("usage: coord %s %s\n\n%s\n", verb->name, verb->args, verb->help);
    if (verb->more)
        printf("\n%s", verb->more);
    fputs(TAIL, stdout);
}

static const struct cli_verb *find_verb(const char *name)
{
    for (int i = 0; i < VERB_COUNT; i++)
        if (strcmp(VERBS[i].name, name) == 0)
            return &VERBS[i];
    return NULL;
}

static int no_verb(const char *name)
{
    const char *names[VERB_COUNT + 1] = {NULL};
    const char *nearest;

    for (int i = 0; i < VERB_COUNT; i++)
        names[i] = VERBS[i].name;
    nearest = name_nearest(name, names);
    fprintf(stderr, "coord: there is no %s '%s'%s%s%s; see 'coord --help'\n",
            name[0] == '-' ? "option" : "verb", name, nearest ? " (did you mean '" : "",
            nearest ? nearest : "", nearest ? "'?)" : "");
    return EXIT_USAGE;
}

struct globals {
    const char *dir;
    bool help, version;
};

/* Take the options of every verb out of argv, wherever they stand; returns the
 * new count. "--" ends them. */
static int take_globals(int argc, char **argv, struct cli *cli, struct globals *globals)
{
    int kept = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[kept++] = argv[i++];
        } else if (strcmp(argv[i], "--json") == 0) {
            cli->form = FORM_JSON;
        } else if (strcmp(argv[i], "--csv") == 0) {
            cli->form = FORM_CSV;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            globals->help = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            globals->version = true;
        } else if (strncmp(argv[i], "--dir=", 6) == 0) {
            globals->dir = argv[i] + 6;
        } else if (strcmp(argv[i], "--dir") == 0) {
            globals->dir = i + 1 < argc ? argv[++i] : "";
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

/* Bytes of the directory's absolute path. */
static size_t dir_size(const char *dir)
{
    char here[PATH_MAX];

    if (dir[0] == '/' || !getcwd(here, sizeof here))
        return strlen(dir);
    return strlen(here) + 1 + strlen(dir);
}

static int set_dir(struct cli *cli, const char *named)
{
    /* SQLite opens no path of more than 512 bytes, "/coord.db-journal" included. */
    const size_t size_max = 480;
    int length = named ? snprintf(cli->dir, sizeof cli->dir, "%s", named)
                       : statedir_default(cli->dir, sizeof cli->dir);

    cli->dir_named = named != NULL;
    if (length <= 0) {
        fprintf(stderr, "coord: name a state directory: --dir DIR\n");
        return -1;
    }
    if ((size_t)length < sizeof cli->dir && dir_size(cli->dir) <= size_max)
        return 0;
    fprintf(stderr,
            "coord: the path of the state directory is too long: expected at most %zu"
            " bytes\n",
            size_max);
    return -1;
}

static int run_verb(struct cli *cli, const struct globals *globals, int argc, char **argv)
{
    bool asked_help = argc > 1 && strcmp(argv[1], "help") == 0;

    if (asked_help) { /* "help VERB" is "VERB --help" */
        argc--;
        argv++;
    }
    if (argc < 2) {
        bool help = asked_help || globals->help;
        print_help(help ? stdout : stderr);
        return help ? EXIT_OK : EXIT_USAGE;
    }
    const struct cli_verb *verb = find_verb(argv[1]);
    if (!verb)
        return no_verb(argv[1]);
    cli->verb = verb->name;
    cli->args = verb->args;
    if (asked_help || globals->help) {
        print_verb_help(verb);
        return EXIT_OK;
    }
    if (set_dir(cli, globals->dir) != 0)
        return EXIT_USAGE;
    return verb->run(cli, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    const char *no_color = getenv("NO_COLOR");
    struct cli cli = {.color = isatty(STDOUT_FILENO) && !(no_color && no_color[0]),
                      .terminal = isatty(STDERR_FILENO)};
    struct globals globals = {0};
    struct crash crash;
    struct error err;
    int code = EXIT_OK;

    if (crash_read(&crash, getenv("COORD_CRASH"), &err) != 0) {
        fprintf(stderr, "coord: %s\n", err.text);
        return EXIT_USAGE;
    }
    cli.crash = &crash;
    argc = take_globals(argc, argv, &cli, &globals);
    if (globals.version)
        puts("coord " COORD_VERSION);
    else
        code = run_verb(&cli, &globals, argc, argv);
    /* A disk that is full is an error too. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_OK) {
        fprintf(stderr, "coord: cannot write to stdout\n");
        code = EXIT_JOB_FAILED;
    }
    return code;
}
