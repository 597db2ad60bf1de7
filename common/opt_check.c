#include "common/opts.h"

#include "common/error.h"
#include "common/names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a check found. A bad or unbuilt word is named in the message. */
enum finding { GOOD, BAD, NO_MEMORY };

struct finding_of {
    enum finding finding;
    const char *word; /* borrowed from the value; may be NULL */
};

static struct finding_of found(enum finding finding, const char *word)
{
    return (struct finding_of){finding, word};
}

static struct finding_of good_if(bool good)
{
    return found(good ? GOOD : BAD, NULL);
}

/* ---- single values ---------------------------------------------------------- */

static bool in_range(const struct opt *opt, double number)
{
    return isfinite(number) &&
           (opt->above_min ? number > opt->min : number >= opt->min) &&
           (opt->below_max ? number < opt->max : number <= opt->max);
}

static int place_in(const char *const *names, const char *word)
{
    for (int i = 0; names && names[i]; i++)
        if (strcmp(names[i], word) == 0)
            return i;
    return -1;
}

static struct finding_of check_word(const struct opt *opt, const char *word)
{
    return place_in(opt->names, word) >= 0 ? found(GOOD, NULL) : found(BAD, word);
}

static struct finding_of check_bool(const struct opt *opt, struct value *value)
{
    (void)opt;
    return good_if(value->type == VALUE_BOOL);
}

static struct finding_of check_int(const struct opt *opt, struct value *value)
{
    return good_if(value->type == VALUE_INT && in_range(opt, (double)value->integer));
}

/* One text per number: 1 becomes 1.0 and -0.0 becomes 0.0. */
static struct finding_of check_real(const struct opt *opt, struct value *value)
{
    if (value->type == VALUE_INT)
        *value = value_real((double)value->integer);
    if (value->type != VALUE_REAL || !in_range(opt, value->real))
        return found(BAD, NULL);
    if (value->real == 0)
        value->real = 0;
    return found(GOOD, NULL);
}

static struct finding_of check_name(const struct opt *opt, struct value *value)
{
    return value->type == VALUE_STRING ? check_word(opt, value->string)
                                       : found(BAD, NULL);
}

static struct finding_of check_string(const struct opt *opt, struct value *value)
{
    (void)opt;
    return good_if(value->type == VALUE_STRING);
}

/* The share 1.0 means "all" and becomes it; other shares and counts stay. */
static struct finding_of check_size(const struct opt *opt, struct value *value)
{
    struct value all;

    if (value->type == VALUE_STRING)
        return good_if(strcmp(value->string, "all") == 0);
    if (value->type == VALUE_INT)
        return good_if(value->integer >= 1 && (double)value->integer <= opt->max);
    if (value->type != VALUE_REAL || !(value->real > 0 && value->real <= 1))
        return found(BAD, NULL);
    if (value->real < 1)
        return found(GOOD, NULL);
    if (value_string("all", &all, NULL))
        return found(NO_MEMORY, NULL);
    *value = all;
    return found(GOOD, NULL);
}

/* epoch:0 and step:0 are refused: that state is called init. */
static struct finding_of check_state_word(const char *word)
{
    struct state_name state;

    if (!state_parse(word, &state))
        return found(BAD, word);
    if ((state.kind == STATE_STEP || state.kind == STATE_EPOCH) && state.number < 1)
        return found(BAD, NULL);
    return found(GOOD, NULL);
}

static struct finding_of check_state(const struct opt *opt, struct value *value)
{
    (void)opt;
    return value->type == VALUE_STRING ? check_state_word(value->string)
                                       : found(BAD, NULL);
}

/* ---- lists ------------------------------------------------------------------ */

static bool all_strings(const struct value *value)
{
    if (value->type != VALUE_LIST)
        return false;
    for (size_t i = 0; i < value->list.count; i++)
        if (value->list.items[i].type != VALUE_STRING)
            return false;
    return true;
}

static struct finding_of check_ints(const struct opt *opt, struct value *value)
{
    if (value->type != VALUE_LIST)
        return found(BAD, NULL);
    for (size_t i = 0; i < value->list.count; i++) {
        struct value *item = &value->list.items[i];
        if (check_int(opt, item).finding != GOOD)
            return found(BAD, NULL);
        if (opt->ascending && i > 0 && item->integer <= item[-1].integer)
            return found(BAD, NULL);
    }
    return found(GOOD, NULL);
}

/* Bring a list of distinct names to the order of the table. */
static void sort_by_names(const struct opt *opt, struct value *value)
{
    struct value *items = value->list.items;
    size_t sorted = 0;

    for (const char *const *name = opt->names; *name; name++)
        for (size_t i = sorted; i < value->list.count; i++)
            if (strcmp(items[i].string, *name) == 0) {
                struct value swap = items[sorted];
                items[sorted++] = items[i];
                items[i] = swap;
                break;
            }
}

static struct finding_of check_strings(const struct opt *opt, struct value *value)
{
    if (!all_strings(value))
        return found(BAD, NULL);
    for (size_t i = 0; i < value->list.count; i++) {
        const char *word = value->list.items[i].string;
        struct finding_of finding = found(word[0] ? GOOD : BAD, NULL);
        if (opt->names)
            finding = check_word(opt, word);
        for (size_t j = 0; j < i && finding.finding == GOOD; j++)
            if (strcmp(value->list.items[j].string, word) == 0)
                finding.finding = BAD;
        if (finding.finding != GOOD)
            return finding;
    }
    if (opt->names)
        sort_by_names(opt, value);
    return found(GOOD, NULL);
}

bool opt_pair(const char *text, struct slice *ret_name, double *ret_number)
{
    const char *equals = strrchr(text, '=');
    struct value number;

    if (!equals || equals == text ||
        value_parse(equals + 1, strlen(equals + 1), &number, NULL))
        return false;
    *ret_name = (struct slice){text, (size_t)(equals - text)};
    *ret_number = number.type == VALUE_INT ? (double)number.integer : number.real;
    if (number.type == VALUE_INT || number.type == VALUE_REAL)
        return true;
    value_free(&number);
    return false;
}

/* Write an item's number in its one text: "fc=1" becomes "fc=1.0". */
static struct finding_of check_pair(const struct opt *opt, struct value *item)
{
    struct value number = value_real(0), text;
    struct buf out = {0};
    struct slice name;
    struct finding_of finding;

    if (!opt_pair(item->string, &name, &number.real) || !in_range(opt, number.real))
        return found(BAD, NULL);
    number.real += 0; /* -0.0 becomes 0.0 */
    buf_add(&out, name.data, name.size);
    buf_puts(&out, "=");
    value_text(&number, &out);
    finding =
        found(out.failed || value_string(out.data, &text, NULL) ? NO_MEMORY : GOOD, NULL);
    buf_free(&out);
    if (finding.finding != GOOD)
        return finding;
    value_free(item);
    *item = text;
    return finding;
}

static struct finding_of check_pairs(const struct opt *opt, struct value *value)
{
    if (!all_strings(value))
        return found(BAD, NULL);
    for (size_t i = 0; i < value->list.count; i++) {
        struct finding_of finding = check_pair(opt, &value->list.items[i]);
        if (finding.finding != GOOD)
            return finding;
    }
    return found(GOOD, NULL);
}

static int compare_reals(const void *a, const void *b)
{
    double x = ((const struct value *)a)->real, y = ((const struct value *)b)->real;
    return (x > y) - (x < y);
}

/* A list is kept in ascending order, as metrics need it. */
static struct finding_of check_alphas(const struct opt *opt, struct value *value)
{
    static const struct opt ANY = {.type = OPT_REAL, .min = -1e300, .max = 1e300};

    if (value->type == VALUE_INT)
        return check_int(opt, value);
    if (value->type != VALUE_LIST || value->list.count < 1)
        return found(BAD, NULL);
    for (size_t i = 0; i < value->list.count; i++)
        if (check_real(&ANY, &value->list.items[i]).finding != GOOD)
            return found(BAD, NULL);
    qsort(value->list.items, value->list.count, sizeof(struct value), compare_reals);
    for (size_t i = 1; i < value->list.count; i++)
        if (value->list.items[i - 1].real == value->list.items[i].real)
            return found(BAD, NULL);
    return found(GOOD, NULL);
}

static int compare_triples(const void *a, const void *b)
{
    const struct value *x = ((const struct value *)a)->list.items;
    const struct value *y = ((const struct value *)b)->list.items;

    for (int i = 0; i < 3; i++) {
        const double u = value_number(&x[i]), v = value_number(&y[i]);
        if (u != v)
            return u < v ? -1 : 1;
    }
    return 0;
}

static bool is_triple(const struct opt *opt, struct value *value)
{
    static const struct opt NEAR = {.type = OPT_REAL, .min = -1e300, .max = 1e300};
    static const struct opt WIDTH = {.type = OPT_REAL, .max = 1e300};

    return value->type == VALUE_LIST && value->list.count == 3 &&
           check_real(&NEAR, &value->list.items[0]).finding == GOOD &&
           check_int(opt, &value->list.items[1]).finding == GOOD &&
           check_real(&WIDTH, &value->list.items[2]).finding == GOOD;
}

static struct finding_of check_near(const struct opt *opt, struct value *value)
{
    if (value->type != VALUE_LIST)
        return found(BAD, NULL);
    for (size_t i = 0; i < value->list.count; i++)
        if (!is_triple(opt, &value->list.items[i]))
            return found(BAD, NULL);
    if (value->list.count > 0)
        qsort(value->list.items, value->list.count, sizeof(struct value),
              compare_triples);
    for (size_t i = 1; i < value->list.count; i++)
        if (compare_triples(&value->list.items[i - 1], &value->list.items[i]) == 0)
            return found(BAD, NULL);
    return found(GOOD, NULL);
}

/* The order of enum state_kind, then of numbers. */
static int compare_states(const void *a, const void *b)
{
    struct state_name x = {0}, y = {0};

    (void)state_parse(((const struct value *)a)->string, &x);
    (void)state_parse(((const struct value *)b)->string, &y);
    if (x.kind != y.kind)
        return x.kind < y.kind ? -1 : 1;
    return (x.number > y.number) - (x.number < y.number);
}

static void drop_repeats(struct value *value)
{
    struct value *items = value->list.items;
    size_t kept = 0;

    for (size_t i = 0; i < value->list.count; i++) {
        if (kept > 0 && strcmp(items[kept - 1].string, items[i].string) == 0)
            value_free(&items[i]);
        else
            items[kept++] = items[i];
    }
    value->list.count = kept;
}

static struct finding_of check_states(const struct opt *opt, struct value *value)
{
    struct value final;

    (void)opt;
    if (!all_strings(value))
        return found(BAD, NULL);
    for (size_t i = 0; i < value->list.count; i++) {
        struct finding_of finding = check_state_word(value->list.items[i].string);
        if (finding.finding != GOOD)
            return finding;
    }
    if (value_string("final", &final, NULL) || value_push(value, final, NULL))
        return found(NO_MEMORY, NULL);
    qsort(value->list.items, value->list.count, sizeof(struct value), compare_states);
    drop_repeats(value);
    return found(GOOD, NULL);
}

static struct finding_of (*const CHECK[])(const struct opt *, struct value *) = {
    [OPT_BOOL] = check_bool,       [OPT_INT] = check_int,       [OPT_REAL] = check_real,
    [OPT_NAME] = check_name,       [OPT_STRING] = check_string, [OPT_INTS] = check_ints,
    [OPT_STRINGS] = check_strings, [OPT_PAIRS] = check_pairs,   [OPT_SIZE] = check_size,
    [OPT_ALPHAS] = check_alphas,   [OPT_STATES] = check_states, [OPT_STATE] = check_state,
    [OPT_NEAR] = check_near,
};

/* ---- sentences -------------------------------------------------------------- */

static void put_names(const char *const *names, struct buf *out)
{
    for (size_t i = 0; names[i]; i++)
        buf_printf(out, "%s\"%s\"", i ? ", " : "", names[i]);
}

/* "from 1 to 65536", "above 0", "of at least 0", "from 0 to below 1". A bound of
 * a billion or more is there to keep arithmetic safe, and nobody's concern. */
static void put_range(const struct opt *opt, struct buf *out)
{
    bool upper = opt->max < 1e9;

    if (opt->min > -1e9)
        buf_printf(out, " %s %g",
                   opt->above_min ? "above"
                   : upper        ? "from"
                                  : "of at least",
                   opt->min);
    if (upper)
        buf_printf(out, " to %s%.15g", opt->below_max ? "below " : "", opt->max);
}

void opt_expect(const struct opt *opt, struct buf *out)
{
    static const char *const TEXT[] = {
        [OPT_BOOL] = "true or false",
        [OPT_INT] = "an integer",
        [OPT_REAL] = "a number",
        [OPT_NAME] = "one of ",
        [OPT_STRING] = "a string",
        [OPT_INTS] = "a list of integers",
        [OPT_STRINGS] = "a list of different strings",
        [OPT_PAIRS] = "a list of \"GROUP=NUMBER\", each number",
        [OPT_SIZE] = "\"all\", a count of at least 1 or a share in (0, 1]",
        [OPT_ALPHAS] = "a count",
        [OPT_NEAR] = "different refinements [near, n, width], each n",
        [OPT_STATES] =
            "a list of states (\"init\", \"final\", \"best\", \"epoch:3\", \"step:100\")",
        [OPT_STATE] =
            "a state (\"init\", \"final\", \"best\", \"epoch:3\", \"step:100\")",
    };

    if (opt->type == OPT_STRINGS && opt->names)
        buf_puts(out, "a list of different names out of ");
    else
        buf_puts(out, TEXT[opt->type]);
    if (opt->type == OPT_INT || opt->type == OPT_REAL || opt->type == OPT_INTS ||
        opt->type == OPT_ALPHAS || opt->type == OPT_NEAR || opt->type == OPT_PAIRS)
        put_range(opt, out);
    if (opt->type == OPT_ALPHAS)
        buf_puts(out, " or a list of different numbers");
    if (opt->ascending)
        buf_puts(out, ", ascending");
    if (opt->names)
        put_names(opt->names, out);
}

/* Long values are cut: the reader has the file. */
static void put_got(const struct value *value, struct buf *out)
{
    enum { SHOWN_MAX = 60 };
    struct buf text = {0};

    value_text(value, &text);
    buf_printf(out, "%.*s%s", SHOWN_MAX, text.data ? text.data : "",
               text.size > SHOWN_MAX ? "..." : "");
    buf_free(&text);
}

static int say_bad(const struct opt *opt, const struct value *value, const char *word,
                   struct error *err)
{
    const char *nearest = word && opt->names ? name_nearest(word, opt->names) : NULL;
    struct buf text = {0};

    buf_puts(&text, "expected ");
    opt_expect(opt, &text);
    buf_puts(&text, ", got ");
    put_got(value, &text);
    if (nearest)
        buf_printf(&text, " (did you mean \"%s\"?)", nearest);
    err_set(err, ERR_INVALID, "%s", text.data ? text.data : "bad value");
    buf_free(&text);
    return -1;
}

int opt_check(const struct opt *opt, struct value *value, struct error *err)
{
    const struct finding_of finding = CHECK[opt->type](opt, value);

    switch (finding.finding) {
    case GOOD:
        return 0;
    case NO_MEMORY:
        return err_set(err, ERR_NO_MEMORY, "no memory for a value");
    case BAD:
        break;
    }
    return say_bad(opt, value, finding.word, err);
}
