#ifndef COORD_CLI_H
#define COORD_CLI_H

/* What every verb of `coord` shares: the state directory, the output form, exit
 * codes, and rows printed as a table, CSV or JSON. One table of verbs in main.c;
 * one cmd_*.c per verb (or small family).
 *
 * People read stderr and tables; pipes read stdout.
 */

#include "common/buf.h"
#include "coordinator/store.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <stdio.h>

struct crash;
struct error;
struct sheet;
struct option; /* of <getopt.h> */

enum exit_code {
    EXIT_OK = 0,
    EXIT_JOB_FAILED = 1,  /* a job that was waited for failed; also any I/O error */
    EXIT_USAGE = 2,       /* usage or bad grid */
    EXIT_UNREACHABLE = 3, /* no coordinator */
    EXIT_REFUSED = 4,     /* key or version */
    EXIT_TIMEOUT = 5,
};

enum { CLI_NAME_MAX = 128 }; /* bytes of a sweep's name, NUL included */

enum cli_form {
    FORM_TABLE,
    FORM_CSV,
    FORM_JSON,
    FORM_MARKDOWN, /* of a report */
};

struct cli {
    char dir[4096];     /* --dir, $COORD_DIR, or the XDG state directory */
    enum cli_form form; /* --json, --csv */
    bool color;         /* stdout is a terminal and NO_COLOR is not set */
    bool terminal;      /* stderr is a terminal: progress bars may move */
    bool dir_named;     /* by --dir: hints must repeat it */
    bool brief;         /* tables leave out columns that have nothing */
    const char *verb;
    const char *args;    /* of the verb, for its usage line */
    struct crash *crash; /* where tests have it die */
};

struct cli_verb {
    const char *name;
    const char *args;                                   /* "GRID [--workers N]" */
    const char *help;                                   /* one line */
    const char *more;                                   /* options, one a line; or NULL */
    int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the verb;
                           returns an exit code */
};

/* One verb each. */
int cmd_serve(struct cli *cli, int argc, char **argv);
int cmd_submit(struct cli *cli, int argc, char **argv);
int cmd_run(struct cli *cli, int argc, char **argv);
int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_jobs(struct cli *cli, int argc, char **argv);
int cmd_logs(struct cli *cli, int argc, char **argv);
int cmd_sql(struct cli *cli, int argc, char **argv);
int cmd_report(struct cli *cli, int argc, char **argv);
int cmd_artifact(struct cli *cli, int argc, char **argv);
int cmd_options(struct cli *cli, int argc, char **argv);
int cmd_worker(struct cli *cli, int argc, char **argv);
int cmd_cancel(struct cli *cli, int argc, char **argv);
int cmd_retry(struct cli *cli, int argc, char **argv);
int cmd_pause(struct cli *cli, int argc, char **argv);
int cmd_resume(struct cli *cli, int argc, char **argv);
int cmd_set(struct cli *cli, int argc, char **argv);
int cmd_explain(struct cli *cli, int argc, char **argv);
int cmd_events(struct cli *cli, int argc, char **argv);
int cmd_db(struct cli *cli, int argc, char **argv);
int cmd_keygen(struct cli *cli, int argc, char **argv);
int cmd_doctor(struct cli *cli, int argc, char **argv);

/* DIR/NAME into out; returns out. Cut names are a bug (DIR is bounded). */
char *cli_path(const struct cli *cli, const char *name, char *out, size_t size);

/* Append text as a word of a shell's command line, quoted where it must be. */
void cli_quote(const char *text, struct buf *out);

/* "--dir DIR " for a command that is suggested, or "" where it finds DIR itself. */
void cli_dir_option(const struct cli *cli, struct buf *out);

/* Create the state directory and what leads to it. ERR_IO. */
int cli_make_dir(const struct cli *cli, struct error *err);

/* An integer option's value, from min to max. ERR_INVALID names the option. */
int cli_integer(const char *option, const char *text, int64_t min, int64_t max,
                int64_t *ret, struct error *err);

/* getopt_long for verbs: the next option's letter, or -1 after the last. '?' when
 * one is unknown or lacks its value, which has been said, with the nearest name. */
int cli_option(const struct cli *cli, int argc, char **argv, const char *letters,
               const struct option *longs);

/* For everything that quotes a grid, a worker, a trial or another person: what a
 * terminal would obey becomes blanks (common/mask.h), line breaks and tabs stay.
 * cli_write does so in place. */
void cli_say(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_write(FILE *out, char *text, size_t size);

/* Print "coord VERB: sentence" to stderr and return the exit code that belongs
 * to the error (ERR_INVALID -> usage, ...). */
int cli_fail(const struct cli *cli, const struct error *err);

/* Print "coord VERB: ..." and the verb's usage line; returns EXIT_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Open DIR/coord.db read-only. NULL with err. */
struct store *cli_store(const struct cli *cli, struct error *err);

/* How to reach the coordinator of the state directory. */
struct cli_link {
    char endpoint[WIRE_ENDPOINT_MAX];
    struct wire_keys keys;
    bool keyed; /* over tcp */
};

/* From DIR/endpoint, and $COORD_KEY or DIR/keys/client.key. ERR_NOT_FOUND when no
 * coordinator serves the directory, else as keyfile_read. */
int cli_link(const struct cli *cli, struct cli_link *ret, struct error *err);

/* Whether the coordinator answers, and what it says of itself: take gets its PONG. It
 * is given up when nothing is heard of it for so long. Errors as client_ask. */
int cli_ping(const struct cli_link *link, int64_t unheard_ms,
             int (*take)(void *user, const struct msg *msg, struct error *err),
             void *user, struct error *err);

/* Ask the coordinator of the state directory for a change; version and request are
 * filled in. Errors as client_ask and cli_link. */
int cli_control(const struct cli *cli, const struct msg_control *control,
                struct msg_controlled *ret, struct error *err);

/* The sweep that an argument means: its name, its id, or "last" (also NULL): the
 * one submitted last. ERR_NOT_FOUND, with the names there are. */
int cli_sweep(struct store *store, const char *text, int64_t *ret_id,
              char ret_name[CLI_NAME_MAX], struct error *err);

/* The job that an argument means: its id, or at least 4 digits of its key.
 * ERR_NOT_FOUND; ERR_INVALID when several keys begin so. */
int cli_job(struct store *store, const char *text, int64_t *ret_id, struct error *err);

/* One statement's first value as an integer. ERR_NOT_FOUND when it has no row. */
int cli_int(struct store *store, const char *sql, const char *arg, int64_t *ret,
            struct error *err);

/* Run one statement and print its rows; args as query_open. */
int cli_print_sql(const struct cli *cli, struct store *store, const char *sql,
                  const char *const *args, size_t arg_count, size_t *ret_rows,
                  struct error *err);

/* Print all rows of a query in cli->form to stdout: an aligned table with a
 * header (numbers to the right, reals with 4 significant digits, NULL as "-"),
 * CSV (RFC 4180, full digits), or one JSON list of objects. *ret_rows may be
 * NULL. */
int cli_print(const struct cli *cli, struct query *query, size_t *ret_rows,
              struct error *err);

/* The same for rows that were computed. */
int cli_print_sheet(const struct cli *cli, const struct sheet *sheet, struct error *err);

/* What went wrong in a sweep (NULL: in all), as a table with `heading` on a line
 * before it; nothing where nothing did. */
int cli_failures(const struct cli *cli, struct store *store, const char *sweep,
                 const char *heading, struct error *err);

/* Wait for every job of a sweep to end, showing a progress bar with ETA on a
 * terminal, or a line now and then elsewhere. Polls the database read-only;
 * should_stop (may be NULL) ends the wait early (interrupt, a child died).
 * Returns EXIT_OK, EXIT_JOB_FAILED, or EXIT_TIMEOUT (timeout_s > 0). */
int cli_wait(struct cli *cli, int64_t sweep, double timeout_s,
             bool (*should_stop)(void *user), void *user);

/* The result tables of a sweep on stdout, as `coord report` prints them: runs, path
 * metrics, a picture of each curve, what it comes to. */
int cli_report(struct cli *cli, const char *sweep, struct error *err);

#endif
