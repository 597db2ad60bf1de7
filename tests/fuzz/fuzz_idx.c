/* Any bytes as a data set file: inflated if they look like gzip, then read as
 * IDX images and labels. Nothing may be read beyond what was loaded. */

#include "common/buf.h"
#include "common/error.h"
#include "worker/data/gzfile.h"
#include "worker/data/idx.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void read_array(const struct buf *bytes, int rank)
{
    struct idx idx;
    struct error err;
    size_t count = 1, sum = 0;

    if (idx_parse(bytes->data, bytes->size, rank, "fuzz", &idx, &err))
        return;
    for (int d = 0; d < idx.rank; d++)
        count *= idx.dim[d];
    for (size_t i = 0; i < count; i++)
        sum += idx.data[i];
    assert(sum <= 255 * count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", 0);
    struct buf bytes = {0};
    struct error err;
    char path[64];

    assert(fd >= 0);
    if (write(fd, data, size) == (ssize_t)size) {
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (gzfile_load(path, 1 << 20, &bytes, &err) == 0 && bytes.size > 0)
            for (int rank = 1; rank <= IDX_RANK_MAX; rank++)
                read_array(&bytes, rank);
    }
    (void)close(fd);
    buf_free(&bytes);
    return 0;
}
