#include "coordinator/plan_print.h"

#include "common/json.h"
#include "coordinator/plan.h"
#include "coordinator/print.h"

#include <string.h>

/* ---- lines ------------------------------------------------------------------- */

/* The first columns are the table's, where a prefix of the key is enough to tell
 * jobs apart and to name one. */
static const char *const COLUMNS[] = {
    "number", "kind", "key",   "intervention", "seed",      "probe",
    "params", "role", "needs", "curve_rows",   "path_rows", "plane_rows",
};

enum { COLUMN_COUNT = sizeof COLUMNS / sizeof COLUMNS[0], TABLE_COLUMNS = 7 };
enum { KEY = 2, KEY_PREFIX = 12 };

static struct cell cell_int(uint64_t number)
{
    return (struct cell){.type = CELL_INT, .integer = (int64_t)number};
}

static struct cell cell_text(const char *text)
{
    return (struct cell){.type = CELL_TEXT, .text = text, .text_size = strlen(text)};
}

static struct cell cell_buf(const struct buf *buf)
{
    return cell_text(buf->data ? buf->data : "");
}

/* "init of 1, final of 1" */
static void put_needs(const struct plan_job *job, struct buf *out)
{
    for (size_t i = 0; i < job->need_count; i++)
        buf_printf(out, "%s%s of %zu", i ? ", " : "", job->needs[i].state,
                   job->needs[i].job + 1);
}

/* What is done with each line: its cells borrow from the plan for the call. */
typedef void (*visit_fn)(void *user, struct cell *cells);

static void each_line(const struct plan *plan, visit_fn visit, void *user)
{
    struct buf params = {0}, needs = {0};

    for (size_t i = 0; i < plan->job_count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        buf_clear(&needs);
        put_needs(job, &needs);
        for (size_t m = 0; m < job->member_count; m++) {
            const struct plan_member *member = &job->members[m];
            buf_clear(&params);
            plan_put_params(member, &params);
            struct cell cells[COLUMN_COUNT] = {
                cell_int(i + 1),
                cell_text(job_kind_name(job->spec.kind)),
                cell_text(job->key),
                cell_text(member->intervention),
                cell_int((uint64_t)member->seed),
                cell_text(member->probe),
                cell_buf(&params),
                cell_text(member->role),
                cell_buf(&needs),
                cell_int(job->curve_rows),
                cell_int(job->path_rows),
                cell_int(job->plane_rows),
            };
            visit(user, cells);
        }
    }
    buf_free(&params);
    buf_free(&needs);
}

/* ---- forms ------------------------------------------------------------------- */

static void add_to_table(void *user, struct cell *cells)
{
    cells[KEY].text_size = KEY_PREFIX;
    for (size_t i = 0; i < TABLE_COLUMNS; i++)
        if (cells[i].type == CELL_TEXT && cells[i].text_size == 0)
            cells[i].type = CELL_NONE;
    table_add(user, cells);
}

static void put_counts(const struct plan *plan, struct buf *out)
{
    struct plan_counts counts = plan_count(plan);

    buf_printf(out, "%s: runs %zu, probes %zu, curve rows %s%llu, path rows %llu,",
               plan->name, counts.runs, counts.probes, counts.at_most ? "at most " : "",
               (unsigned long long)counts.curve_rows,
               (unsigned long long)counts.path_rows);
    if (counts.plane_rows > 0)
        buf_printf(out, " plane rows %llu,", (unsigned long long)counts.plane_rows);
    if (counts.derived > 0)
        buf_printf(out, " derived states %zu,", counts.derived);
    if (counts.parts > 0)
        buf_printf(out, " parts %zu,", counts.parts);
    buf_printf(out, " jobs %zu\n", counts.jobs);
}

static void put_jobs(const struct plan *plan, struct buf *out)
{
    enum { WIDTH_MAX = 80 };
    struct table *table = table_new(COLUMNS, TABLE_COLUMNS);

    if (!table) {
        out->failed = true;
        return;
    }
    each_line(plan, add_to_table, table);
    table_write(table, WIDTH_MAX, false, out);
    table_free(&table);
}

static void add_csv(void *user, struct cell *cells)
{
    csv_row(user, cells, COLUMN_COUNT);
}

static void put_csv(const struct plan *plan, struct buf *out)
{
    struct cell head[COLUMN_COUNT];

    for (size_t i = 0; i < COLUMN_COUNT; i++)
        head[i] = cell_text(COLUMNS[i]);
    csv_row(out, head, COLUMN_COUNT);
    each_line(plan, add_csv, out);
}

struct json_lines {
    struct buf *out;
    bool first;
};

static void add_json(void *user, struct cell *cells)
{
    struct json_lines *lines = user;

    buf_puts(lines->out, lines->first ? "\n  " : ",\n  ");
    json_row(lines->out, COLUMNS, cells, COLUMN_COUNT);
    lines->first = false;
}

static void put_json(const struct plan *plan, struct buf *out)
{
    struct plan_counts counts = plan_count(plan);
    struct json_lines lines = {out, true};

    buf_puts(out, "{\"sweep\": ");
    json_put_text(out, plan->name, strlen(plan->name));
    buf_printf(out,
               ", \"runs\": %zu, \"probes\": %zu, \"curve_rows\": %llu,"
               " \"path_rows\": %llu, \"plane_rows\": %llu, \"derived\": %zu,"
               " \"part_count\": %zu,"
               " \"job_count\": %zu,%s \"jobs\": [",
               counts.runs, counts.probes, (unsigned long long)counts.curve_rows,
               (unsigned long long)counts.path_rows,
               (unsigned long long)counts.plane_rows, counts.derived, counts.parts,
               counts.jobs, counts.at_most ? " \"at_most\": true," : "");
    each_line(plan, add_json, &lines);
    buf_puts(out, "\n]}\n");
}

void plan_put(const struct plan *plan, enum cli_form form, bool jobs, struct buf *out)
{
    static void (*const PUT[])(const struct plan *, struct buf *) = {
        [FORM_TABLE] = put_counts,
        [FORM_CSV] = put_csv,
        [FORM_JSON] = put_json,
    };
    PUT[form](plan, out);
    if (form == FORM_TABLE && jobs)
        put_jobs(plan, out);
}

void plan_print(const struct plan *plan, enum cli_form form, bool jobs, FILE *out)
{
    struct buf text = {0};

    plan_put(plan, form, jobs, &text);
    if (text.data && form == FORM_TABLE)
        cli_write(out, text.data, text.size);
    else if (text.data)
        fwrite(text.data, 1, text.size, out);
    buf_free(&text);
}
