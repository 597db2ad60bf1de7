/* Any bytes as a spec's text: what is taken is canonical, has a key, and can be
 * checked and built without a crash. */

#include "common/arch.h"
#include "common/error.h"
#include "common/spec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct buf text = {0};
    struct arch *arch = NULL;
    struct spec spec;

    if (spec_parse((const char *)data, size, &spec, &err)) {
        must(err.code == ERR_INVALID || err.code == ERR_UNSUPPORTED);
        must(strncmp(err.text, "spec: ", 6) == 0);
        return 0;
    }
    spec_text(&spec, &text);
    must(text.size == size && memcmp(text.data, data, size) == 0);
    if (spec_check(&spec, NULL, &err) == 0 && spec.kind == JOB_TRAIN)
        arch = arch_build(&spec, &err);
    arch_free(&arch);
    buf_free(&text);
    spec_free(&spec);
    return 0;
}
