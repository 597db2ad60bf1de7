#include "coordinator/imports.h"

#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "coordinator/artifact.h"
#include "coordinator/store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 4096 };

static void folder_path(struct artifact_store *artifacts, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%.*s/imported", PATH_MAX - 64, artifact_dir(artifacts));
}

static void note_path(struct artifact_store *artifacts, const char *hash,
                      char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%.*s/imported/%.32s", PATH_MAX - 64, artifact_dir(artifacts),
             hash);
}

int imports_mark(struct artifact_store *artifacts, const char *hash, const char *name,
                 struct error *err)
{
    char path[PATH_MAX];
    size_t size = strlen(name);

    folder_path(artifacts, path);
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return err_errno(err, ERR_IO, "cannot create the folder %s", path);
    note_path(artifacts, hash, path);
    return file_write(path, name, size < NAME_MAX_BYTES ? size : NAME_MAX_BYTES, err);
}

bool imports_marked(struct artifact_store *artifacts, const char *hash)
{
    char path[PATH_MAX];

    note_path(artifacts, hash, path);
    return access(path, F_OK) == 0;
}

static int add_one(struct store *store, struct artifact_store *artifacts,
                   const char *hash, int64_t now_ms, struct error *err)
{
    struct buf name = {0};
    char path[PATH_MAX];
    uint64_t size;
    int rc = 0;

    if (!artifact_has(artifacts, hash, &size))
        return 0;
    note_path(artifacts, hash, path);
    if (file_read(path, NAME_MAX_BYTES, &name, err) != 0)
        rc = -1;
    else
        rc = store_import(store, hash, size, name.data ? name.data : "", now_ms, err);
    buf_free(&name);
    return rc;
}

int imports_add(struct store *store, struct artifact_store *artifacts, int64_t now_ms,
                struct error *err)
{
    char path[PATH_MAX];
    struct dirent *entry;
    int rc = 0;

    folder_path(artifacts, path);
    DIR *dir = opendir(path);
    while (dir && rc == 0 && (entry = readdir(dir)))
        if (hash_is_hex(entry->d_name, strlen(entry->d_name)))
            rc = add_one(store, artifacts, entry->d_name, now_ms, err);
    if (dir)
        closedir(dir);
    return rc;
}

int imports_take(struct store *store, struct artifact_store *artifacts, int64_t now_ms,
                 struct error *err)
{
    if (store_begin(store, err) == 0 && imports_add(store, artifacts, now_ms, err) == 0 &&
        store_commit(store, err) == 0)
        return 0;
    store_rollback(store);
    return -1;
}
