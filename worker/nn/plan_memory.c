#include "worker/nn/plan.h"

#include "common/error.h"
#include "worker/nn/act.h"
#include "worker/nn/conv_op.h"
#include "worker/nn/dense.h"
#include "worker/nn/lanes.h"

#include <stdint.h>
#include <stdlib.h>

/* What a kind of step reads on its way back, and where it may write. */
static const struct {
    bool needs_in;
    bool in_place;      /* forward, out may be in */
    bool in_place_back; /* din may be dout */
    bool adds;          /* to din by itself */
} TRAITS[STEP_KINDS] = {
    [STEP_LAYOUT] = {false, false, false, false},
    [STEP_DENSE] = {true, false, false, true},
    [STEP_CONV] = {true, false, false, true},
    [STEP_MAXPOOL] = {true, false, false, false},
    [STEP_AVGPOOL] = {false, false, false, false},
    [STEP_NORM] = {true, true, true, false},
    [STEP_ACT] = {false, true, true, false}, /* and see below */
    [STEP_ADD] = {false, true, true, true},
    [STEP_SUBSAMPLE] = {false, false, false, false},
    [STEP_DROPOUT] = {false, true, true, false},
    [STEP_SHIFT] = {false, true, true, false},
    [STEP_SCALE] = {true, true, true, false},
};

static bool needs_in(const struct step *step)
{
    return TRAITS[step->kind].needs_in ||
           (step->kind == STEP_ACT && act_needs_input(step->act));
}

static bool needs_out(const struct step *step)
{
    return (step->kind == STEP_NORM && step->norm.relu) ||
           (step->kind == STEP_ACT && !act_needs_input(step->act));
}

/* Only a norm with given statistics reads nothing twice. */
static bool may_overwrite_in(const struct plan *plan, const struct step *step)
{
    if (step->kind == STEP_NORM)
        return !plan->options.training && step->norm.groups == 0 &&
               step->in != step->other;
    return TRAITS[step->kind].in_place;
}

/* ---- spans ------------------------------------------------------------------- */

static int backward_of(const struct plan *plan, int step)
{
    return 2 * plan->count - step;
}

static int add_span(struct plan *plan, size_t size, int from, int to)
{
    plan->spans[plan->span_count] = (struct span){size, from, to, 0};
    return plan->span_count++;
}

/* Room for a value of the largest batch. */
static int value_span(struct plan *plan, size_t size, int from, int to)
{
    return add_span(plan, size * (size_t)lanes_round(plan->options.batch_max), from, to);
}

static void keep_until(struct plan *plan, int span, int moment)
{
    if (span != NONE && plan->spans[span].to < moment)
        plan->spans[span].to = moment;
}

/* ---- who has a backward pass ------------------------------------------------- */

static bool wants_grad(const struct plan *plan, int value)
{
    return value != NONE && plan->values[value].wants_grad;
}

static void find_active(struct plan *plan)
{
    for (int i = 0; i < plan->count && plan->options.training; i++) {
        struct step *step = &plan->steps[i];
        step->active = step->at.weight != NO_TENSOR || step->at.bias != NO_TENSOR ||
                       wants_grad(plan, step->in) || wants_grad(plan, step->other);
        plan->values[step->out].wants_grad = step->active;
    }
}

/* ---- values ------------------------------------------------------------------ */

/* The last moment at which anybody reads a value. */
static int last_read(const struct plan *plan, int value)
{
    const int writer = plan->values[value].writer;
    int last = value == plan->logits ? plan->count : writer;

    for (int i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        if (step->in != value && step->other != value)
            continue;
        last = i > last ? i : last;
        if (step->active && step->in == value && needs_in(step) &&
            backward_of(plan, i) > last)
            last = backward_of(plan, i);
    }
    if (writer != NONE && plan->steps[writer].active && needs_out(&plan->steps[writer]) &&
        backward_of(plan, writer) > last)
        last = backward_of(plan, writer);
    return last;
}

/* Whether step i may write its output over this input. */
static bool can_take(const struct plan *plan, int i, int value)
{
    const struct step *step = &plan->steps[i];

    return value > VALUE_EXAMPLE && step->in_size == step->out_size &&
           plan->spans[plan->values[value].data].to == i;
}

static void place_values(struct plan *plan)
{
    for (int i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        struct plan_value *out = &plan->values[step->out];
        const int last = last_read(plan, step->out);

        if (may_overwrite_in(plan, step) && can_take(plan, i, step->in))
            out->data = plan->values[step->in].data;
        else if (step->kind == STEP_ADD && can_take(plan, i, step->other))
            out->data = plan->values[step->other].data;
        else
            out->data = value_span(plan, out->size, i, last);
        keep_until(plan, out->data, last);
    }
}

/* ---- gradients --------------------------------------------------------------- */

/* The gradient of a step's output is its to use up; once. */
struct aim {
    struct plan *plan;
    const struct step *step;
    int moment;
    int dout; /* a span; NONE: used */
};

static int take_dout(struct aim *aim)
{
    const int dout = aim->dout;

    aim->dout = NONE;
    return dout;
}

static int passing_span(struct aim *aim, size_t size)
{
    return value_span(aim->plan, size, aim->moment, aim->moment);
}

static struct target aim_at(struct aim *aim, int v)
{
    const struct step *step = aim->step;
    const bool may_take = TRAITS[step->kind].in_place_back && aim->dout != NONE;
    struct target target = {TARGET_NONE, NONE, NONE};

    if (!wants_grad(aim->plan, v))
        return target;
    struct plan_value *value = &aim->plan->values[v];
    const int last = backward_of(aim->plan, value->writer);
    if (value->grad == NONE) {
        value->grad = may_take ? take_dout(aim)
                               : value_span(aim->plan, value->size, aim->moment, last);
        keep_until(aim->plan, value->grad, last);
        target.how = TARGET_SET;
    } else if (TRAITS[step->kind].adds) {
        target.how = TARGET_ADD;
    } else {
        target.how = TARGET_VIA;
        target.via = may_take ? take_dout(aim) : passing_span(aim, value->size);
    }
    target.to = value->grad;
    return target;
}

/* A norm's kernel gives the residual's gradient in place of dout; that of its
 * input it computes whether anybody wants it or not. */
static void place_gradients(struct plan *plan)
{
    plan->values[plan->logits].grad =
        value_span(plan, plan->values[plan->logits].size, plan->count,
                   plan->logits == VALUE_EXAMPLE
                       ? plan->count
                       : backward_of(plan, plan->values[plan->logits].writer));
    for (int i = plan->count - 1; i >= 0; i--) {
        struct step *step = &plan->steps[i];
        struct aim aim = {plan, step, backward_of(plan, i), plan->values[step->out].grad};

        if (!step->active)
            continue;
        step->dother = aim_at(&aim, step->other);
        step->din = aim_at(&aim, step->in);
        if (step->kind == STEP_NORM && step->din.how == TARGET_NONE) {
            step->din.how = TARGET_LOST;
            step->din.via =
                aim.dout != NONE ? take_dout(&aim) : passing_span(&aim, step->in_size);
        }
    }
}

/* ---- what steps keep for themselves ------------------------------------------ */

/* Reals that hold so many bytes. */
static size_t reals_of(size_t bytes)
{
    return (bytes + sizeof(real) - 1) / sizeof(real);
}

/* A partial sum in double for each group of images. */
static size_t sums_size(const struct plan *plan)
{
    return reals_of((size_t)lanes_round(plan->options.batch_max) * sizeof(double));
}

static size_t scratch_size(const struct plan *plan, const struct step *step)
{
    const int batch_max = plan->options.batch_max, threads = plan->options.threads;

    if (step->kind == STEP_CONV)
        return step->op->scratch(&step->conv, batch_max, threads);
    if (step->kind == STEP_DENSE && !plan->options.native)
        return dense_scratch((int)step->out_size, plan->options.training ? batch_max : 0,
                             threads);
    return 0;
}

static void place_scratch(struct plan *plan)
{
    const int batch_max = plan->options.batch_max;

    for (int i = 0; i < plan->count; i++) {
        struct step *step = &plan->steps[i];
        const int back = backward_of(plan, i), until = step->active ? back : i;
        const size_t scratch = scratch_size(plan, step);

        step->scratch = add_span(plan, scratch, i, i);
        if (step->kind == STEP_SHIFT || step->kind == STEP_SCALE)
            step->scratch_back = add_span(plan, sums_size(plan), back, back);
        else if (step->active)
            step->scratch_back = add_span(plan, scratch, back, back);
        if (step->kind == STEP_DENSE && !plan->options.native && !plan->options.training)
            step->packed =
                add_span(plan, dense_packed((int)step->in_size, (int)step->out_size), 0,
                         2 * plan->count);
        if (step->kind == STEP_NORM)
            step->stats =
                add_span(plan, 2 * norm_stats(&step->norm, batch_max), i, until);
        if (step->kind == STEP_DROPOUT && plan->options.training)
            step->mask = value_span(plan, reals_of(step->in_size), i, until);
    }
}

static void drop_span(struct plan *plan, int span)
{
    if (span != NONE)
        plan->spans[span].size = 0;
}

/* Written before `to`, and read from `from` on. */
static bool is_needed(const struct plan *plan, int value)
{
    return plan->values[value].writer < plan->options.to &&
           last_read(plan, value) >= plan->options.from;
}

/* No room for what only steps that are not run would use. Values may share a span:
 * those that are needed get theirs back. */
static void drop_unused(struct plan *plan)
{
    const int from = plan->options.from, to = plan->options.to;
    const size_t B = (size_t)lanes_round(plan->options.batch_max);

    for (int v = VALUE_EXAMPLE + 1; v < plan->value_count; v++)
        drop_span(plan, plan->values[v].data);
    for (int v = VALUE_EXAMPLE + 1; v < plan->value_count; v++)
        if (is_needed(plan, v))
            plan->spans[plan->values[v].data].size = plan->values[v].size * B;
    for (int i = 0; i < plan->count; i++) {
        struct step *step = &plan->steps[i];
        if (i >= from && i < to)
            continue;
        drop_span(plan, step->scratch);
        drop_span(plan, step->stats);
        if (step->kind == STEP_DENSE && !plan->options.native)
            drop_span(plan, step->packed);
    }
}

/* A step takes at most: its value, a gradient or two, its own four. */
int net_plan_memory(struct plan *plan, struct error *err)
{
    plan->spans = calloc(8 * (size_t)plan->count + 2, sizeof *plan->spans);
    if (!plan->spans)
        return err_set(err, ERR_NO_MEMORY, "no memory for a plan of %d steps",
                       plan->count);
    find_active(plan);
    place_values(plan);
    if (plan->options.training)
        place_gradients(plan);
    place_scratch(plan);
    if (plan->options.to > 0)
        drop_unused(plan);
    return place_spans(plan->spans, plan->span_count, &plan->real_count, err);
}
