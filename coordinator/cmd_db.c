/* coord db check, backup: the database as a file. */

#include "coordinator/cli.h"

#include "common/error.h"

#include <getopt.h>
#include <string.h>

struct findings {
    size_t count;
};

static void tell(void *user, const char *line)
{
    struct findings *findings = user;

    findings->count++;
    cli_say(stdout, "%s\n", line);
}

static int check(struct cli *cli, struct store *store, const char *path)
{
    struct findings findings = {0};
    struct error err = {0};

    if (store_check(store, tell, &findings, &err) != 0)
        return cli_fail(cli, &err);
    if (findings.count == 0)
        fprintf(stderr, "%s is sound\n", path);
    else
        fprintf(stderr,
                "%s: %zu faults; a backup can take its place while no coordinator "
                "runs\n",
                path, findings.count);
    return findings.count == 0 ? EXIT_OK : EXIT_JOB_FAILED;
}

/* The copy is opened and looked at before it counts as one. */
static int backup(struct cli *cli, struct store *store, const char *to)
{
    struct error err = {0};
    int64_t jobs = 0;

    struct store *copy = NULL;
    int rc = store_backup(store, to, &err);
    if (rc == 0) {
        copy = store_open(to, false, &err);
        rc = copy ? cli_int(copy, "SELECT count(*) FROM job", NULL, &jobs, &err) : -1;
        store_close(&copy);
    }
    if (rc != 0)
        return cli_fail(cli, &err);
    fprintf(
        stderr,
        "%s: %lld jobs and their results; stored states are the files in %s/artifacts,"
        " which are copied like any other\n",
        to, (long long)jobs, cli->dir);
    return EXIT_OK;
}

int cmd_db(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{NULL, 0, NULL, 0}};
    char path[sizeof cli->dir + 16];
    struct error err = {0};

    if (cli_option(cli, argc, argv, "", options) != -1)
        return EXIT_USAGE;
    const char *what = argc > optind ? argv[optind] : "";
    bool checks = strcmp(what, "check") == 0 && argc - optind <= 2;
    bool copies = strcmp(what, "backup") == 0 && argc - optind == 2;
    if (!checks && !copies)
        return cli_usage(cli, "expected 'check [FILE]' or 'backup FILE'");
    cli_path(cli, "coord.db", path, sizeof path);
    const char *file = checks && argc - optind == 2 ? argv[optind + 1] : path;
    struct store *store =
        file == path ? cli_store(cli, &err) : store_open(file, false, &err);
    if (!store) {
        int code = cli_fail(cli, &err);
        return err.code == ERR_NOT_FOUND ? code : EXIT_JOB_FAILED;
    }
    int code = checks ? check(cli, store, file) : backup(cli, store, argv[optind + 1]);
    store_close(&store);
    return code;
}
