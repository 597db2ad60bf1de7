#include "coordinator/doctor.h"

#include "common/clock.h"
#include "common/datasets.h"
#include "common/error.h"
#include "common/json.h"
#include "common/version.h"
#include "coordinator/keyring.h"
#include "coordinator/lock.h"
#include "coordinator/process.h"
#include "proto/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    GB = 1000 * 1000 * 1000,
    /* Room for a few large runs' states; below that a sweep stops soon. */
    SPACE_WARN_GB = 5,
    SPACE_FAIL_MB = 200,
    /* Times in the database are the coordinator's; beyond this, reading them beside
     * one's own clock misleads. */
    SKEW_MAX_MS = 2000,
    UNHEARD_MS = 3000,
    /* Larger ones take their time: 'coord db check' reads them whole. */
    CHECK_SIZE_MAX = 200 * 1000 * 1000,
};

__attribute__((format(printf, 3, 4))) static void found(struct doctor_line *line,
                                                        enum doctor_level level,
                                                        const char *fmt, ...)
{
    va_list args;

    line->level = level;
    va_start(args, fmt);
    vsnprintf(line->text, sizeof line->text, fmt, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3))) static void advise(struct doctor_line *line,
                                                         const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(line->advice, sizeof line->advice, fmt, args);
    va_end(args);
}

/* ---- the directory --------------------------------------------------------- */

static void check_directory(const struct cli *cli, struct doctor_line *line)
{
    struct stat st;

    if (stat(cli->dir, &st) != 0) {
        found(line, errno == ENOENT ? DOCTOR_WARN : DOCTOR_FAIL, "%.400s: %s", cli->dir,
              strerror(errno));
        advise(line, "'coord serve' and 'coord run' make it; --dir or $COORD_DIR names "
                     "another");
        return;
    }
    if (!S_ISDIR(st.st_mode)) {
        found(line, DOCTOR_FAIL, "%.400s is not a directory", cli->dir);
        advise(line, "name another one with --dir or $COORD_DIR");
    } else if (access(cli->dir, R_OK | W_OK | X_OK) != 0) {
        found(line, DOCTOR_FAIL, "%.400s: %s", cli->dir, strerror(errno));
        advise(line, "chmod u+rwx it, or name one of your own with --dir");
    } else if (st.st_mode & 002) {
        found(line, DOCTOR_FAIL, "%.400s can be written by everybody", cli->dir);
        advise(line, "chmod o-w %.400s", cli->dir);
    } else {
        found(line, DOCTOR_OK, "%.400s", cli->dir);
    }
}

static void check_space(const struct cli *cli, struct doctor_line *line)
{
    struct statvfs fs;

    if (statvfs(cli->dir, &fs) != 0) {
        found(line, errno == ENOENT ? DOCTOR_OK : DOCTOR_FAIL, "not looked at: %s",
              strerror(errno));
        return;
    }
    double bytes = (double)fs.f_bavail * (double)fs.f_frsize;
    enum doctor_level level = bytes < SPACE_FAIL_MB * 1e6          ? DOCTOR_FAIL
                              : bytes < (double)SPACE_WARN_GB * GB ? DOCTOR_WARN
                                                                   : DOCTOR_OK;
    found(line, level, "%.1f GB are free", bytes / GB);
    if (level != DOCTOR_OK)
        advise(line, "make room, or move the directory: results and states of runs go "
                     "there, and no job is handed out while nothing can be written");
}

/* ---- the database ---------------------------------------------------------- */

static int quick_check(struct store *store, char *out, size_t size, struct error *err)
{
    struct query *query = query_open(store, "PRAGMA quick_check(1)", NULL, 0, err);
    int rc = query ? query_next(query, err) : -1;

    if (rc > 0)
        snprintf(out, size, "%s", query_text(query, 0, NULL));
    query_close(&query);
    return rc > 0 ? 0 : -1;
}

static void check_database(const struct cli *cli, struct doctor_line *line)
{
    char path[sizeof cli->dir + 16], text[256] = "ok";
    struct error err = {0};
    struct stat st;

    cli_path(cli, "coord.db", path, sizeof path);
    if (stat(path, &st) != 0) {
        found(line, errno == ENOENT ? DOCTOR_OK : DOCTOR_FAIL, "%s",
              errno == ENOENT ? "none yet" : strerror(errno));
        return;
    }
    struct store *store = store_open(path, false, &err);
    bool small = st.st_size <= CHECK_SIZE_MAX;
    int64_t jobs = 0, full = 0;
    if (!store || (small && quick_check(store, text, sizeof text, &err) != 0) ||
        cli_int(store, "SELECT count(*) FROM job", NULL, &jobs, &err) != 0 ||
        cli_int(store, "SELECT count(*) FROM coordinator WHERE durability = 'full'", NULL,
                &full, &err) != 0) {
        found(line, DOCTOR_FAIL, "%.500s", err.text);
        advise(line, "'coord db check' says more; a backup can replace the file while no "
                     "coordinator runs");
    } else if (strcmp(text, "ok") != 0) {
        found(line, DOCTOR_FAIL, "damaged: %s", text);
        advise(line, "stop the coordinator and put a backup in its place");
    } else {
        found(line, DOCTOR_OK, "%" PRId64 " jobs, %.1f MB, schema %d, durability %s%s",
              jobs, (double)st.st_size / 1e6, STORE_SCHEMA, full ? "full" : "normal",
              small ? ", sound" : "; 'coord db check' reads it whole");
    }
    store_close(&store);
}

/* ---- keys ------------------------------------------------------------------ */

static void check_keys(const struct cli *cli, struct doctor_line *line)
{
    char path[sizeof cli->dir + 16], file[PATH_MAX];
    struct keyfile keyfile;
    struct error err = {0};
    size_t files = 0;
    struct stat st;

    if (stat(cli_path(cli, "keys", path, sizeof path), &st) != 0) {
        found(line, DOCTOR_OK, "none: the first 'coord serve' over tcp makes them");
        return;
    }
    struct keyring *keyring = keyring_open(cli->dir, &err);
    bool good = keyring != NULL;
    for (size_t i = 0; good && i < keyring_count(keyring); i++) {
        const struct keyring_entry *entry = keyring_at(keyring, i);
        if (keyring_path(cli->dir, entry->name, file, sizeof file, &err) != 0 ||
            access(file, F_OK) != 0)
            continue; /* it was moved to where it is used */
        files++;
        good = keyfile_read(file, &keyfile, &err) == 0;
        if (good &&
            strcmp(keyfile.keys.server_key, keyring_own(keyring)->public_key) != 0) {
            err_set(&err, ERR_INVALID, "%s is for another coordinator", file);
            good = false;
        }
    }
    if (!good) {
        found(line, DOCTOR_FAIL, "%.500s", err.text);
        if (err.code != ERR_REFUSED) /* which says it itself */
            advise(line,
                   "'coord keygen --revoke NAME' and '--worker NAME' make a key anew");
    } else if (st.st_mode & 077) {
        found(line, DOCTOR_FAIL, "%.400s can be read by others", path);
        advise(line, "chmod 700 %.400s", path);
    } else {
        found(line, DOCTOR_OK, "%zu may connect, %zu key files here",
              keyring_count(keyring), files);
    }
    keyring_close(&keyring);
}

/* ---- the coordinator ------------------------------------------------------- */

struct ping {
    int64_t sent_ms, skew_ms;
    char release[64];
    bool clock;
};

static int take_pong(void *user, const struct msg *msg, struct error *err)
{
    struct ping *ping = user;

    (void)err;
    if (msg->kind != MSG_PONG)
        return 0;
    snprintf(ping->release, sizeof ping->release, "%.*s", (int)msg->pong.release.size,
             msg->pong.release.size ? msg->pong.release.data : "");
    ping->clock = msg->pong.clock_ms != 0;
    ping->skew_ms = (int64_t)msg->pong.clock_ms - clock_wall_ms();
    return 1;
}

static int ping_coordinator(const struct cli *cli, struct ping *ping, struct error *err)
{
    struct cli_link link;

    if (cli_link(cli, &link, err) != 0)
        return -1;
    ping->sent_ms = clock_mono_ms();
    return cli_ping(&link, UNHEARD_MS, take_pong, ping, err);
}

static void check_coordinator(const struct cli *cli, struct doctor_line *line)
{
    char path[sizeof cli->dir + 16];
    struct ping ping = {0};
    struct error err = {0};
    pid_t pid = lock_holder(cli_path(cli, "lock", path, sizeof path));

    if (pid == 0) {
        found(line, DOCTOR_WARN, "none serves this directory");
        advise(line, "start one with 'coord serve', or do all on this machine with "
                     "'coord run GRID'");
        return;
    }
    if (ping_coordinator(cli, &ping, &err) != 0) {
        found(line, DOCTOR_FAIL, "pid %ld holds the directory, %.400s", (long)pid,
              err.code == ERR_NOT_FOUND ? "and does not answer" : err.text);
        advise(line, err.code == ERR_REFUSED
                         ? "look at $COORD_KEY and keys/client.key in the directory"
                         : "see its log; 'kill -TERM' loses nothing that was "
                           "acknowledged");
    } else if (strcmp(ping.release, COORD_VERSION) != 0) {
        found(line, DOCTOR_WARN,
              "pid %ld answers; it is version %s, this is " COORD_VERSION, (long)pid,
              ping.release[0] ? ping.release : "unknown");
        advise(line, "start it anew with this program: nothing is lost by that");
    } else if (ping.clock && llabs(ping.skew_ms) > SKEW_MAX_MS) {
        found(line, DOCTOR_WARN, "its clock is %+.1f s from this one",
              (double)ping.skew_ms / 1000);
        advise(line, "set the clocks (NTP): times in the database are the coordinator's");
    } else {
        found(line, DOCTOR_OK,
              "pid %ld, version " COORD_VERSION ", answers within %" PRId64 " ms",
              (long)pid, clock_mono_ms() - ping.sent_ms);
    }
}

/* ---- this machine ---------------------------------------------------------- */

static void check_cpu(const struct cli *cli, struct doctor_line *line)
{
    (void)cli;
#if defined(__x86_64__)
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
              __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");

    found(line, v3 ? DOCTOR_OK : DOCTOR_FAIL, "%ld cores; %s",
          sysconf(_SC_NPROCESSORS_ONLN),
          v4   ? "AVX2, FMA and AVX-512"
          : v3 ? "AVX2 and FMA, no AVX-512"
               : "neither AVX2 nor FMA");
    if (!v3)
        advise(line, "build for this machine: make ARCH=-march=native");
#else
    found(line, DOCTOR_OK, "%ld cores", sysconf(_SC_NPROCESSORS_ONLN));
#endif
}

/* What the worker's program beside this one says of itself. */
static struct json *ask_worker(char *program, size_t size, struct error *err)
{
    struct buf command = {0}, text = {0};
    struct json *json = NULL;
    FILE *pipe = NULL;

    process_find("coord-worker", program, size);
    cli_quote(program, &command);
    buf_puts(&command, " --provenance 2>/dev/null");
    pipe = command.failed ? NULL : popen(command.data, "re");
    char *room = pipe ? buf_reserve(&text, PROTO_TEXT_MAX) : NULL;
    if (room)
        text.size = fread(room, 1, PROTO_TEXT_MAX, pipe);
    if (pipe && pclose(pipe) == 0 && text.size > 0)
        json = json_parse(text.data, text.size, err);
    else
        err_set(err, ERR_NOT_FOUND, "%s does not run", program);
    buf_free(&text);
    buf_free(&command);
    return json;
}

static const char *text_of(const struct json *json, const char *key)
{
    const char *text = json_text(json_get(json, key));

    return text ? text : "?";
}

/* OpenBLAS on a CPU that it does not know, or told wrongly. */
static bool slow_blas(const char *core)
{
    static const char *const slow[] = {"Prescott", "Core2", "Generic", "Nehalem"};

    for (size_t i = 0; i < sizeof slow / sizeof slow[0]; i++)
        if (strcasecmp(core, slow[i]) == 0)
            return true;
    return false;
}

static void check_worker(const struct cli *cli, struct doctor_line *line)
{
    const char *wanted = getenv("OPENBLAS_CORETYPE");
    char program[PATH_MAX];
    struct error err = {0};
    struct json *json = ask_worker(program, sizeof program, &err);
    const char *blas = text_of(json, "blas");

    (void)cli;
    if (!json) {
        found(line, DOCTOR_FAIL, "%.500s", err.text);
        advise(line, "install both programs together: make install");
    } else if (strcmp(text_of(json, "version"), COORD_VERSION) != 0) {
        found(line, DOCTOR_FAIL, "%.300s is version %.64s, this is " COORD_VERSION,
              program, text_of(json, "version"));
        advise(line, "install both programs together: make install");
    } else if (slow_blas(blas)) {
        found(line, DOCTOR_WARN,
              "BLAS kernels %.64s%s%.64s, several times slower than "
              "this CPU's",
              blas, wanted ? ", as $OPENBLAS_CORETYPE says: " : "", wanted ? wanted : "");
        advise(line, "unset OPENBLAS_CORETYPE, or set it to Haswell (or SkylakeX); runs "
                     "use them with train.kernels = \"native\"");
    } else {
        found(line, DOCTOR_OK, "version " COORD_VERSION ", kernels %.64s, BLAS %.64s",
              text_of(json, "kernels"), blas);
    }
    json_free(&json);
}

/* ---- data sets ------------------------------------------------------------- */

/* How many of a data set's files are in a folder, of how many. */
static int count_files(const struct dataset_info *info, const char *dir, int *ret_of)
{
    char path[PATH_MAX];
    int there = 0;

    *ret_of = 0;
    for (int i = 0; i < 8 && info->files[i]; i++, ++*ret_of) {
        snprintf(path, sizeof path, "%.2000s/%.200s", dir, info->files[i]);
        if (access(path, R_OK) != 0)
            snprintf(path, sizeof path, "%.2000s/%.200s.gz", dir, info->files[i]);
        there += access(path, R_OK) == 0;
    }
    return there;
}

/* As a worker would look: the folder that is named, then the system's. */
static void find_data(const struct dataset_info *info, const char *data,
                      struct buf *there, struct buf *absent, struct doctor_line *line)
{
    char named[PATH_MAX] = "";
    struct stat st;
    int of;

    if (info->format == DATASET_SPIRAL) {
        buf_printf(there, ", %s", info->name);
        return;
    }
    if (data && data[0])
        snprintf(named, sizeof named, "%.2000s/%.200s", data, info->name);
    bool use = named[0] && stat(named, &st) == 0;
    const char *dir = use ? named : info->dir ? info->dir : "";
    int files = count_files(info, dir, &of);
    if (files == of)
        buf_printf(there, ", %s", info->name);
    else
        buf_printf(absent, ", %s", info->name);
    if (files > 0 && files < of) {
        found(line, DOCTOR_FAIL, "%s: %d of %d files are in %.300s", info->name, files,
              of, dir);
        advise(line, "copy the others there, as their authors distribute them");
    }
}

static void check_data(const struct cli *cli, struct doctor_line *line)
{
    const char *data = getenv("COORD_DATA");
    struct buf there = {0}, absent = {0};
    const struct dataset_info *info;
    struct stat st;

    (void)cli;
    if (data && data[0] && (stat(data, &st) != 0 || !S_ISDIR(st.st_mode))) {
        found(line, DOCTOR_FAIL, "$COORD_DATA is no folder: %.400s", data);
        advise(line, "unset it, or name the folder that has DIR/mnist and so on");
        return;
    }
    for (size_t i = 0; (info = dataset_at(i)) != NULL; i++)
        find_data(info, data, &there, &absent, line);
    if (!line->text[0]) {
        found(line, DOCTOR_OK, "found: %.200s%s%.200s", there.data ? there.data + 2 : "",
              absent.size ? "; not here: " : "", absent.size ? absent.data + 2 : "");
        if (absent.size)
            advise(line, "$COORD_DATA names the folder that has DIR/NAME of each; "
                         "Fashion-MNIST is the package dataset-fashion-mnist");
    }
    buf_free(&there);
    buf_free(&absent);
}

/* ---- the table ------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(const struct cli *cli, struct doctor_line *line);
} CHECKS[] = {
    {"directory", check_directory},     {"space", check_space},
    {"database", check_database},       {"keys", check_keys},
    {"coordinator", check_coordinator}, {"cpu", check_cpu},
    {"worker", check_worker},           {"data", check_data},
};

bool doctor_check(const struct cli *cli, size_t index, struct doctor_line *ret)
{
    if (index >= sizeof CHECKS / sizeof CHECKS[0])
        return false;
    *ret = (struct doctor_line){.check = CHECKS[index].name};
    CHECKS[index].run(cli, ret);
    return true;
}

const char *doctor_level_name(enum doctor_level level)
{
    static const char *const names[] = {"ok", "warn", "FAIL"};

    return names[level];
}
