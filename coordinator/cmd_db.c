/* coord db check, backup, restore, gc: the database as a file, and what lies beside. */

#include "coordinator/cmd_db.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "coordinator/artifact.h"
#include "coordinator/lock.h"

#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct findings {
    size_t count;
};

static void tell(void *user, const char *line)
{
    struct findings *findings = user;

    findings->count++;
    cli_say(stdout, "%s\n", line);
}

/* ---- check ------------------------------------------------------------------- */

static const char ARTIFACTS[] =
    "SELECT a.hash, a.size, coalesce((SELECT 'state ''' || c.name || ''' of job ' || "
    "c.job"
    " FROM checkpoint c WHERE c.hash = a.hash AND c.stored LIMIT 1),"
    " (SELECT 'what job ' || r.job || ' goes on from' FROM resume r"
    "  WHERE r.hash = a.hash LIMIT 1), 'needed by nothing') FROM artifact a";

/* whole: read every byte, too. */
static void check_file(const char *dir, struct query *row, bool whole,
                       struct findings *findings)
{
    const char *hash = query_text(row, 0, NULL), *what = query_text(row, 2, NULL);
    char path[4400], is[HASH_TEXT], line[512];
    uint64_t size;
    struct stat st;

    if (!hash_is_hex(hash, strlen(hash)))
        snprintf(line, sizeof line, "'%.40s' is not an artifact's hash", hash);
    else if (stat(artifact_path(dir, hash, path, sizeof path), &st) != 0)
        snprintf(line, sizeof line, "artifact %s is missing: %.100s", hash, what);
    else if (st.st_size != query_int(row, 1))
        snprintf(line, sizeof line, "artifact %s has %lld bytes, expected %lld: %.100s",
                 hash, (long long)st.st_size, (long long)query_int(row, 1), what);
    else if (whole && hash_file(path, is, &size, NULL) != 0)
        snprintf(line, sizeof line, "artifact %s cannot be read: %.100s", hash, what);
    else if (whole && strcmp(is, hash) != 0)
        snprintf(line, sizeof line, "artifact %s is damaged, its bytes are %s: %.100s",
                 hash, is, what);
    else
        return;
    tell(findings, line);
}

static int check_files(const struct cli *cli, struct store *store, bool whole,
                       struct findings *findings, struct error *err)
{
    char dir[sizeof cli->dir + 16];
    struct query *query = query_open(store, ARTIFACTS, NULL, 0, err);
    int got = -1;

    cli_path(cli, "artifacts", dir, sizeof dir);
    while (query && (got = query_next(query, err)) > 0)
        check_file(dir, query, whole, findings);
    query_close(&query);
    return got;
}

/* A database that cannot be opened is a fault of it; one that is not there is not. */
static struct store *open_checked(const struct cli *cli, const char *file, int *ret_code,
                                  struct error *err)
{
    struct store *store = file ? store_open(file, false, err) : cli_store(cli, err);

    *ret_code = err->code == ERR_NOT_FOUND ? -1 : EXIT_JOB_FAILED;
    if (!store && *ret_code > 0)
        cli_fail(cli, err);
    return store;
}

static int check(struct cli *cli, const struct db_options *options, const char *file,
                 struct error *err)
{
    char path[sizeof cli->dir + 16];
    struct findings findings = {0};
    int code, rc;

    if (options->sql) {
        fputs(store_invariants(), stdout);
        return EXIT_OK;
    }
    struct store *store = open_checked(cli, file, &code, err);
    if (!store)
        return code;
    rc = store_check(store, tell, &findings, err);
    if (rc == 0 && options->artifacts)
        rc = check_files(cli, store, true, &findings, err);
    store_close(&store);
    if (rc != 0)
        return -1;
    if (!file)
        file = cli_path(cli, "coord.db", path, sizeof path);
    if (findings.count == 0)
        cli_say(stderr, "%s is sound\n", file);
    else
        cli_say(stderr,
                "%s: %zu faults; while no coordinator runs, 'coord db restore FILE' puts"
                " a backup in its place\n",
                file, findings.count);
    return findings.count == 0 ? EXIT_OK : EXIT_JOB_FAILED;
}

/* ---- backup ------------------------------------------------------------------- */

/* The copy is opened and looked at before it counts as one. */
static int backup(struct cli *cli, const struct db_options *options, const char *to,
                  struct error *err)
{
    struct store *store, *copy = NULL;
    int64_t jobs = 0;
    int rc = -1, code;

    (void)options;
    store = open_checked(cli, NULL, &code, err);
    if (!store)
        return code;
    store_set_crash(store, cli->crash);
    if (store_backup(store, to, err) == 0 && (copy = store_open(to, false, err)))
        rc = cli_int(copy, "SELECT count(*) FROM job", NULL, &jobs, err);
    store_close(&copy);
    store_close(&store);
    if (rc != 0)
        return -1;
    cli_say(stderr,
            "%s: %lld jobs and their results; stored states are the files in"
            " %s/artifacts, which are copied like any other\n",
            to, (long long)jobs, cli->dir);
    return EXIT_OK;
}

/* ---- restore ------------------------------------------------------------------ */

static void name_aside(const char *path, char *out, size_t size)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    char when[32];
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
    snprintf(out, size, "%s-before-%s", path, when);
}

/* States that were removed since the backup was made. */
static int say_missing(struct cli *cli, struct error *err)
{
    struct findings findings = {0};
    struct store *store = cli_store(cli, err);
    int rc = store ? check_files(cli, store, false, &findings, err) : -1;

    store_close(&store);
    if (findings.count > 0)
        fprintf(stderr,
                "%zu artifacts of it are not here: copy them from where the"
                " backup is from\n",
                findings.count);
    return rc;
}

static int restore(struct cli *cli, const struct db_options *options, const char *from,
                   struct error *err)
{
    char path[sizeof cli->dir + 16], aside[sizeof path + 32], lock[sizeof path];
    struct findings findings = {0};
    bool there;

    (void)options;
    if (cli_make_dir(cli, err) != 0)
        return -1;
    int fd = lock_take(cli_path(cli, "lock", lock, sizeof lock), err);
    if (fd < 0)
        return -1;
    name_aside(cli_path(cli, "coord.db", path, sizeof path), aside, sizeof aside);
    there = access(path, F_OK) == 0;
    const struct store_restoring what = {.backup = from,
                                         .path = path,
                                         .aside = aside,
                                         .tell = tell,
                                         .user = &findings,
                                         .crash = cli->crash};
    int rc = store_restore(&what, err);
    close(fd);
    if (rc != 0)
        return -1;
    cli_say(stderr, "%s is in place, and sound%s%s\n", from,
            there ? "; the database before is " : "", there ? aside : "");
    return say_missing(cli, err) == 0 ? EXIT_OK : -1;
}

/* ---- all ---------------------------------------------------------------------- */

static int gc(struct cli *cli, const struct db_options *options, const char *file,
              struct error *err)
{
    (void)file;
    return db_gc(cli, options, err);
}

static const struct {
    const char *name;
    int words_min, words_max;
    int (*run)(struct cli *cli, const struct db_options *options, const char *file,
               struct error *err);
} TASKS[] = {
    {"check", 0, 1, check},
    {"backup", 1, 1, backup},
    {"restore", 1, 1, restore},
    {"gc", 0, 0, gc},
};

enum { TASK_COUNT = sizeof TASKS / sizeof TASKS[0] };

int cmd_db(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {{"artifacts", no_argument, NULL, 'a'},
                                          {"sql", no_argument, NULL, 'q'},
                                          {"dry-run", no_argument, NULL, 'n'},
                                          {"states", no_argument, NULL, 's'},
                                          {NULL, 0, NULL, 0}};
    struct db_options options = {0};
    struct error err = {0};
    int option, task = 0;

    while ((option = cli_option(cli, argc, argv, "", longs)) != -1) {
        if (option == '?')
            return EXIT_USAGE;
        options.artifacts |= option == 'a';
        options.sql |= option == 'q';
        options.dry_run |= option == 'n';
        options.states |= option == 's';
    }
    const char *name = argc > optind ? argv[optind] : "";
    int words = argc - optind - 1;
    while (task < TASK_COUNT && strcmp(TASKS[task].name, name) != 0)
        task++;
    bool checks = strcmp(name, "check") == 0, collects = strcmp(name, "gc") == 0;
    if (task == TASK_COUNT || words < TASKS[task].words_min ||
        words > TASKS[task].words_max ||
        ((options.artifacts || options.sql) && !checks) ||
        ((options.dry_run || options.states) && !collects))
        return cli_usage(cli,
                         "expected 'check [FILE] [--artifacts] [--sql]', 'backup FILE',"
                         " 'restore FILE' or 'gc [--dry-run] [--states]'");
    int code = TASKS[task].run(cli, &options, words ? argv[optind + 1] : NULL, &err);
    return code < 0 ? cli_fail(cli, &err) : code;
}
