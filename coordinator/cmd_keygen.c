/* coord keygen: who may connect over tcp. */

#include "coordinator/cli.h"

#include "common/error.h"
#include "coordinator/keyring.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* ---- the list ---------------------------------------------------------------- */

static const struct {
    const char *begin, *between, *end;
} FORMS[] = {
    [FORM_TABLE] = {"role    name                 key\n", "\n", "\n"},
    [FORM_CSV] = {"role,name,key\n", "\n", "\n"},
    [FORM_JSON] = {"[", ",\n ", "]\n"},
};

/* Names and keys have no character that CSV or JSON would have to escape. */
static void print_row(enum cli_form form, const struct keyring_entry *entry)
{
    const char *role = keyring_role_name(entry->role);

    if (form == FORM_TABLE)
        printf("%-7s %-20s %s", role, entry->name, entry->public_key);
    else if (form == FORM_CSV)
        printf("%s,%s,%s", role, entry->name, entry->public_key);
    else
        printf("{\"role\": \"%s\", \"name\": \"%s\", \"key\": \"%s\"}", role, entry->name,
               entry->public_key);
}

static int list(struct cli *cli, struct error *err)
{
    struct keyring *keyring = keyring_open(cli->dir, err);

    if (!keyring)
        return -1;
    fputs(FORMS[cli->form].begin, stdout);
    for (size_t i = 0; i < keyring_count(keyring); i++) {
        if (i > 0)
            fputs(FORMS[cli->form].between, stdout);
        print_row(cli->form, keyring_at(keyring, i));
    }
    if (keyring_count(keyring) > 0 || cli->form == FORM_JSON)
        fputs(FORMS[cli->form].end, stdout);
    keyring_close(&keyring);
    return 0;
}

/* ---- changes ------------------------------------------------------------------ */

/* stdout has the path, for scripts. */
static int add(struct cli *cli, enum wire_role role, const char *name, struct error *err)
{
    char path[PATH_MAX];

    if (keyring_add(cli->dir, role, name, err) != 0 ||
        keyring_path(cli->dir, name, path, sizeof path, err) != 0)
        return -1;
    puts(path);
    if (role == WIRE_WORKER)
        fprintf(stderr,
                "Copy it to where the worker runs, and keep it secret there:\n"
                "    coord-worker --connect tcp://HOST:PORT --key %s.key\n",
                name);
    else
        fprintf(stderr,
                "Give it to the person it is for, who keeps it secret and sets\n"
                "    COORD_KEY=/path/to/%s.key\n",
                name);
    return 0;
}

static int shut_out(struct cli *cli, const char *name, struct error *err)
{
    if (keyring_revoke(cli->dir, name, err) != 0)
        return -1;
    fprintf(stderr,
            "'%s' may not connect any more; who is connected with it is put out\n", name);
    return 0;
}

int cmd_keygen(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {{"worker", required_argument, NULL, 'w'},
                                            {"client", required_argument, NULL, 'c'},
                                            {"revoke", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    const char *name = NULL;
    int option, what = 0, rc;
    struct error err = {0};

    while ((option = cli_option(cli, argc, argv, "", options)) != -1) {
        if (option == '?')
            return EXIT_USAGE;
        if (what)
            return cli_usage(cli, "one of --worker, --client, --revoke at a time");
        what = option;
        name = optarg;
    }
    if (optind < argc)
        return cli_usage(cli, "unexpected '%s'", argv[optind]);
    rc = cli_make_dir(cli, &err);
    if (rc == 0 && keyring_setup(cli->dir, &err) < 0)
        rc = -1;
    if (rc == 0 && what == 0)
        rc = list(cli, &err);
    else if (rc == 0 && what == 'r')
        rc = shut_out(cli, name, &err);
    else if (rc == 0)
        rc = add(cli, what == 'w' ? WIRE_WORKER : WIRE_CLIENT, name, &err);
    return rc == 0 ? EXIT_OK : cli_fail(cli, &err);
}
