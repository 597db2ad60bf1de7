/* coord worker list: the daemons and what they have in hand. */

#include "coordinator/cli.h"

#include "common/error.h"

#include <getopt.h>
#include <string.h>

static const char WORKERS[] =
    "SELECT v.id, v.host, v.pid, v.state, v.slots, v.running, v.done, v.failed,"
    " json_extract(w.provenance, '$.cpu') AS cpu,"
    " json_extract(w.provenance, '$.blas') AS blas,"
    " datetime(v.seen_ms / 1000, 'unixepoch') AS seen_utc"
    " FROM workers v JOIN worker w USING (id) ORDER BY v.id";

int cmd_worker(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{NULL, 0, NULL, 0}};
    struct error err = {0};

    if (cli_option(cli, argc, argv, "", options) != -1)
        return EXIT_USAGE;
    if (argc - optind != 1 || strcmp(argv[optind], "list") != 0)
        return cli_usage(cli, "expected 'list'");
    struct store *store = cli_store(cli, &err);
    int rc = store ? cli_print_sql(cli, store, WORKERS, NULL, 0, NULL, &err) : -1;
    store_close(&store);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
