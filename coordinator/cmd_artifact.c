/* coord artifact list [SWEEP] | get JOB STATE -o FILE | put FILE: the states that runs
 * and the losses that probes kept, as safetensors files that PyTorch opens; and files of
 * PyTorch's that runs start from. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "common/hash.h"
#include "common/safetensors.h"
#include "coordinator/artifact.h"
#include "coordinator/imports.h"
#include "proto/limits.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char STATES[] =
    "SELECT DISTINCT c.job, c.name AS state, c.epoch, c.step, c.size,"
    " iif(c.stored, 'stored', iif(c.name = 'init', 'derived', 'removed')) AS kept, "
    "m.intervention, m.seed, c.hash"
    " FROM checkpoint c JOIN sweep_job m ON m.job = c.job"
    " WHERE ?1 IS NULL OR m.sweep = ?1 ORDER BY c.job, c.step, c.name";

static int list(const struct cli *cli, struct store *store, const char *text,
                struct error *err)
{
    char name[CLI_NAME_MAX];
    const char *arg = NULL;
    int64_t id;

    if (text) {
        if (cli_sweep(store, text, &id, name, err) != 0)
            return -1;
        arg = name;
    }
    return cli_print_sql(cli, store, STATES, &arg, 1, NULL, err);
}

/* The hash of a stored state of a job. */
static int find_state(struct store *store, int64_t job, const char *state,
                      char ret_hash[HASH_TEXT], struct error *err)
{
    char id[24];
    const char *args[] = {id, state};
    struct query *query;

    snprintf(id, sizeof id, "%lld", (long long)job);
    query = query_open(store,
                       "SELECT hash, stored FROM checkpoint"
                       " WHERE job = CAST(?1 AS INTEGER) AND name = ?2",
                       args, 2, err);
    if (!query)
        return -1;
    int got = query_next(query, err);
    if (got == 1 && query_int(query, 1)) {
        snprintf(ret_hash, HASH_TEXT, "%s", query_text(query, 0, NULL));
    } else if (got == 1 && strcmp(state, "init") != 0) {
        got = err_set(err, ERR_NOT_FOUND,
                      "state '%s' of job %s was removed by 'coord db gc'", state, id);
    } else if (got == 1) {
        got = err_set(err, ERR_NOT_FOUND,
                      "state '%s' of job %s is derived from its spec, not stored; add "
                      "\"%s\" to train.keep to store it",
                      state, id, state);
    } else if (got == 0) {
        got = err_set(err, ERR_NOT_FOUND,
                      "job %s has no state '%s'; see 'coord artifact list'", id, state);
    }
    query_close(&query);
    return got == 1 ? 0 : -1;
}

/* Write the artifact in pieces; its bytes must have the hash that is its name. */
static int copy_to(struct artifact_store *artifacts, const char *hash, FILE *out,
                   const char *file, struct error *err)
{
    enum { PIECE = 1 << 20 };
    struct hash_state *state = hash_new();
    char got_hash[HASH_TEXT] = "";
    struct buf piece = {0};
    uint64_t size = 1, done = 0;
    int rc = state ? 0 : err_set(err, ERR_NO_MEMORY, "no memory for a hash");

    while (rc == 0 && done < size) {
        buf_clear(&piece);
        rc = artifact_read(artifacts, hash, done, PIECE, &piece, &size, err);
        if (rc != 0)
            break;
        if (piece.size == 0 || fwrite(piece.data, 1, piece.size, out) != piece.size)
            rc = err_errno(err, ERR_IO, "cannot write '%s'", file);
        else
            hash_add(state, piece.data, piece.size);
        done += piece.size;
    }
    if (rc == 0 && fflush(out) != 0)
        rc = err_errno(err, ERR_IO, "cannot write '%s'", file);
    if (state)
        hash_end(&state, got_hash);
    if (rc == 0 && strcmp(got_hash, hash) != 0)
        rc = err_set(err, ERR_DATA, "the stored bytes do not match their hash %s", hash);
    buf_free(&piece);
    return rc;
}

/* By way of FILE.part: FILE is whole or as it was. A pipe or a device cannot be
 * replaced, so it is written to. */
static int copy(struct artifact_store *artifacts, const char *hash, const char *file,
                struct error *err)
{
    char part[4200];
    struct stat st;
    bool there = stat(file, &st) == 0;
    bool direct = there && !S_ISREG(st.st_mode);

    if (there && S_ISDIR(st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is a folder: expected the name of a file",
                       file);
    int length = snprintf(part, sizeof part, direct ? "%s" : "%s.part", file);
    if (length < 0 || (size_t)length >= sizeof part)
        return err_set(err, ERR_INVALID, "the file's name is too long");
    FILE *out = fopen(part, "wb");
    if (!out)
        return err_errno(err, ERR_IO, "cannot write '%s'", part);
    int rc = copy_to(artifacts, hash, out, part, err);
    if (fclose(out) != 0 && rc == 0)
        rc = err_errno(err, ERR_IO, "cannot write '%s'", part);
    if (direct)
        return rc;
    if (rc == 0 && rename(part, file) != 0)
        rc = err_errno(err, ERR_IO, "cannot rename '%s' to '%s'", part, file);
    if (rc != 0)
        unlink(part);
    return rc;
}

static int get(const struct cli *cli, struct store *store, const char *job_text,
               const char *state, const char *file, struct error *err)
{
    char hash[HASH_TEXT], dir[4200];
    struct artifact_store *artifacts;
    int64_t job;

    if (cli_job(store, job_text, &job, err) != 0 ||
        find_state(store, job, state, hash, err) != 0)
        return -1;
    artifacts = artifact_open(cli_path(cli, "artifacts", dir, sizeof dir), err);
    int rc = artifacts ? copy(artifacts, hash, file, err) : -1;
    artifact_close(&artifacts);
    return rc;
}

/* ---- put ---------------------------------------------------------------------- */

/* Add a file's bytes to the store, by way of artifact_put as if a worker sent them:
 * what is there is whole, whoever else writes. */
static int store_bytes(struct artifact_store *artifacts, FILE *in, const char *file,
                       const char *hash, uint64_t size, struct error *err)
{
    enum { PIECE = 1 << 20 };
    char *piece = malloc(PIECE);
    uint64_t done = 0;
    int rc = piece ? 0 : err_set(err, ERR_NO_MEMORY, "no memory to read '%s'", file);

    while (rc == 0 && done < size) {
        size_t got = fread(piece, 1, PIECE, in);
        if (got == 0)
            rc = err_set(err, ERR_IO, "'%s' became shorter while it was read", file);
        else
            rc = artifact_put(artifacts, hash, size, done, (struct slice){piece, got},
                              &done, err);
    }
    free(piece);
    return rc;
}

/* Only what a run could start from is taken: a safetensors file, whole. */
static int check_file(const char *file, size_t *ret_tensors, struct error *err)
{
    struct st_file *st = st_open(file, err);

    if (!st)
        return -1;
    *ret_tensors = st_count(st);
    st_close(&st);
    return 0;
}

static int put(const struct cli *cli, const char *file, struct error *err)
{
    struct artifact_store *artifacts;
    char hash[HASH_TEXT], dir[4200];
    size_t tensors = 0;
    uint64_t size;
    FILE *in;

    if (check_file(file, &tensors, err) != 0 || hash_file(file, hash, &size, err) != 0)
        return -1;
    if (size > PROTO_ARTIFACT_MAX)
        return err_set(err, ERR_INVALID, "'%s' has more than %d bytes", file,
                       PROTO_ARTIFACT_MAX);
    in = fopen(file, "rb");
    if (!in)
        return err_errno(err, ERR_IO, "cannot read '%s'", file);
    artifacts = artifact_open(cli_path(cli, "artifacts", dir, sizeof dir), err);
    int rc = artifacts ? store_bytes(artifacts, in, file, hash, size, err) : -1;
    if (rc == 0)
        rc = imports_mark(artifacts, hash, file, err);
    artifact_close(&artifacts);
    (void)fclose(in);
    if (rc != 0)
        return -1;
    fprintf(stderr, "%s: %zu tensors; in a grid: init.from = \"file:%s\"\n", file,
            tensors, hash);
    printf("%s\n", hash);
    return 0;
}

/* ---- all ---------------------------------------------------------------------- */

int cmd_artifact(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    const char *file = NULL;
    struct error err = {0};
    int option, rc;

    while ((option = cli_option(cli, argc, argv, "o:", options)) != -1) {
        if (option != 'o')
            return EXIT_USAGE;
        file = optarg;
    }
    const char *what = argc > optind ? argv[optind] : "";
    int words = argc - optind - 1;
    bool listing = strcmp(what, "list") == 0 && words <= 1 && !file;
    bool getting = strcmp(what, "get") == 0 && words == 2 && file && file[0];
    bool putting = strcmp(what, "put") == 0 && words == 1 && !file;
    if (!listing && !getting && !putting)
        return cli_usage(
            cli, "expected 'list [SWEEP]', 'get JOB STATE -o FILE' or 'put FILE'");
    if (putting)
        return put(cli, argv[optind + 1], &err) == 0 ? EXIT_OK : cli_fail(cli, &err);
    struct store *store = cli_store(cli, &err);
    if (!store)
        rc = -1;
    else if (listing)
        rc = list(cli, store, words ? argv[optind + 1] : NULL, &err);
    else
        rc = get(cli, store, argv[optind + 1], argv[optind + 2], file, &err);
    store_close(&store);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
