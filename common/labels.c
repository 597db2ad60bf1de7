#include "common/labels.h"

#include <stdio.h>
#include <string.h>

static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789._-";

/* The next label, *at being at its quote or before it; its size, 0: none. */
static size_t next(const char **at, const char **ret)
{
    const char *quote = strchr(*at, '"');

    if (!quote)
        return 0;
    *ret = quote + 1;
    const size_t size = strspn(*ret, ALLOWED);
    *at = *ret + size + 1;
    return size;
}

bool labels_add(char labels[LABELS_TEXT], const char *name)
{
    char out[LABELS_TEXT + LABEL_BYTES + 4];
    const size_t size = strlen(name);
    const char *at = labels, *label;
    size_t count = 0, used = 0, length;
    bool added = false;

    if (size < 1 || size > LABEL_BYTES || strspn(name, ALLOWED) != size)
        return false;
    if (labels_has(labels, name))
        return true;
    while ((length = next(&at, &label)) > 0) {
        if (!added && strncmp(name, label, length) < 0) {
            used += (size_t)snprintf(out + used, sizeof out - used, ",\"%s\"", name);
            added = true;
        }
        used += (size_t)snprintf(out + used, sizeof out - used, ",\"%.*s\"", (int)length,
                                 label);
        count++;
    }
    if (count == LABELS_MAX)
        return false;
    if (!added)
        snprintf(out + used, sizeof out - used, ",\"%s\"", name);
    snprintf(labels, LABELS_TEXT, "[%.*s]", LABELS_TEXT - 3, out + 1);
    return true;
}

bool labels_has(const char *labels, const char *name)
{
    const size_t size = strlen(name);
    const char *label;
    size_t length;

    while ((length = next(&labels, &label)) > 0)
        if (length == size && memcmp(label, name, size) == 0)
            return true;
    return false;
}

bool labels_within(const char *needs, const char *have)
{
    char name[LABEL_BYTES + 1];
    const char *label;
    size_t length;

    while ((length = next(&needs, &label)) > 0) {
        snprintf(name, sizeof name, "%.*s", (int)length, label);
        if (!labels_has(have, name))
            return false;
    }
    return true;
}

bool labels_are(const char *text, size_t size)
{
    char given[LABELS_TEXT], again[LABELS_TEXT] = "", name[LABEL_BYTES + 1];
    const char *at = given, *label;
    size_t length;

    if (size >= sizeof given)
        return false;
    snprintf(given, sizeof given, "%.*s", (int)size, size ? text : "");
    while ((length = next(&at, &label)) > 0) {
        if (length > LABEL_BYTES)
            return false;
        snprintf(name, sizeof name, "%.*s", (int)length, label);
        if (!labels_add(again, name))
            return false;
    }
    return strcmp(given, again) == 0 || (!again[0] && strcmp(given, "[]") == 0);
}
