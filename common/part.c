#include "common/part.h"

#include "common/error.h"
#include "common/spec.h"

#include <string.h>

static const char OPTION[] = "probe.part";

enum { RANGES = 4, NUMBERS = 2 * RANGES };
_Static_assert(sizeof(struct part) == NUMBERS * sizeof(int64_t), "a part is its ranges");

static int read_ranges(const struct value *list, struct part *ret, struct error *err)
{
    int64_t numbers[NUMBERS];

    if (list->list.count != NUMBERS)
        return err_set(err, ERR_INVALID, "probe.part: expected %d numbers, got %zu",
                       NUMBERS, list->list.count);
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = list->list.items[i].integer;
    for (int i = 0; i < NUMBERS; i += 2)
        if (numbers[i] > numbers[i + 1])
            return err_set(err, ERR_INVALID, "probe.part: %lld to %lld is no range",
                           (long long)numbers[i], (long long)numbers[i + 1]);
    memcpy(ret, numbers, sizeof numbers);
    return 0;
}

int part_of(const struct spec *spec, bool *ret_is, struct part *ret, struct error *err)
{
    struct value list;
    int rc;

    *ret_is = spec_has(spec, OPTION);
    if (!*ret_is)
        return 0;
    if (spec_value(spec, OPTION, &list, err))
        return -1;
    rc = read_ranges(&list, ret, err);
    value_free(&list);
    return rc;
}

static int set(struct spec *spec, const int64_t *numbers, size_t count, struct error *err)
{
    struct value list = value_list();
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = value_push(&list, value_int(numbers[i]), err);
    if (rc == 0)
        rc = spec_set(spec, OPTION, &list, err);
    value_free(&list);
    return rc;
}

int part_set(struct spec *spec, const struct part *part, struct error *err)
{
    int64_t numbers[NUMBERS];

    memcpy(numbers, part, sizeof numbers);
    return set(spec, numbers, NUMBERS, err);
}

int part_clear(struct spec *spec, struct error *err)
{
    return set(spec, NULL, 0, err);
}
