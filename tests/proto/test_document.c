/* PROTOCOL.md against the code: every field row, every bound of limits.h that
 * it names, and the bytes of its transcript. With PROTOCOL_PRINT set it prints
 * what the document should say instead. */

#include "common/error.h"
#include "common/hash.h"
#include "proto/limits.h"
#include "proto/msg.h"
#include "proto/table.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KIND_END = MSG_PROGRESS + 1, TURNS_MAX = 64 };

static struct buf document_read(void)
{
    const char *source = getenv("COORD_SOURCE");
    struct buf text = {0};
    char path[4096], piece[4096];
    size_t count;

    snprintf(path, sizeof path, "%s/proto/PROTOCOL.md", source ? source : ".");
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("cannot open %s", path);
    while ((count = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add(&text, piece, count);
    fclose(file);
    return text;
}

/* ---- field rows ------------------------------------------------------------ */

static void bounds_text(const struct field *field, char *out, size_t size)
{
    static const uint64_t tops[FIELD_TYPE_COUNT] = {
        [FIELD_U32] = UINT32_MAX, [FIELD_U64] = UINT64_MAX, [FIELD_I64] = INT64_MAX};
    static const char *const units[FIELD_TYPE_COUNT] = {
        [FIELD_TEXT] = " bytes", [FIELD_BYTES] = " bytes", [FIELD_MANY] = " items"};

    if (field->type == FIELD_HEX)
        snprintf(out, size, "32 bytes");
    else if (field->type == FIELD_ONE || field->type == FIELD_REAL ||
             field->type == FIELD_BOOL)
        snprintf(out, size, "-");
    else if (field->hi == tops[field->type])
        snprintf(out, size, "%" PRIu64 " ..", field->lo);
    else
        snprintf(out, size, "%" PRIu64 " .. %" PRIu64 "%s", field->lo, field->hi,
                 units[field->type] ? units[field->type] : "");
}

static void row_text(const struct field *field, char *out, size_t size)
{
    char bounds[64];

    bounds_text(field, bounds, sizeof bounds);
    snprintf(out, size, "    %2u  %-15s  %-5s  %-8s  %s", field->number, field->name,
             field_type_name(field->type), field->required ? "required" : "optional",
             bounds);
}

/* The row is there, and its bounds end where the row's do. */
static bool has_row(const char *body, const char *row)
{
    const char *at = strstr(body, row);

    while (at && at[strlen(row)] != '\n' && strncmp(at + strlen(row), "  ", 2) != 0)
        at = strstr(at + 1, row);
    return at != NULL;
}

/* The text between a heading and the next one; NUL-terminated, to be freed. */
static char *section(const struct buf *text, const char *heading)
{
    const char *at = strstr(text->data, heading);

    if (!at)
        fail_msg("PROTOCOL.md has no '%s'", heading);
    at += strlen(heading);
    const char *end = strstr(at, "\n##");
    return slice_dup((struct slice){at, end ? (size_t)(end - at) : strlen(at)});
}

static unsigned count_rows(const char *body)
{
    unsigned rows = 0, number;
    char type[8], need[16];

    for (const char *at = strchr(body, '\n'); at; at = strchr(at + 1, '\n'))
        if (strncmp(at + 1, "    ", 4) == 0 &&
            sscanf(at + 1, " %u %*s %7s %15s", &number, type, need) == 3 &&
            (strcmp(need, "required") == 0 || strcmp(need, "optional") == 0))
            rows++;
    return rows;
}

static void check_form(const struct buf *text, const struct form *form,
                       const char *heading)
{
    char row[256];

    if (getenv("PROTOCOL_PRINT")) {
        print_message("%s\n", heading + 1);
        for (unsigned i = 0; i < form->count; i++) {
            row_text(&form->fields[i], row, sizeof row);
            print_message("%s\n", row);
        }
        return;
    }
    char *body = section(text, heading);
    for (unsigned i = 0; i < form->count; i++) {
        row_text(&form->fields[i], row, sizeof row);
        if (!has_row(body, row))
            fail_msg("PROTOCOL.md, '%s' lacks the row\n%s", heading + 1, row);
    }
    if (count_rows(body) != form->count)
        fail_msg("PROTOCOL.md, '%s' has %u rows, the table %u", heading + 1,
                 count_rows(body), form->count);
    free(body);
}

static void test_every_field_is_documented(void **state)
{
    struct buf text = document_read();
    char heading[64];

    (void)state;
    for (unsigned kind = 0; kind < KIND_END; kind++) {
        const struct form *form = form_of(kind);
        if (!form)
            continue;
        snprintf(heading, sizeof heading, "\n### %s (%u)", form->name, kind);
        check_form(&text, form, heading);
    }
    for (const struct form *const *part = form_parts(); *part; part++) {
        snprintf(heading, sizeof heading, "\n### %s, ", (*part)->name);
        check_form(&text, *part, heading);
    }
    buf_free(&text);
}

static void test_limits_are_documented(void **state)
{
    static const struct {
        const char *name;
        int value;
    } limits[] = {
        {"PROTO_VERSION", PROTO_VERSION},
        {"PROTO_MESSAGE_MAX", PROTO_MESSAGE_MAX},
        {"PROTO_CHUNK_MAX", PROTO_CHUNK_MAX},
        {"PROTO_CHUNK_WINDOW", PROTO_CHUNK_WINDOW},
        {"PROTO_ARTIFACT_MAX", PROTO_ARTIFACT_MAX},
    };
    struct buf text = document_read();
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        snprintf(line, sizeof line, "\n    %-20s  %10d  ", limits[i].name,
                 limits[i].value);
        if (!strstr(text.data, line))
            fail_msg("PROTOCOL.md lacks '%s'", line + 1);
    }
    buf_free(&text);
}

/* ---- the transcript -------------------------------------------------------- */

struct turn {
    char who; /* W worker, C coordinator, U user's client, D daemon, T trial */
    struct msg msg;
};

struct transcript {
    struct turn turns[TURNS_MAX];
    unsigned count;
    char hash[HASH_TEXT];  /* of STATE_BYTES */
    char saved[HASH_TEXT]; /* of SAVED_BYTES */
};

static const char STATE_BYTES[] = "eighteen bytes now";
static const char SAVED_BYTES[] = "half of that";
static const char WORKER[] = "5eed00000000000000000000000000a1";
static const char REQUEST[] = "5eed00000000000000000000000000b2";
static const char CONTROL[] = "5eed00000000000000000000000000c3";
static const char GRID[] = "[sweep]\nname = \"tiny\"\n";
static const char TRAIN[] = "coord-spec 1 train\nnumerics=3\nseed.init=1\n";
static const char PROBE[] = "coord-spec 1 probe\nnumerics=3\n";

static const uint64_t EPOCH = 0x1122334455667788;

static void say(struct transcript *script, char who, struct msg msg)
{
    assert_true(script->count < TURNS_MAX);
    script->turns[script->count++] = (struct turn){who, msg};
}

static struct msg hello(const struct msg_running *running, uint32_t count)
{
    return (struct msg){
        .kind = MSG_HELLO,
        .hello = {.version = PROTO_VERSION,
                  .worker = slice_of(WORKER),
                  .epoch = count ? EPOCH - 1 : 0,
                  .host = slice_of("node7"),
                  .pid = 4242,
                  .slots = 2,
                  .threads = 1,
                  .cores = 2,
                  .provenance = slice_of("{\"version\":\"0.1\"}"),
                  .running = (struct msg_running *)running,
                  .running_count = count},
    };
}

static void script_submit(struct transcript *script)
{
    struct msg submit = {.kind = MSG_SUBMIT,
                         .submit = {.version = PROTO_VERSION,
                                    .request = slice_of(REQUEST),
                                    .file = slice_of("tiny.toml"),
                                    .grid = slice_of(GRID)}};

    submit.submit.version = 9;
    say(script, 'U', submit);
    say(script, 'C',
        (struct msg){.kind = MSG_ERROR,
                     .error = {ERR_REFUSED, slice_of(REQUEST),
                               slice_of("this coordinator speaks protocol version 1, "
                                        "not 9")}});
    submit.submit.version = PROTO_VERSION;
    say(script, 'U', submit);
    say(script, 'C',
        (struct msg){.kind = MSG_SUBMITTED,
                     .submitted = {slice_of(REQUEST), 1, slice_of("tiny"), 2, 2}});
    say(script, 'U', (struct msg){.kind = MSG_PING, .ping = {PROTO_VERSION}});
    say(script, 'C',
        (struct msg){.kind = MSG_PONG,
                     .pong = {.version = PROTO_VERSION, .epoch = EPOCH}});
}

static void script_join(struct transcript *script)
{
    static const struct msg_running stale = {.job = 99, .attempt = 1};

    say(script, 'W', (struct msg){.kind = MSG_BEAT, .beat = {.credit = 2}});
    say(script, 'C', (struct msg){.kind = MSG_WHO});
    say(script, 'W', hello(&stale, 1));
    say(script, 'C',
        (struct msg){
            .kind = MSG_KILL,
            .kill = {99, 1, slice_of("this attempt is not the job's current one")}});
    say(script, 'C',
        (struct msg){.kind = MSG_WELCOME,
                     .welcome = {PROTO_VERSION, EPOCH, 1, 2000, 15000, true}});
    say(script, 'W', (struct msg){.kind = MSG_BEAT, .beat = {.credit = 3}});
    say(script, 'C',
        (struct msg){.kind = MSG_PONG,
                     .pong = {.version = PROTO_VERSION, .epoch = EPOCH}});
}

static void script_train(struct transcript *script)
{
    static struct msg_job job = {.job = 1, .attempt = 1, .time_limit_s = 3600};
    static const struct msg_running running = {1, 1, 1, 2, false};
    static struct msg_history history, first;
    static struct msg_state state, saved;

    job.spec = slice_of(TRAIN);
    history = (struct msg_history){
        2, slice_of("test"), {100, 75, 0, 0, 62.5, 50.25}, 0.125, 1.5};
    first = (struct msg_history){
        1, slice_of("test"), {100, 50, 0, 0, 125.5, 170.25}, 0.125, 0.75};
    state = (struct msg_state){.name = slice_of("final"),
                               .hash = slice_of(script->hash),
                               .size = sizeof STATE_BYTES - 1,
                               .epoch = 2,
                               .step = 8,
                               .stored = true};
    saved = (struct msg_state){.name = slice_of(PROTO_RESUME),
                               .hash = slice_of(script->saved),
                               .size = sizeof SAVED_BYTES - 1,
                               .epoch = 1,
                               .step = 4,
                               .stored = true};
    const struct msg checkpoint = {.kind = MSG_CHECKPOINT,
                                   .checkpoint = {1, 1, &saved, 1}};
    const struct msg tail = {.kind = MSG_TAIL, .tail = {1, 1, 8}};
    const struct msg output = {.kind = MSG_OUTPUT,
                               .output = {1, 1, 8, 8, slice_of("epoch 1/2\n")}};
    say(script, 'C', (struct msg){.kind = MSG_ASSIGN, .assign = {&job, 1}});
    say(script, 'D',
        (struct msg){.kind = MSG_START,
                     .start = {job, slice_of("/tmp/w/1.1"), {0}, 1, 60000}});
    const struct msg report = {.kind = MSG_REPORT, .report = {1, 1, &first, 1}};
    say(script, 'T', (struct msg){.kind = MSG_PROGRESS, .progress = {1, 2}});
    say(script, 'T', report);
    say(script, 'W', report);
    say(script, 'W',
        (struct msg){.kind = MSG_BEAT, .beat = {2, (struct msg_running *)&running, 1}});
    say(script, 'C',
        (struct msg){.kind = MSG_PONG,
                     .pong = {.version = PROTO_VERSION, .epoch = EPOCH}});
    say(script, 'U', tail);
    say(script, 'C', tail);
    say(script, 'W', output);
    say(script, 'C', output);
    say(script, 'T', checkpoint);
    say(script, 'W',
        (struct msg){.kind = MSG_PUT,
                     .put = {slice_of(script->saved), sizeof SAVED_BYTES - 1, 0,
                             slice_of(SAVED_BYTES)}});
    say(script, 'C',
        (struct msg){
            .kind = MSG_PUT_OK,
            .put_ok = {slice_of(script->saved), sizeof SAVED_BYTES - 1, true, {0}}});
    say(script, 'W', checkpoint);
    say(script, 'W',
        (struct msg){.kind = MSG_PUT,
                     .put = {slice_of(script->hash), sizeof STATE_BYTES - 1, 0,
                             slice_of(STATE_BYTES)}});
    say(script, 'C',
        (struct msg){
            .kind = MSG_PUT_OK,
            .put_ok = {slice_of(script->hash), sizeof STATE_BYTES - 1, true, {0}}});
    say(script, 'W',
        (struct msg){.kind = MSG_RESULT,
                     .result = {.job = 1,
                                .attempt = 1,
                                .outcome = OUTCOME_DONE,
                                .seconds = 1.5,
                                .cpu_seconds = 1.25,
                                .rss_bytes = 1 << 20,
                                .epochs = 2,
                                .steps = 8,
                                .history = &history,
                                .history_count = 1,
                                .states = &state,
                                .state_count = 1}});
    say(script, 'C', (struct msg){.kind = MSG_ACK, .ack = {1, 1, VERDICT_ACCEPTED, {0}}});
}

static void script_probe(struct transcript *script)
{
    static struct msg_range all = {1, 2};
    static struct msg_input input;
    static struct msg_job job = {.job = 2, .attempt = 1};
    static struct msg_point point;
    static struct msg_distance distance;

    input = (struct msg_input){slice_of("b"),
                               slice_of("final"),
                               slice_of(TRAIN),
                               slice_of(script->hash),
                               true,
                               {0}};
    job.spec = slice_of(PROBE);
    job.inputs = &input;
    job.input_count = 1;
    point = (struct msg_point){.grp = slice_of("all"),
                               .bn = slice_of("none"),
                               .split = slice_of("test"),
                               .tally = {100, 10, 0, 0, 230.5, 531.5}};
    distance = (struct msg_distance){slice_of("all"), 3.25, 0.5};
    say(script, 'C', (struct msg){.kind = MSG_ASSIGN, .assign = {&job, 1}});
    say(script, 'W',
        (struct msg){.kind = MSG_GET,
                     .get = {slice_of(script->hash), 0, PROTO_CHUNK_MAX}});
    say(script, 'C',
        (struct msg){.kind = MSG_CHUNK,
                     .chunk = {slice_of(script->hash),
                               sizeof STATE_BYTES - 1,
                               0,
                               slice_of(STATE_BYTES),
                               {0}}});
    say(script, 'W',
        (struct msg){.kind = MSG_RESULT,
                     .result = {.job = 2,
                                .attempt = 1,
                                .outcome = OUTCOME_DONE,
                                .points = &point,
                                .point_count = 1,
                                .distances = &distance,
                                .distance_count = 1}});
    say(script, 'C', (struct msg){.kind = MSG_ACK, .ack = {2, 1, VERDICT_ACCEPTED, {0}}});
    say(script, 'U',
        (struct msg){.kind = MSG_CONTROL,
                     .control = {.version = PROTO_VERSION,
                                 .request = slice_of(CONTROL),
                                 .verb = CONTROL_CANCEL,
                                 .jobs = &all,
                                 .job_count = 1,
                                 .reason = slice_of("enough")}});
    say(script, 'C',
        (struct msg){.kind = MSG_CONTROLLED, .controlled = {slice_of(CONTROL), 0, 2}});
    say(script, 'C', (struct msg){.kind = MSG_RETRACT, .retract = {2, 1}});
    say(script, 'C', (struct msg){.kind = MSG_DRAIN});
    say(script, 'W', (struct msg){.kind = MSG_BYE, .bye = {slice_of("drained")}});
}

static struct transcript *transcript_make(void)
{
    struct transcript *script = calloc(1, sizeof *script);

    assert_non_null(script);
    hash_bytes(STATE_BYTES, sizeof STATE_BYTES - 1, script->hash);
    hash_bytes(SAVED_BYTES, sizeof SAVED_BYTES - 1, script->saved);
    script_submit(script);
    script_join(script);
    script_train(script);
    script_probe(script);
    return script;
}

static void turn_text(const struct turn *turn, struct buf *out)
{
    struct buf bytes = {0};
    struct error err = {0};

    if (msg_encode(&turn->msg, &bytes, &err))
        fail_msg("%s", err.text);
    buf_printf(out, "    %c: %s", turn->who, msg_kind_name(turn->msg.kind));
    for (size_t i = 0; i < bytes.size; i++)
        buf_printf(out, "%s%02x", i % 24 ? " " : "\n       ",
                   (unsigned char)bytes.data[i]);
    buf_puts(out, "\n");
    buf_free(&bytes);
}

/* Turns stand in their order; sentences may stand between them. */
static void test_transcript_is_what_the_codec_says(void **state)
{
    struct transcript *script = transcript_make();
    struct buf text = document_read();
    char *body = section(&text, "\n## Transcript");
    const char *at = body;
    struct buf turn = {0};
    unsigned shown = 0;

    (void)state;
    for (unsigned i = 0; i < script->count; i++) {
        buf_clear(&turn);
        turn_text(&script->turns[i], &turn);
        if (getenv("PROTOCOL_PRINT")) {
            print_message("%s\n", turn.data);
            continue;
        }
        at = strstr(at, turn.data);
        if (!at)
            fail_msg("PROTOCOL.md lacks, at its place,\n%s", turn.data);
        at += turn.size;
    }
    for (const char *line = strstr(body, "\n    "); line;
         line = strstr(line + 1, "\n    "))
        shown += line[6] == ':';
    if (!getenv("PROTOCOL_PRINT"))
        assert_int_equal(shown, script->count);
    buf_free(&turn);
    buf_free(&text);
    free(body);
    free(script);
}

static void test_transcript_has_every_kind(void **state)
{
    struct transcript *script = transcript_make();
    bool seen[KIND_END] = {false};

    (void)state;
    for (unsigned i = 0; i < script->count; i++)
        seen[script->turns[i].msg.kind] = true;
    for (unsigned kind = 0; kind < KIND_END; kind++)
        if (form_of(kind) && !seen[kind])
            fail_msg("the transcript has no %s", form_of(kind)->name);
    free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_documented),
        cmocka_unit_test(test_limits_are_documented),
        cmocka_unit_test(test_transcript_is_what_the_codec_says),
        cmocka_unit_test(test_transcript_has_every_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
