/* Whatever value_parse accepts is its own text, and survives a copy. */

#include "common/value.h"

#include "common/buf.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct buf again = {0};
    struct value value, copy;

    if (value_parse(text.data, text.size, &value, NULL) != 0)
        return 0;
    value_text(&value, &again);
    if (!slice_equal(text, (struct slice){again.data, again.size}))
        abort();
    if (value_copy(&value, &copy, NULL) != 0 || !value_equal(&value, &copy))
        abort();
    value_free(&copy);
    value_free(&value);
    buf_free(&again);
    return 0;
}
