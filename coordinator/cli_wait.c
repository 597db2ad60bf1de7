/* Waiting for a sweep, with a bar on a terminal and a line now and then
 * elsewhere. It polls the database read-only, so any number of people can watch
 * and none of them costs the coordinator anything. */

#include "coordinator/cli.h"

#include "common/clock.h"
#include "common/error.h"
#include "coordinator/draw.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Often enough for a bar that moves, seldom enough to cost nothing. */
enum { POLL_MS = 200, LINE_MS = 10000, BAR_COLUMNS = 24 };

struct counts {
    int64_t by_state[JOB_STATE_COUNT];
    int64_t total, ended;
};

static int read_counts(struct store *store, int64_t sweep, struct counts *ret,
                       struct error *err)
{
    char id[24];
    const char *args[] = {id};
    struct counts counts = {0};
    enum job_state state;
    int got;

    snprintf(id, sizeof id, "%" PRId64, sweep);
    struct query *query = query_open(
        store,
        "SELECT state, n FROM sweep_count"
        " WHERE sweep = (SELECT name FROM sweep WHERE id = CAST(?1 AS INTEGER))",
        args, 1, err);
    if (!query)
        return -1;
    while ((got = query_next(query, err)) == 1) {
        if (!job_state_parse(query_text(query, 0, NULL), &state))
            continue;
        counts.by_state[state] = query_int(query, 1);
        counts.total += query_int(query, 1);
        counts.ended += job_state_ended(state) ? query_int(query, 1) : 0;
    }
    query_close(&query);
    if (got < 0)
        return -1;
    *ret = counts;
    return 0;
}

/* Jobs that the grid itself wants skipped, where a condition does not hold, or stopped
 * early: there is nothing wrong with those. */
static int read_unwanted(struct store *store, int64_t sweep, int64_t *ret,
                         struct error *err)
{
    char id[24];
    const char *args[] = {id};
    int got;

    snprintf(id, sizeof id, "%" PRId64, sweep);
    struct query *query =
        query_open(store,
                   "SELECT count(*) FROM job WHERE state IN ('skipped', 'stopped')"
                   " AND cause = 'condition'"
                   " AND id IN (SELECT job FROM sweep_job WHERE sweep ="
                   " (SELECT name FROM sweep WHERE id = CAST(?1 AS INTEGER)))",
                   args, 1, err);
    got = query ? query_next(query, err) : -1;
    *ret = got > 0 ? query_int(query, 0) : 0;
    query_close(&query);
    return got < 0 ? -1 : 0;
}

/* "12/24 done, 2 running, 1 failed, about 1m 05s left". The rate is that of the
 * jobs which ended while we watched: those found done say nothing about it. */
static void describe(const struct counts *now, const struct counts *first,
                     double elapsed_s, struct buf *out)
{
    static const enum job_state SHOWN[] = {JOB_RUNNING, JOB_FAILED, JOB_CANCELLED,
                                           JOB_SKIPPED, JOB_STOPPED};
    int64_t finished = now->ended - first->ended;
    int64_t left = now->total - now->ended;
    char text[32];

    buf_printf(out, "%" PRId64 "/%" PRId64 " done", now->by_state[JOB_DONE], now->total);
    for (size_t i = 0; i < sizeof SHOWN / sizeof SHOWN[0]; i++)
        if (now->by_state[SHOWN[i]] > 0)
            buf_printf(out, ", %" PRId64 " %s", now->by_state[SHOWN[i]],
                       job_state_name(SHOWN[i]));
    if (left > 0 && finished > 0)
        buf_printf(out, ", about %s left",
                   clock_duration_text(elapsed_s * (double)left / (double)finished, text,
                                       sizeof text));
}

struct watch {
    const struct cli *cli;
    int64_t start_ms, line_ms;
    int64_t shown; /* jobs ended when the last line was written */
};

static size_t terminal_width(void)
{
    enum { USUAL = 80 };
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                           : USUAL;
}

static void show(struct watch *watch, const struct counts *now,
                 const struct counts *first, bool last)
{
    int64_t now_ms = clock_mono_ms();
    struct buf text = {0}, out = {0};
    bool terminal = watch->cli->terminal;

    if (!terminal && !last && (now_ms < watch->line_ms || now->ended == watch->shown))
        return;
    describe(now, first, (double)(now_ms - watch->start_ms) / 1000, &text);
    const char *line = text.data ? text.data : "";
    if (terminal) {
        buf_puts(&out, "\r\033[K");
        bar_line(&out, now->total ? (double)now->ended / (double)now->total : 1,
                 BAR_COLUMNS, line, terminal_width());
    } else {
        buf_puts(&out, line);
    }
    buf_puts(&out, terminal && !last ? "" : "\n");
    fwrite(out.data, 1, out.size, stderr);
    fflush(stderr);
    buf_free(&text);
    buf_free(&out);
    watch->line_ms = now_ms + LINE_MS;
    watch->shown = now->ended;
}

int cli_wait(struct cli *cli, int64_t sweep, double timeout_s,
             bool (*should_stop)(void *user), void *user)
{
    struct watch watch = {.cli = cli, .start_ms = clock_mono_ms(), .shown = -1};
    struct counts first = {0}, now = {0};
    int64_t unwanted;
    struct error err = {0};
    struct store *store = cli_store(cli, &err);
    int code = EXIT_TIMEOUT;

    if (!store || read_counts(store, sweep, &first, &err) != 0)
        goto fail;
    for (;;) {
        if (read_counts(store, sweep, &now, &err) != 0)
            goto fail;
        bool over = now.ended == now.total;
        bool stop = !over && should_stop && should_stop(user);
        double waited_s = (double)(clock_mono_ms() - watch.start_ms) / 1000;
        bool late = timeout_s > 0 && waited_s >= timeout_s;
        show(&watch, &now, &first, over || stop || late);
        if (over && read_unwanted(store, sweep, &unwanted, &err) != 0)
            goto fail;
        if (over)
            code = now.by_state[JOB_DONE] + unwanted == now.total ? EXIT_OK
                                                                  : EXIT_JOB_FAILED;
        if (stop)
            code = EXIT_JOB_FAILED;
        if (over || stop || late)
            break;
        poll(NULL, 0, POLL_MS);
    }
    store_close(&store);
    return code;

fail:
    store_close(&store);
    return cli_fail(cli, &err);
}
