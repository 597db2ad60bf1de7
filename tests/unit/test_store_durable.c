/* What survives what: a write-ahead log that is cut, flipped or blanked, a database with
 * blank pages, a power cut under either durability, and a reader who does not end. */

#include "common/clock.h"
#include "storekit.h"

#include <sqlite3.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { BATCHES = 24, PAGE = 4096, PATH_SIZE = 160 };

static char *in_dir(const struct kit *kit, const char *name, char out[PATH_SIZE])
{
    snprintf(out, PATH_SIZE, "%s/%s", kit->dir, name);
    return out;
}

/* The bytes of a file; NULL when there is none. */
static char *slurp(const char *path, long *ret_size)
{
    FILE *file = fopen(path, "rb");

    *ret_size = 0;
    if (!file)
        return NULL;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *ret_size = ftell(file);
    rewind(file);
    char *bytes = malloc((size_t)*ret_size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)*ret_size, file), *ret_size);
    fclose(file);
    return bytes;
}

static void spill(const char *path, const char *bytes, long size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, (size_t)size, file), size);
    fclose(file);
}

/* Batch i adds one artifact whose size is i, so that a prefix is told from a gap. */
static void commit_one(struct kit *kit, int i)
{
    char hash[HASH_TEXT];

    snprintf(hash, sizeof hash, "%032x", i);
    kit_begin(kit);
    MUST(store_artifact_add(kit->store, hash, (uint64_t)i, NOW, err) == 0);
    kit_commit(kit);
}

/* ---- the log is damaged ------------------------------------------------------ */

struct files {
    char *db, *wal;
    long db_size, wal_size;
};

/* A database as a killed coordinator leaves it: BATCHES commits in its log. */
static struct files left_behind(struct kit *kit)
{
    char wal[PATH_SIZE];
    struct files files;

    MUST(store_checkpoint(kit->store, 0, err) == 0);
    for (int i = 0; i < BATCHES; i++)
        commit_one(kit, i);
    files.db = slurp(kit->path, &files.db_size);
    files.wal = slurp(in_dir(kit, "coord.db-wal", wal), &files.wal_size);
    assert_true(files.wal_size > BATCHES * PAGE);
    return files;
}

/* How many batches a coordinator finds: none but the first so many, and all sound. */
static int recovered(struct kit *kit, const struct files *files, const char *wal,
                     long wal_size)
{
    char path[PATH_SIZE], log[PATH_SIZE];
    struct store *store;

    spill(in_dir(kit, "other.db", path), files->db, files->db_size);
    spill(in_dir(kit, "other.db-wal", log), wal, wal_size);
    unlink(in_dir(kit, "other.db-shm", log));
    MUST((store = store_open(path, true, err)) != NULL);
    assert_string_equal(kit_text(store, "PRAGMA integrity_check"), "ok");
    int count = (int)kit_int(store, "SELECT count(*) FROM artifact");
    assert_int_equal(kit_int(store, "SELECT ifnull(max(size), -1) FROM artifact"),
                     count - 1);
    store_close(&store);
    return count;
}

static void t12_a_damaged_log_gives_the_commits_before(void **state)
{
    struct kit kit;
    int before = BATCHES;

    (void)state;
    kit_open(&kit);
    struct files files = left_behind(&kit);
    assert_int_equal(recovered(&kit, &files, files.wal, files.wal_size), BATCHES);
    /* Cut, by every little and by much: never more than was, and in the end nothing. */
    for (long cut = 1; cut < files.wal_size; cut += 1 + cut / 4) {
        int count = recovered(&kit, &files, files.wal, files.wal_size - cut);
        assert_true(count <= before);
        before = count;
    }
    assert_int_equal(recovered(&kit, &files, files.wal, 0), 0);
    /* Flipped, and blanked: what was committed before that place is there. */
    char *copy = malloc((size_t)files.wal_size);
    assert_non_null(copy);
    for (long at = 40; at < files.wal_size; at += files.wal_size / 37) {
        memcpy(copy, files.wal, (size_t)files.wal_size);
        copy[at] ^= 0x10;
        int flipped = recovered(&kit, &files, copy, files.wal_size);
        long size = files.wal_size - at < PAGE ? files.wal_size - at : PAGE;
        memset(copy + at, 0, (size_t)size);
        int blanked = recovered(&kit, &files, copy, files.wal_size);
        int cut = recovered(&kit, &files, files.wal, at);
        assert_true(flipped >= cut && flipped < BATCHES);
        assert_true(blanked >= cut && blanked < BATCHES);
    }
    free(copy);
    free(files.db);
    free(files.wal);
    kit_close(&kit);
}

static void count_line(void *user, const char *line)
{
    (void)line;
    ++*(int *)user;
}

static void t12_a_blank_page_is_not_passed_over(void **state)
{
    char path[PATH_SIZE];
    struct kit kit;
    long size;

    (void)state;
    kit_open(&kit);
    for (int i = 0; i < BATCHES; i++)
        commit_one(&kit, i);
    store_close(&kit.store);
    char *bytes = slurp(kit.path, &size), *copy = malloc((size_t)size);
    assert_non_null(copy);
    for (long at = 0; at < size; at += PAGE) {
        int faults = 0;
        memcpy(copy, bytes, (size_t)size);
        memset(copy + at, 0, PAGE);
        spill(in_dir(&kit, "other.db", path), copy, size);
        struct store *store = store_open(path, false, NULL);
        if (store && store_check(store, count_line, &faults, NULL) == 0 && faults == 0)
            fail_msg("page %ld is blank, and nobody says so", at / PAGE + 1);
        store_close(&store);
    }
    free(copy);
    free(bytes);
    MUST((kit.store = store_open(kit.path, true, err)) != NULL);
    kit_close(&kit);
}

/* ---- power cuts -------------------------------------------------------------- */

/* SQLite's own files, but that each fsync copies the file to where a power cut would
 * leave it: what was never flushed is not there. */
static struct {
    sqlite3_vfs vfs, *real;
    const sqlite3_io_methods *from[4];
    sqlite3_io_methods to[4];
    struct {
        sqlite3_file *file;
        char path[PATH_SIZE];
    } open[32];
    int log_syncs;
} disk;

static int disk_sync(sqlite3_file *file, int flags)
{
    char path[PATH_SIZE + 16];
    int code = SQLITE_IOERR;
    long size;

    for (int i = 0; i < 4; i++)
        if (file->pMethods == &disk.to[i])
            code = disk.from[i]->xSync(file, flags);
    for (int i = 0; i < 32; i++) {
        const char *from = disk.open[i].path, *suffix = strstr(from, "coord.db");
        if (disk.open[i].file != file || !suffix)
            continue;
        disk.log_syncs += strcmp(suffix, "coord.db-wal") == 0;
        snprintf(path, sizeof path, "%.*sflushed%s", (int)(suffix - from), from,
                 suffix + 5);
        char *bytes = slurp(from, &size);
        spill(path, bytes, size);
        free(bytes);
    }
    return code;
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    int code = disk.real->xOpen(disk.real, name, file, flags, ret_flags), kind = 0;

    (void)vfs;
    if (code != SQLITE_OK || !file->pMethods || !name || !strstr(name, "coord.db"))
        return code;
    while (disk.from[kind] && disk.from[kind] != file->pMethods)
        kind++;
    assert_true(kind < 4);
    disk.from[kind] = file->pMethods;
    disk.to[kind] = *file->pMethods;
    disk.to[kind].xSync = disk_sync;
    file->pMethods = &disk.to[kind];
    int place = 0;
    while (disk.open[place].file && disk.open[place].file != file)
        place++;
    assert_true(place < 32);
    disk.open[place].file = file;
    snprintf(disk.open[place].path, PATH_SIZE, "%s", name);
    return code;
}

static int watch_disk(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof disk);
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "watched";
    disk.vfs.xOpen = disk_open;
    return sqlite3_vfs_register(&disk.vfs, 1);
}

static int leave_disk(void **state)
{
    (void)state;
    return sqlite3_vfs_unregister(&disk.vfs);
}

/* What is there after a power cut now. */
static int after_power_cut(struct kit *kit)
{
    char from[PATH_SIZE], log[PATH_SIZE], path[PATH_SIZE];
    struct files files;

    files.db = slurp(in_dir(kit, "flushed.db", from), &files.db_size);
    files.wal = slurp(in_dir(kit, "flushed.db-wal", log), &files.wal_size);
    assert_non_null(files.db);
    unlink(in_dir(kit, "other.db-shm", path));
    int count = recovered(kit, &files, files.wal ? files.wal : "", files.wal_size);
    free(files.db);
    free(files.wal);
    return count;
}

static void full_survives_a_power_cut(void **state)
{
    struct kit kit;

    (void)state;
    kit_open(&kit);
    MUST(store_set_full(kit.store, true, err) == 0);
    assert_int_equal(kit_int(kit.store, "PRAGMA synchronous"), 2);
    MUST(store_checkpoint(kit.store, 0, err) == 0);
    for (int i = 0; i < BATCHES; i++) {
        int syncs = disk.log_syncs;
        commit_one(&kit, i);
        assert_true(disk.log_syncs > syncs);
        assert_int_equal(after_power_cut(&kit), i + 1);
    }
    kit_close(&kit);
}

static void normal_may_lose_the_last_commits_and_tears_none(void **state)
{
    struct kit kit;

    (void)state;
    kit_open(&kit);
    assert_int_equal(kit_int(kit.store, "PRAGMA synchronous"), 1);
    MUST(store_checkpoint(kit.store, 0, err) == 0);
    commit_one(&kit, 0); /* which begins a log */
    int syncs = disk.log_syncs;
    for (int i = 1; i < BATCHES; i++) {
        commit_one(&kit, i);
        assert_true(after_power_cut(&kit) <= i + 1);
    }
    assert_int_equal(disk.log_syncs, syncs); /* not one */
    /* Once they are copied back they are safe. */
    MUST(store_checkpoint(kit.store, 0, err) == 0);
    assert_int_equal(after_power_cut(&kit), BATCHES);
    kit_close(&kit);
}

/* ---- a reader who does not end ---------------------------------------------- */

/* In a process of its own, as `coord sql` would be; reads until its pipe is closed. */
static pid_t start_reader(const struct kit *kit, int *ret_fd)
{
    int ready[2], stop[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(stop), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(stop[1]);
        struct store *store = store_open(kit->path, false, NULL);
        struct query *query =
            store ? query_open(store, "SELECT * FROM artifact", NULL, 0, NULL) : NULL;
        if (!query || query_next(query, NULL) != 1 || write(ready[1], "", 1) != 1 ||
            read(stop[0], &byte, 1) != 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    close(stop[0]);
    *ret_fd = stop[1];
    return pid;
}

static void t25_a_long_reader_stalls_nobody(void **state)
{
    enum { BOUND = 64 * PAGE, MANY = 300, LONG_MS = 2000 };
    int64_t longest_ms = 0;
    struct kit kit;
    int fd, status;

    (void)state;
    kit_open(&kit);
    commit_one(&kit, 0);
    pid_t reader = start_reader(&kit, &fd);
    for (int i = 1; i < MANY; i++) {
        int64_t begin_ms = clock_mono_ms();
        commit_one(&kit, i);
        MUST(store_checkpoint(kit.store, BOUND, err) == 0);
        int64_t took_ms = clock_mono_ms() - begin_ms;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
    }
    assert_true(store_log_size(kit.store) > BOUND);
    assert_int_equal(store_log_reader(kit.store), reader);
    assert_true(longest_ms < LONG_MS); /* a writer that waited would for 5 s */
    close(fd);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
    assert_int_equal(store_log_reader(kit.store), 0);
    MUST(store_checkpoint(kit.store, BOUND, err) == 0);
    assert_int_equal(store_log_size(kit.store), 0);
    /* Without one it stays within its bound, however much is written. */
    for (int i = MANY; i < 3 * MANY; i++) {
        commit_one(&kit, i);
        MUST(store_checkpoint(kit.store, BOUND, err) == 0);
        assert_true(store_log_size(kit.store) <= BOUND);
    }
    kit_close(&kit);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, watch_disk, leave_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t12_a_damaged_log_gives_the_commits_before),
        cmocka_unit_test(t12_a_blank_page_is_not_passed_over),
        ON_DISK(full_survives_a_power_cut),
        ON_DISK(normal_may_lose_the_last_commits_and_tears_none),
        cmocka_unit_test(t25_a_long_reader_stalls_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
