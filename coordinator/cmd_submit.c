/* coord submit: hand a grid to the coordinator of the state directory, or say
 * what it comes to without one. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "coordinator/lock.h"
#include "coordinator/plan_print.h"
#include "coordinator/submit.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static int dry_run(struct cli *cli, const char *file, const struct buf *grid)
{
    struct error err;
    struct plan *plan = plan_from_grid(grid->data, grid->size, file, &err);

    if (!plan)
        return cli_fail(cli, &err);
    plan_print(plan, cli->form, stdout);
    plan_free(&plan);
    return EXIT_OK;
}

static void print_answer(const struct cli *cli, const struct submit_answer *answer)
{
    struct buf name = {0};

    if (cli->form == FORM_JSON) {
        json_put_text(&name, answer->name, strlen(answer->name));
        printf("{\"sweep\": %s, \"id\": %" PRId64 ", \"jobs\": %" PRIu64
               ", \"added\": %" PRIu64 "}\n",
               name.data ? name.data : "\"\"", answer->sweep, answer->jobs,
               answer->added);
    } else {
        cli_say(stderr, "%s: %" PRIu64 " jobs, %" PRIu64 " new\n", answer->name,
                answer->jobs, answer->added);
    }
    buf_free(&name);
}

struct waiting {
    char lock[sizeof((struct cli *)0)->dir];
    bool alone; /* no coordinator runs: said */
};

/* A coordinator that went away may come back and go on, so the wait goes on too;
 * but whoever waits is told what they are waiting for. */
static bool note_absence(void *user)
{
    struct waiting *waiting = user;
    bool alone = lock_holder(waiting->lock) == 0;

    if (alone != waiting->alone)
        fprintf(stderr, "\ncoord submit: %s\n",
                alone ? "the coordinator is gone; waiting for 'coord serve'"
                      : "the coordinator is back");
    waiting->alone = alone;
    return false;
}

static int submit(struct cli *cli, const char *file, const struct buf *grid, bool wait)
{
    struct cli_link link;
    struct submit_answer answer;
    struct error err = {0};

    if (cli_link(cli, &link, &err) != 0) {
        int code = cli_fail(cli, &err);
        return err.code == ERR_NOT_FOUND ? EXIT_UNREACHABLE : code;
    }
    const struct submit_request request = {.endpoint = link.endpoint,
                                           .keys = link.keyed ? &link.keys : NULL,
                                           .file = file,
                                           .grid = grid->data,
                                           .size = grid->size,
                                           .unheard_ms = CLIENT_UNHEARD_MS};
    if (submit_send(&request, &answer, &err) != 0) {
        int code = cli_fail(cli, &err);
        return err.code == ERR_NOT_FOUND ? EXIT_UNREACHABLE : code;
    }
    print_answer(cli, &answer);
    if (!wait)
        return EXIT_OK;
    struct waiting waiting = {.alone = false};
    cli_path(cli, "lock", waiting.lock, sizeof waiting.lock);
    return cli_wait(cli, answer.sweep, 0, note_absence, &waiting);
}

int cmd_submit(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"dry-run", no_argument, NULL, 'n'},
                                            {"wait", no_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    bool dry = false, wait = false;
    struct buf grid = {0};
    struct error err;
    int option, code;

    while ((option = cli_option(cli, argc, argv, "", options)) != -1) {
        if (option == '?')
            return EXIT_USAGE;
        dry = dry || option == 'n';
        wait = wait || option == 'w';
    }
    if (argc - optind != 1)
        return cli_usage(cli, "expected one grid file");
    const char *file = argv[optind];
    if (file_read(file, PROTO_GRID_MAX, &grid, &err) != 0)
        return cli_fail(cli, &err);
    code = dry ? dry_run(cli, file, &grid) : submit(cli, file, &grid, wait);
    buf_free(&grid);
    return code;
}
