/* coord doctor: what is wrong with a set-up, and what to do. */

#include "coordinator/cli.h"

#include "common/json.h"
#include "coordinator/doctor.h"

#include <getopt.h>
#include <string.h>

static void put_field(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "\"%s\": ", name);
    json_put_text(out, value, strlen(value));
}

static void print_json(const struct doctor_line *line, bool first)
{
    struct buf out = {0};

    buf_puts(&out, first ? "[{" : ",\n {");
    put_field(&out, "check", line->check);
    buf_puts(&out, ", ");
    put_field(&out, "level", doctor_level_name(line->level));
    buf_puts(&out, ", ");
    put_field(&out, "text", line->text);
    buf_puts(&out, ", ");
    put_field(&out, "advice", line->advice);
    buf_puts(&out, "}");
    fputs(out.data ? out.data : "", stdout);
    buf_free(&out);
}

static void print_line(const struct doctor_line *line)
{
    cli_say(stdout, "%-4s  %-11s  %s\n", doctor_level_name(line->level), line->check,
            line->text);
    if (line->advice[0])
        cli_say(stdout, "%19s-> %s\n", "", line->advice);
    fflush(stdout); /* a check may take a while */
}

int cmd_doctor(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{NULL, 0, NULL, 0}};
    struct doctor_line line;
    int code = EXIT_OK;

    if (cli_option(cli, argc, argv, "", options) != -1)
        return EXIT_USAGE;
    if (optind < argc)
        return cli_usage(cli, "unexpected '%s'", argv[optind]);
    for (size_t i = 0; doctor_check(cli, i, &line); i++) {
        if (line.level == DOCTOR_FAIL)
            code = EXIT_JOB_FAILED;
        if (cli->form == FORM_JSON)
            print_json(&line, i == 0);
        else
            print_line(&line);
    }
    if (cli->form == FORM_JSON)
        puts("]");
    return code;
}
