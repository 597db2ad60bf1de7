/* coord: one program, one verb per task. */

#include "common/error.h"
#include "common/version.h"
#include "coordinator/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct cli_verb VERBS[] = {
    {"run", "GRID [--workers N] [--data DIR]",
     "run a grid on this machine and show the results", cmd_run},
    {"serve", "[--bind ENDPOINT] [--lease SECONDS] [--beat MS]",
     "coordinate workers until told to stop", cmd_serve},
    {"submit", "GRID [--dry-run] [--wait]",
     "hand a grid to the coordinator, or only say what it comes to", cmd_submit},
    {"status", "[SWEEP] [--watch]", "how far the sweeps are, and what went wrong",
     cmd_status},
    {"jobs", "[SWEEP] [--state STATE] [--kind KIND] [--limit N]", "list jobs", cmd_jobs},
    {"logs", "JOB", "what a job's attempts printed, and how they ended", cmd_logs},
    {"sql", "STATEMENT", "query the database, read-only", cmd_sql},
    {"report", "[SWEEP]", "runs, path metrics and curves of a sweep", cmd_report},
    {"artifact", "list | get JOB STATE -o FILE", "stored states of runs", cmd_artifact},
    {"options", "[PREFIX]", "everything that a grid can say about a run", cmd_options},
    {"worker", "list", "the worker daemons", cmd_worker},
};

enum { VERB_COUNT = sizeof VERBS / sizeof VERBS[0] };

static const char TAIL[] =
    "\n"
    "Options of every verb:\n"
    "  --dir DIR   the state directory, where coord.db is\n"
    "              (default: $COORD_DIR, else ${XDG_STATE_HOME:-~/.local/state}/coord)\n"
    "  --json      print one JSON value\n"
    "  --csv       print rows as CSV\n"
    "  --help, --version\n";

static void print_help(FILE *out)
{
    fputs("usage: coord VERB [ARGUMENTS]\n\n", out);
    for (int i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  %-9s %s\n", VERBS[i].name, VERBS[i].help);
    fputs(TAIL, out);
}

static const struct cli_verb *find_verb(const char *name)
{
    for (int i = 0; i < VERB_COUNT; i++)
        if (strcmp(VERBS[i].name, name) == 0)
            return &VERBS[i];
    return NULL;
}

/* Where state lives when nobody says. */
static int default_dir(struct cli *cli)
{
    const char *dir = getenv("COORD_DIR");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (dir && dir[0])
        return snprintf(cli->dir, sizeof cli->dir, "%s", dir);
    /* The specification says to ignore a relative one. */
    if (state && state[0] == '/')
        return snprintf(cli->dir, sizeof cli->dir, "%s/coord", state);
    if (home && home[0])
        return snprintf(cli->dir, sizeof cli->dir, "%s/.local/state/coord", home);
    return 0;
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
        } else if (strcmp(argv[i], "--help") == 0) {
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

static int set_dir(struct cli *cli, const char *named)
{
    /* Names below the directory need room in buffers of its size. */
    const int length_max = (int)sizeof cli->dir - 128;
    int length =
        named ? snprintf(cli->dir, sizeof cli->dir, "%s", named) : default_dir(cli);

    cli->dir_named = named != NULL;
    if (length > 0 && length <= length_max)
        return 0;
    fprintf(stderr, length > 0 ? "coord: the path of the state directory is too long\n"
                               : "coord: name a state directory: --dir DIR\n");
    return -1;
}

int main(int argc, char **argv)
{
    const char *no_color = getenv("NO_COLOR");
    struct cli cli = {.color = isatty(STDOUT_FILENO) && !(no_color && no_color[0]),
                      .terminal = isatty(STDERR_FILENO)};
    struct globals globals = {0};

    argc = take_globals(argc, argv, &cli, &globals);
    if (globals.version)
        return puts("coord " COORD_VERSION) < 0 ? EXIT_JOB_FAILED : EXIT_OK;
    if (argc < 2) {
        print_help(globals.help ? stdout : stderr);
        return globals.help ? EXIT_OK : EXIT_USAGE;
    }
    const struct cli_verb *verb = find_verb(argv[1]);
    if (!verb) {
        fprintf(stderr, "coord: there is no verb '%s'; see 'coord --help'\n", argv[1]);
        return EXIT_USAGE;
    }
    cli.verb = verb->name;
    cli.args = verb->args;
    if (globals.help) {
        printf("usage: coord %s %s\n\n%s\n%s", verb->name, verb->args, verb->help, TAIL);
        return EXIT_OK;
    }
    if (set_dir(&cli, globals.dir) != 0)
        return EXIT_USAGE;
    int code = verb->run(&cli, argc - 1, argv + 1);
    /* A pipe that is full or gone is an error too. */
    if (fflush(stdout) != 0 && code == EXIT_OK)
        code = EXIT_JOB_FAILED;
    return code;
}
