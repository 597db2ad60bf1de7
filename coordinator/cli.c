#include "coordinator/cli.h"

#include "common/error.h"
#include "common/mask.h"
#include "common/opts.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What an error means to a script. */
static const enum exit_code CODES[] = {
    [ERR_NONE] = EXIT_JOB_FAILED,      [ERR_INVALID] = EXIT_USAGE,
    [ERR_NO_MEMORY] = EXIT_JOB_FAILED, [ERR_IO] = EXIT_JOB_FAILED,
    [ERR_DATA] = EXIT_JOB_FAILED,      [ERR_NOT_FOUND] = EXIT_USAGE,
    [ERR_BUSY] = EXIT_JOB_FAILED,      [ERR_REFUSED] = EXIT_REFUSED,
    [ERR_TIMEOUT] = EXIT_TIMEOUT,      [ERR_UNSUPPORTED] = EXIT_USAGE,
};

char *cli_path(const struct cli *cli, const char *name, char *out, size_t size)
{
    int length = snprintf(out, size, "%s/%s", cli->dir, name);

    assert(length > 0 && (size_t)length < size);
    (void)length;
    return out;
}

void cli_quote(const char *text, struct buf *out)
{
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyz0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-+.,:=@%/";

    if (*text && text[strspn(text, PLAIN)] == '\0') {
        buf_puts(out, text);
        return;
    }
    buf_puts(out, "'");
    for (; *text; text++) {
        if (*text == '\'')
            buf_puts(out, "'\\'"); /* ends the quotes; what follows begins them */
        buf_add(out, text, 1);
    }
    buf_puts(out, "'");
}

void cli_dir_option(const struct cli *cli, struct buf *out)
{
    if (!cli->dir_named)
        return;
    buf_puts(out, "--dir ");
    cli_quote(cli->dir, out);
    buf_puts(out, " ");
}

int cli_make_dir(const struct cli *cli, struct error *err)
{
    char path[sizeof cli->dir];

    snprintf(path, sizeof path, "%s", cli->dir);
    for (char *slash = path + 1;; slash++) {
        slash += strcspn(slash, "/");
        char held = *slash;
        *slash = '\0';
        /* Results and what trials print are nobody else's, unless their owner opens
         * the directory. */
        if (mkdir(path, held ? 0777 : 0700) != 0 && errno != EEXIST)
            return err_errno(err, ERR_IO, "cannot create the state directory %s", path);
        *slash = held;
        if (held == '\0')
            return 0;
    }
}

int cli_integer(const char *option, const char *text, int64_t min, int64_t max,
                int64_t *ret, struct error *err)
{
    char *end;

    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < min || number > max)
        return err_set(err, ERR_INVALID,
                       "%s: expected an integer from %" PRId64 " to %" PRId64
                       ", not '%s'",
                       option, min, max, text);
    *ret = number;
    return 0;
}

/* "--dryrun=1" is like "--dry-run". */
static const char *nearest_option(const char *text, const struct option *longs)
{
    enum { OPTIONS_MAX = 16 };
    const char *names[OPTIONS_MAX + 1] = {NULL};
    char word[64];

    for (size_t i = 0; i < OPTIONS_MAX && longs[i].name; i++)
        names[i] = longs[i].name;
    text += strspn(text, "-");
    snprintf(word, sizeof word, "%.*s", (int)strcspn(text, "="), text);
    return name_nearest(word, names);
}

static void bad_option(const struct cli *cli, int kind, const char *text,
                       const struct option *longs)
{
    const char *nearest = nearest_option(text, longs);

    if (kind == ':')
        cli_usage(cli, "option '%s' needs a value", text);
    else if (optopt != 0 && strncmp(text, "--", 2) == 0)
        cli_usage(cli, "option '%s' takes no value", text);
    else if (optopt != 0)
        cli_usage(cli, "unknown option '-%c'", optopt);
    else if (nearest)
        cli_usage(cli, "unknown option '%s' (did you mean '--%s'?)", text, nearest);
    else
        cli_usage(cli, "unknown option '%s'", text);
}

int cli_option(const struct cli *cli, int argc, char **argv, const char *letters,
               const struct option *longs)
{
    char quiet[16]; /* a leading ':' tells a missing value from an unknown option */

    snprintf(quiet, sizeof quiet, ":%s", letters);
    optopt = 0;
    int option = getopt_long(argc, argv, quiet, longs, NULL);
    if (option != '?' && option != ':')
        return option;
    bad_option(cli, option, argv[optind - 1], longs);
    return '?';
}

static void say(FILE *out, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

static void say(FILE *out, const char *fmt, va_list args)
{
    struct buf text = {0};

    buf_vprintf(&text, fmt, args);
    cli_write(out, text.data, text.size);
    buf_free(&text);
}

void cli_write(FILE *out, char *text, size_t size)
{
    if (size == 0)
        return;
    mask_controls(text, size, "\n\t");
    fwrite(text, 1, size, out);
}

void cli_say(FILE *out, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(out, fmt, args);
    va_end(args);
}

int cli_fail(const struct cli *cli, const struct error *err)
{
    cli_say(stderr, "coord %s: %s\n", cli->verb, err->text);
    return (int)CODES[err->code];
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "coord %s: ", cli->verb);
    va_start(args, fmt);
    say(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nusage: coord %s %s\n", cli->verb, cli->args);
    return EXIT_USAGE;
}

struct store *cli_store(const struct cli *cli, struct error *err)
{
    char path[sizeof cli->dir + 16];
    struct error why;
    struct store *store =
        store_open(cli_path(cli, "coord.db", path, sizeof path), false, &why);

    if (store)
        return store;
    if (why.code == ERR_NOT_FOUND)
        err_set(err, why.code,
                "there is no database in %s yet: 'coord run GRID' makes one, and --dir "
                "names another directory",
                cli->dir);
    else if (err)
        *err = why;
    return NULL;
}
