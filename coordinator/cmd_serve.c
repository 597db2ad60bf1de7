/* coord serve: the coordinator in the foreground. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "coordinator/serve.h"

#include <getopt.h>
#include <string.h>

/* Loopback: nobody is authenticated, so nobody else is let in unasked. */
static const char BIND[] = "tcp://127.0.0.1:7077";

enum {
    LEASE_MAX_S = 24 * 3600,
    BEAT_MIN_MS = 50, /* below, beats are the load */
    BEAT_MAX_MS = 600 * 1000,
    LOG_MAX_MB = 1 << 20,
};

/* A worker must be able to miss a beat without losing its jobs. */
static int check_times(int64_t lease_ms, int64_t beat_ms, struct error *err)
{
    if (lease_ms >= 2 * beat_ms)
        return 0;
    return err_set(err, ERR_INVALID,
                   "a lease of %lld ms is too short for a beat of %lld ms: expected "
                   "two beats or more",
                   (long long)lease_ms, (long long)beat_ms);
}

static int read_durability(const char *text, bool *ret_full, struct error *err)
{
    *ret_full = strcmp(text, "full") == 0;
    if (*ret_full || strcmp(text, "normal") == 0)
        return 0;
    return err_set(err, ERR_INVALID, "--durability: expected normal or full, got '%s'",
                   text);
}

int cmd_serve(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"bind", required_argument, NULL, 'b'},
                                            {"lease", required_argument, NULL, 'l'},
                                            {"beat", required_argument, NULL, 't'},
                                            {"durability", required_argument, NULL, 'd'},
                                            {"log-size", required_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    struct serve_setup setup = {.dir = cli->dir, .bind = BIND, .crash = cli->crash};
    int64_t lease_s = SERVE_LEASE_MS / 1000, beat_ms = SERVE_BEAT_MS;
    int64_t log_mb = SERVE_LOG_MB;
    struct error err = {0};
    int option, rc = 0;

    while (rc == 0 && (option = cli_option(cli, argc, argv, "", options)) != -1) {
        if (option == 'b')
            setup.bind = optarg;
        else if (option == 'l')
            rc = cli_integer("--lease", optarg, 1, LEASE_MAX_S, &lease_s, &err);
        else if (option == 't')
            rc = cli_integer("--beat", optarg, BEAT_MIN_MS, BEAT_MAX_MS, &beat_ms, &err);
        else if (option == 'd')
            rc = read_durability(optarg, &setup.full, &err);
        else if (option == 'w')
            rc = cli_integer("--log-size", optarg, 0, LOG_MAX_MB, &log_mb, &err);
        else
            return EXIT_USAGE;
    }
    if (rc == 0 && optind < argc)
        return cli_usage(cli, "unexpected '%s'", argv[optind]);
    if (rc != 0 || check_times(lease_s * 1000, beat_ms, &err) != 0 ||
        cli_make_dir(cli, &err) != 0)
        return cli_fail(cli, &err);
    setup.lease_ms = (uint32_t)(lease_s * 1000);
    setup.beat_ms = (uint32_t)beat_ms;
    setup.log_size_max = log_mb << 20;
    return serve_run(&setup, &err) == 0 ? EXIT_OK : cli_fail(cli, &err);
}
