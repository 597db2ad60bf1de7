/* coord submit: hand a grid to the coordinator of the state directory, or say
 * what it comes to without one. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "coordinator/changes.h"
#include "coordinator/grid.h"
#include "coordinator/lock.h"
#include "coordinator/plan_print.h"
#include "coordinator/submit.h"
#include "proto/limits.h"
#include "proto/wire.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

struct wishes {
    bool dry, jobs, wait, prune, force;
};

/* What a plan changes; false where there is no database here to compare with. */
static bool find_changes(const struct cli *cli, const struct plan *plan,
                         struct changes *ret)
{
    struct store *store = cli_store(cli, NULL);
    bool found = store && changes_find(store, plan, true, ret, NULL) == 0;

    store_close(&store);
    return found;
}

static void say_changes(const char *name, const struct changes *changes, bool hint)
{
    struct buf text = {0};

    changes_put(changes, &text);
    cli_say(stderr, "%s: %s\n", name, text.data ? text.data : "");
    if (hint && changes->unwanted_jobs > 0)
        cli_say(stderr, "coord submit --prune cancels what is no longer in the grid\n");
    buf_free(&text);
}

static void say_cost(const char *name, const struct changes *changes)
{
    struct buf text = {0};

    changes_put_cost(changes, &text);
    cli_say(stderr, "%s: %s\n", name, text.data ? text.data : "");
    buf_free(&text);
}

static int dry_run(struct cli *cli, const char *file, const struct buf *grid,
                   const struct wishes *wishes)
{
    struct changes changes;
    struct error err;
    struct plan *plan = plan_from_grid(grid->data, grid->size, file, &err);

    if (!plan)
        return cli_fail(cli, &err);
    plan_print(plan, cli->form, wishes->jobs, stdout);
    if (find_changes(cli, plan, &changes)) {
        fflush(stdout);
        if (wishes->force)
            changes.left += changes.ended;
        say_changes(plan->name, &changes, true);
        say_cost(plan->name, &changes);
        changes_free(&changes);
    }
    plan_free(&plan);
    return EXIT_OK;
}

/* Cancel what no sweep asks for any more; what is done stays. */
static int prune(struct cli *cli, const struct changes *changes)
{
    const struct msg_control control = {.verb = CONTROL_CANCEL,
                                        .reason = slice_of("no longer in the grid"),
                                        .jobs = changes->unwanted,
                                        .job_count = (uint32_t)changes->unwanted_count};
    struct msg_controlled did;
    struct error err = {0};

    if (changes->unwanted_count == 0)
        return EXIT_OK;
    if (changes->unwanted_count > PROTO_RANGES_MAX)
        return cli_usage(cli, "more than %d ranges of jobs to cancel: coord cancel does",
                         PROTO_RANGES_MAX);
    if (cli_control(cli, &control, &did, &err) != 0) {
        int code = cli_fail(cli, &err);
        return err.code == ERR_NOT_FOUND ? EXIT_UNREACHABLE : code;
    }
    /* What needs a run that is cancelled is skipped, and had no need of it. */
    cli_say(stderr, "cancelled %" PRIu64 " job%s", did.changed,
            did.changed == 1 ? "" : "s");
    if (did.unchanged > 0)
        cli_say(stderr, ", %" PRIu64 " skipped with them", did.unchanged);
    cli_say(stderr, "\n");
    return EXIT_OK;
}

/* What an edited grid changes of its sweep, before it is submitted. A grid that cannot be
 * read is the coordinator's to refuse. */
static void read_edit(struct cli *cli, const char *file, const struct buf *text,
                      struct changes *ret)
{
    struct grid *grid = grid_parse(text->data, text->size, file, NULL);
    struct store *store = grid ? cli_store(cli, NULL) : NULL;

    *ret = (struct changes){0};
    if (store && changes_guess(store, grid->name, (struct slice){text->data, text->size},
                               ret, NULL) == 0) {
        struct plan *plan = plan_from_grid(text->data, text->size, file, NULL);
        *ret = (struct changes){0};
        if (plan)
            (void)changes_find(store, plan, false, ret, NULL);
        plan_free(&plan);
    }
    store_close(&store);
    grid_free(&grid);
}

static void print_answer(const struct cli *cli, const struct submit_answer *answer)
{
    struct buf name = {0};

    if (cli->form == FORM_JSON) {
        json_put_text(&name, answer->name, strlen(answer->name));
        printf("{\"sweep\": %s, \"id\": %" PRId64 ", \"jobs\": %" PRIu64
               ", \"added\": %" PRIu64 ", \"rerun\": %" PRIu64 "}\n",
               name.data ? name.data : "\"\"", answer->sweep, answer->jobs, answer->added,
               answer->rerun);
    } else {
        cli_say(stderr, "%s: %" PRIu64 " jobs, %" PRIu64 " new", answer->name,
                answer->jobs, answer->added);
        if (answer->rerun > 0)
            cli_say(stderr, ", %" PRIu64 " run again", answer->rerun);
        cli_say(stderr, "\n");
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

static int submit(struct cli *cli, const char *file, const struct buf *grid,
                  const struct wishes *wishes, const struct changes *changes)
{
    struct cli_link link;
    struct submit_answer answer;
    struct error err = {0};
    int code = EXIT_OK;

    if (cli_link(cli, &link, &err) != 0) {
        code = cli_fail(cli, &err);
        return err.code == ERR_NOT_FOUND ? EXIT_UNREACHABLE : code;
    }
    const struct submit_request request = {.endpoint = link.endpoint,
                                           .keys = link.keyed ? &link.keys : NULL,
                                           .file = file,
                                           .grid = grid->data,
                                           .size = grid->size,
                                           .force = wishes->force,
                                           .unheard_ms = CLIENT_UNHEARD_MS};
    if (submit_send(&request, &answer, &err) != 0) {
        code = cli_fail(cli, &err);
        return err.code == ERR_NOT_FOUND ? EXIT_UNREACHABLE : code;
    }
    print_answer(cli, &answer);
    if (changes->sweep_known && changes->added == answer.added && answer.rerun == 0 &&
        cli->form != FORM_JSON)
        say_changes(answer.name, changes, !wishes->prune);
    if (wishes->prune)
        code = prune(cli, changes);
    if (!wishes->wait || code != EXIT_OK)
        return code;
    struct waiting waiting = {.alone = false};
    cli_path(cli, "lock", waiting.lock, sizeof waiting.lock);
    return cli_wait(cli, answer.sweep, 0, note_absence, &waiting);
}

int cmd_submit(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        {"dry-run", no_argument, NULL, 'n'}, {"jobs", no_argument, NULL, 'j'},
        {"prune", no_argument, NULL, 'p'},   {"force", no_argument, NULL, 'f'},
        {"wait", no_argument, NULL, 'w'},    {NULL, 0, NULL, 0}};
    struct wishes wishes = {.dry = false};
    struct changes changes;
    struct buf grid = {0};
    struct error err;
    int option, code;

    while ((option = cli_option(cli, argc, argv, "", options)) != -1) {
        if (option == '?')
            return EXIT_USAGE;
        wishes.dry = wishes.dry || option == 'n';
        wishes.jobs = wishes.jobs || option == 'j';
        wishes.prune = wishes.prune || option == 'p';
        wishes.force = wishes.force || option == 'f';
        wishes.wait = wishes.wait || option == 'w';
    }
    if (argc - optind != 1)
        return cli_usage(cli, "expected one grid file");
    if (wishes.jobs && !wishes.dry)
        return cli_usage(cli, "--jobs goes with --dry-run; coord jobs lists a sweep's");
    const char *file = argv[optind];
    if (file_read(file, PROTO_GRID_MAX, &grid, &err) != 0)
        return cli_fail(cli, &err);
    if (wishes.dry)
        code = dry_run(cli, file, &grid, &wishes);
    else {
        read_edit(cli, file, &grid, &changes);
        code = submit(cli, file, &grid, &wishes, &changes);
        changes_free(&changes);
    }
    buf_free(&grid);
    return code;
}
