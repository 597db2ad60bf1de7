#include "common/names.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A word that ends in ':' is followed by a number. */
static const char *const WORD[] = {
    [STATE_INIT] = "init",  [STATE_FINAL] = "final",  [STATE_BEST] = "best",
    [STATE_STEP] = "step:", [STATE_EPOCH] = "epoch:",
};

enum { WORD_COUNT = sizeof WORD / sizeof WORD[0] };

static bool takes_number(const char *word)
{
    return word[strlen(word) - 1] == ':';
}

/* Decimal digits to the end, no sign, no leading zero, within int64. */
static bool parse_number(const char *text, int64_t *ret)
{
    int64_t number = 0;

    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        int digit = *text - '0';
        if (number > (INT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret = number;
    return true;
}

bool state_parse(const char *text, struct state_name *ret)
{
    for (int kind = 0; kind < WORD_COUNT; kind++) {
        const char *word = WORD[kind];
        size_t length = strlen(word);
        int64_t number = 0;

        if (strncmp(text, word, length) != 0)
            continue;
        if (takes_number(word) ? !parse_number(text + length, &number)
                               : text[length] != '\0')
            return false;
        *ret = (struct state_name){(enum state_kind)kind, number};
        return true;
    }
    return false;
}

void state_text(struct state_name state, char ret_text[STATE_TEXT])
{
    const char *word = WORD[state.kind];

    if (takes_number(word))
        snprintf(ret_text, STATE_TEXT, "%s%" PRId64, word, state.number);
    else
        snprintf(ret_text, STATE_TEXT, "%s", word);
}
