#include "common/mask.h"

#include "common/buf.h"

#include <stdbool.h>
#include <string.h>

/* U+202A .. U+202E, U+2066 .. U+2069 and the marks U+200E, U+200F. */
static bool turns_writing(const unsigned char *at)
{
    return at[0] == 0xE2 && ((at[1] == 0x80 && ((at[2] >= 0xAA && at[2] <= 0xAE) ||
                                                at[2] == 0x8E || at[2] == 0x8F)) ||
                             (at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9));
}

/* One character of `length` bytes; 0: a byte that is not UTF-8. */
static bool is_control(const char *text, size_t length, const char *keep)
{
    const unsigned char *at = (const unsigned char *)text;

    switch (length) {
    case 0:
        return true;
    case 1:
        return at[0] == 0x7F || (at[0] < 0x20 && (!at[0] || !strchr(keep, at[0])));
    case 2: /* C1 is U+0080 .. U+009F */
        return at[0] == 0xC2 && at[1] < 0xA0;
    case 3:
        return turns_writing(at);
    default:
        return false;
    }
}

void mask_controls(char *text, size_t size, const char *keep)
{
    for (size_t i = 0; i < size;) {
        size_t length = utf8_length(text + i, size - i);
        size_t step = length ? length : 1;

        if (is_control(text + i, length, keep))
            memset(text + i, ' ', step);
        i += step;
    }
}
