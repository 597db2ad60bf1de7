/* Peers with keys who say whatever the protocol allows, in any order, to a live
 * coordinator: core, database and artifacts. Whatever they say, it stays in agreement
 * with its database, whose failure none of them can bring about, and at the end that
 * is sound.
 *
 * Bytes of the input choose a peer, a role, a kind of message, and the value of every
 * field that the tables of the protocol name: from words that mean something here, so
 * that messages meet, or from the field's bounds.
 */

#include "common/error.h"
#include "coordinator/core.h"
#include "coordinator/handle.h"
#include "proto/limits.h"
#include "proto/table.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TURNS_MAX = 64, ITEMS_MAX = 6, LEASE_MS = 6000, ARENA = 1 << 16 };

static void must(int truth)
{
    if (!truth)
        abort();
}

/* ---- the input ------------------------------------------------------------------ */

struct input {
    const uint8_t *at, *end;
    char *arena; /* lists of the message in the making */
    size_t used;
};

static unsigned draw(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static const char GRID[] =
    "[sweep]\nname = \"f\"\nseeds = 2\n[base]\nmodel = { name = \"mlp\" }\n"
    "data = { name = \"spiral\" }\ntrain = { epochs = 1 }\n"
    "[[probe]]\nname = \"path\"\nkind = \"path\"\nalphas = 3\n";

/* The first two are the hashes of the pieces below, filled in at the start. */
static char hashes[4][HASH_TEXT] = {"", "", "11111111111111111111111111111111",
                                    "22222222222222222222222222222222"};
static const char *const PIECES[] = {"abc", "a longer piece of an artifact"};

static const char *const WORDS[] = {
    "all",      "none",        "interp", "train",  "test",   "final",
    "init",     "resume",      "batch",  "grid",   "oom",    "diverged",
    "nonsense", "worker-lost", "{}",     "\xff\n", "epoch:1"};

static struct slice draw_text(struct input *in, const struct field *field)
{
    unsigned which = draw(in);
    size_t length;
    const char *word = WORDS[which % (sizeof WORDS / sizeof WORDS[0])];

    if (strcmp(field->name, "grid") == 0 && which < 200)
        return slice_of(GRID);
    if (field->type == FIELD_BYTES && which < 200)
        return slice_of(PIECES[which % 2]);
    length = strlen(word);
    if (length > field->hi)
        length = (size_t)field->hi;
    return (struct slice){word, length};
}

/* Small numbers meet; a few are at the bounds. */
static uint64_t draw_number(struct input *in, const struct field *field)
{
    unsigned which = draw(in);
    uint64_t number = field->lo + which % (which < 128 ? 2 : 16);

    if (which >= 240)
        number = which & 1 ? field->hi : field->hi / 2;
    if (which >= 224 && which < 240) /* the size of a piece */
        number = strlen(PIECES[which % 2]);
    if (number < field->lo)
        number = field->lo;
    return number > field->hi ? field->hi : number;
}

static double draw_real(struct input *in)
{
    static const double REALS[] = {0, 1, 0.5, -1, 1e308, -1e-300};
    unsigned which = draw(in);

    if (which >= 250)
        return which & 1 ? (double)__builtin_nanf("") : (double)__builtin_inff();
    return REALS[which % (sizeof REALS / sizeof REALS[0])];
}

static void fill(struct input *in, const struct form *form, char *base);

static void fill_many(struct input *in, const struct field *field, char *base)
{
    size_t size = field->form->size;
    uint32_t count = draw(in) % ITEMS_MAX;
    char *items;

    if (count < field->lo)
        count = (uint32_t)field->lo;
    if (in->used + count * size > ARENA)
        count = 0;
    items = in->arena + in->used;
    in->used += (count * size + 15) / 16 * 16;
    for (uint32_t i = 0; i < count; i++)
        fill(in, field->form, items + i * size);
    memcpy(base + field->at, &items, sizeof items);
    memcpy(base + field->count_at, &count, sizeof count);
}

static void fill_field(struct input *in, const struct field *field, char *base)
{
    uint64_t number;
    uint32_t narrow;
    struct slice slice;
    double real;
    bool flag;

    switch (field->type) {
    case FIELD_BOOL:
        flag = draw(in) & 1;
        memcpy(base + field->at, &flag, sizeof flag);
        break;
    case FIELD_U32:
        narrow = (uint32_t)draw_number(in, field);
        memcpy(base + field->at, &narrow, sizeof narrow);
        break;
    case FIELD_U64:
    case FIELD_I64:
        number = draw_number(in, field);
        memcpy(base + field->at, &number, sizeof number);
        break;
    case FIELD_REAL:
        real = draw_real(in);
        memcpy(base + field->at, &real, sizeof real);
        break;
    case FIELD_HEX:
        slice = slice_of(hashes[draw(in) % 4]);
        memcpy(base + field->at, &slice, sizeof slice);
        break;
    case FIELD_TEXT:
    case FIELD_BYTES:
        slice = draw_text(in, field);
        memcpy(base + field->at, &slice, sizeof slice);
        break;
    case FIELD_ONE:
        fill(in, field->form, base + field->at);
        break;
    case FIELD_MANY:
        fill_many(in, field, base);
        break;
    case FIELD_TYPE_COUNT:
        break;
    }
}

static void fill(struct input *in, const struct form *form, char *base)
{
    memset(base, 0, form->size);
    for (unsigned i = 0; i < form->count; i++)
        if (form->fields[i].required || (draw(in) & 3) != 0)
            fill_field(in, &form->fields[i], base);
}

/* ---- the coordinator ------------------------------------------------------------- */

/* An empty database that has its schema, as bytes: making one takes long. */
static struct buf template;
static char dir[64];

struct world {
    char path[96], artifact_dir[96];
    struct store *store;
    struct artifact_store *artifacts;
    struct core *core;
    int64_t now_ms;
};

static void send_nowhere(void *user, const struct wire_peer *to, const void *bytes,
                         size_t size)
{
    struct world *world = user;
    struct msg msg;

    must(msg_decode(bytes, size, &msg, NULL) == 0); /* what we say is well-formed */
    msg_free(&msg);
    if (to->id[4] == 3)
        core_gone(world->core, to);
}

static void note(void *user, enum log_level level, const char *text)
{
    (void)user;
    if (level == LOG_ERROR)
        fprintf(stderr, "%s\n", text);
}

static void read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    char bytes[4096];
    size_t got;

    must(file != NULL);
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0)
        buf_add(out, bytes, got);
    fclose(file);
}

static void remove_files(const struct world *world)
{
    char path[256];

    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%.2s/%s", world->artifact_dir, hashes[i],
                 hashes[i]);
        (void)unlink(path);
    }
    snprintf(path, sizeof path, "%s/partial", world->artifact_dir);
    DIR *partial = opendir(path);
    for (struct dirent *entry; partial && (entry = readdir(partial));)
        (void)unlinkat(dirfd(partial), entry->d_name, 0);
    if (partial)
        closedir(partial);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", world->path, ends[i]);
        (void)unlink(path);
    }
}

static void clean_up(void)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf %s", dir);
    (void)!system(command);
}

static void begin(struct world *world)
{
    bool first = dir[0] == '\0';
    struct error err;

    if (first) {
        snprintf(dir, sizeof dir, "%s/coord-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        must(mkdtemp(dir) != NULL);
        atexit(clean_up);
        for (int i = 0; i < 2; i++)
            hash_bytes(PIECES[i], strlen(PIECES[i]), hashes[i]);
    }
    snprintf(world->path, sizeof world->path, "%s/coord.db", dir);
    snprintf(world->artifact_dir, sizeof world->artifact_dir, "%s/artifacts", dir);
    if (first) {
        world->store = store_open(world->path, true, &err);
        must(world->store != NULL);
        store_close(&world->store);
        read_file(world->path, &template);
    }
    FILE *file = fopen(world->path, "wb");
    must(file && fwrite(template.data, 1, template.size, file) == template.size);
    fclose(file);
    world->store = store_open(world->path, true, &err);
    world->artifacts = artifact_open(world->artifact_dir, &err);
    must(world->store && world->artifacts);
    world->now_ms = 1000000;
    const struct core_setup setup = {.store = world->store,
                                     .artifacts = world->artifacts,
                                     .epoch = 7,
                                     .lease_ms = LEASE_MS,
                                     .beat_ms = 2000,
                                     .send = send_nowhere,
                                     .note = note,
                                     .user = world};
    world->core = core_new(&setup, world->now_ms, 1700000000000, &err);
    must(world->core != NULL);
}

static void tell(void *user, const char *line)
{
    (void)user;
    fprintf(stderr, "unsound: %s\n", line);
    abort();
}

static void end(struct world *world)
{
    core_free(&world->core);
    must(store_check(world->store, tell, NULL, NULL) == 0);
    artifact_close(&world->artifacts);
    store_close(&world->store);
    remove_files(world);
}

/* ---- one turn --------------------------------------------------------------------- */

static void say(struct world *world, struct input *in)
{
    static const enum wire_role ROLES[] = {WIRE_WORKER, WIRE_CLIENT, WIRE_ANYBODY,
                                           WIRE_WORKER};
    static const enum msg_kind KINDS[] = {
        MSG_HELLO,  MSG_BEAT,   MSG_RESULT, MSG_PUT,    MSG_GET,     MSG_BYE,
        MSG_SUBMIT, MSG_BEAT,   MSG_RESULT, MSG_PUT,    MSG_CONTROL, MSG_CHECKPOINT,
        MSG_HELLO,  MSG_BEAT,   MSG_RESULT, MSG_ASSIGN, MSG_PING,    MSG_ERROR,
        MSG_TAIL,   MSG_OUTPUT, MSG_REPORT};
    unsigned who = draw(in), what = draw(in);
    enum msg_kind kind = KINDS[what % (sizeof KINDS / sizeof KINDS[0])];
    struct wire_peer from = {.size = 5, .id = {0, 1, 2, 3, (uint8_t)(who % 4)}};
    const struct form *form = form_of(kind);
    struct buf bytes = {0};
    struct msg msg = {.kind = kind}, got;

    from.role = (uint8_t)(who >= 250 ? WIRE_NOBODY : ROLES[who % 4]);
    in->used = 0;
    fill(in, form, (char *)&msg.hello);
    if (draw(in) < 200) { /* versions that are refused teach little */
        if (kind == MSG_HELLO)
            msg.hello.version = PROTO_VERSION;
        if (kind == MSG_SUBMIT)
            msg.submit.version = PROTO_VERSION;
        if (kind == MSG_CONTROL)
            msg.control.version = PROTO_VERSION;
    }
    if (msg_encode(&msg, &bytes, NULL) == 0) {
        must(msg_decode(bytes.data, bytes.size, &got, NULL) == 0);
        handle_message(world->core, &from, &got);
        msg_free(&got);
    }
    buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;
    struct input in = {.at = data, .end = data + size, .arena = malloc(ARENA)};

    must(in.arena != NULL);
    begin(&world);
    for (int i = 0; i < TURNS_MAX && in.at < in.end; i++) {
        unsigned step = draw(&in);
        world.now_ms += step >= 240 ? LEASE_MS : step;
        core_turn(world.core, world.now_ms, 1700000000000 + world.now_ms);
        for (unsigned n = step % 4; n > 0 && in.at < in.end; n--)
            say(&world, &in);
        core_settle(world.core, step & 1);
        /* No peer can make the database fail. */
        must(world.core->loaded && !world.core->stalled);
    }
    end(&world);
    free(in.arena);
    return 0;
}
