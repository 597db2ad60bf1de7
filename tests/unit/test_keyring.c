/* The coordinator's list of keys: made, added to, revoked, read anew. */

#include "coordinator/keyring.h"

#include "common/error.h"
#include "common/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/coord-keyring-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static char *in_keys(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/keys/%s", dir, name);
    return path;
}

static struct keyring *opened(void)
{
    struct error err = {0};
    struct keyring *keyring = keyring_open(dir, &err);

    if (!keyring)
        fail_msg("%s", err.text);
    return keyring;
}

static struct wire_keys keys_of(const char *name)
{
    char path[256];
    struct keyfile file;
    struct error err = {0};

    assert_int_equal(keyring_path(dir, name, path, sizeof path, &err), 0);
    if (keyfile_read(path, &file, &err) != 0)
        fail_msg("%s", err.text);
    return file.keys;
}

static void the_first_start_makes_what_is_needed(void **state)
{
    struct error err = {0};
    const char *name;
    struct stat st;

    (void)state;
    assert_null(keyring_open(dir, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(keyring_setup(dir, &err), 1);
    assert_int_equal(keyring_setup(dir, &err), 0); /* and no other pair */
    assert_int_equal(stat(in_keys(""), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);

    struct keyring *keyring = opened();
    struct wire_keys worker = keys_of("worker"), client = keys_of("client");
    assert_string_equal(worker.server_key, keyring_own(keyring)->public_key);
    assert_int_equal(keyring_count(keyring), 2);
    assert_int_equal(keyring_role(keyring, worker.public_key, &name), WIRE_WORKER);
    assert_string_equal(name, "worker");
    assert_int_equal(keyring_role(keyring, client.public_key, NULL), WIRE_CLIENT);
    /* The coordinator's own key opens nothing, nor does an empty one. */
    assert_int_equal(keyring_role(keyring, worker.server_key, &name), WIRE_NOBODY);
    assert_string_equal(name, "");
    assert_int_equal(keyring_role(keyring, "", NULL), WIRE_NOBODY);
    keyring_close(&keyring);
}

static void keys_come_and_go_while_it_is_open(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(keyring_setup(dir, &err), 1);
    struct keyring *keyring = opened();
    assert_int_equal(keyring_refresh(keyring, &err), 0);
    assert_int_equal(keyring_add(dir, WIRE_WORKER, "gpu3", &err), 0);
    struct wire_keys keys = keys_of("gpu3");
    assert_int_equal(keyring_role(keyring, keys.public_key, NULL), WIRE_NOBODY);
    assert_int_equal(keyring_refresh(keyring, &err), 1);
    assert_int_equal(keyring_role(keyring, keys.public_key, NULL), WIRE_WORKER);
    assert_int_equal(keyring_revoke(dir, "gpu3", &err), 0);
    assert_int_equal(keyring_refresh(keyring, &err), 1);
    assert_int_equal(keyring_role(keyring, keys.public_key, NULL), WIRE_NOBODY);
    assert_int_equal(access(in_keys("gpu3.key"), F_OK), -1);
    assert_int_equal(keyring_revoke(dir, "gpu3", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(keyring_add(dir, WIRE_CLIENT, "gpu3", &err), 0);
    assert_int_equal(keyring_refresh(keyring, &err), 1);
    assert_int_equal(keyring_count(keyring), 3);
    keyring_close(&keyring);
}

static void names_are_names_and_taken_once(void **state)
{
    static const char *const bad[] = {"", ".", "../x", "a b", "a/b", "coordinator", "ä"};
    struct error err = {0};
    char longest[KEYFILE_NAME_MAX + 1];

    (void)state;
    assert_int_equal(keyring_setup(dir, &err), 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(keyring_add(dir, WIRE_WORKER, bad[i], &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
    }
    memset(longest, 'a', sizeof longest);
    longest[KEYFILE_NAME_MAX] = '\0';
    assert_int_equal(keyring_add(dir, WIRE_WORKER, longest, &err), -1);
    longest[KEYFILE_NAME_MAX - 1] = '\0';
    assert_int_equal(keyring_add(dir, WIRE_WORKER, longest, &err), 0);
    assert_int_equal(keyring_add(dir, WIRE_CLIENT, "worker", &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(keyring_revoke(dir, "../allowed", &err), -1);
}

static void a_list_that_is_missing_is_an_error(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(keyring_setup(dir, &err), 1);
    assert_int_equal(unlink(in_keys("allowed")), 0);
    assert_null(keyring_open(dir, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "allowed"));
}

/* A slip of the hand puts nobody out, and lets nobody in. */
static void a_bad_list_is_not_taken(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(keyring_setup(dir, &err), 1);
    struct wire_keys worker = keys_of("worker");
    struct keyring *keyring = opened();

    static const char junk[] = "worker x\n";
    assert_int_equal(file_write(in_keys("allowed"), junk, sizeof junk - 1, &err), 0);
    assert_int_equal(chmod(in_keys("allowed"), 0600), 0);
    assert_int_equal(keyring_refresh(keyring, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, ":1: expected"));
    assert_int_equal(keyring_refresh(keyring, &err), 0); /* said once */
    assert_int_equal(keyring_role(keyring, worker.public_key, NULL), WIRE_WORKER);
    assert_null(keyring_open(dir, &err)); /* nobody starts with it */

    assert_int_equal(file_write(in_keys("allowed"), "", 0, &err), 0);
    assert_int_equal(chmod(in_keys("allowed"), 0666), 0);
    assert_int_equal(keyring_refresh(keyring, &err), -1);
    assert_int_equal(err.code, ERR_REFUSED);
    assert_int_equal(keyring_role(keyring, worker.public_key, NULL), WIRE_WORKER);
    assert_int_equal(chmod(in_keys("allowed"), 0600), 0);
    assert_int_equal(keyring_refresh(keyring, &err), 1); /* nobody, on purpose */
    assert_int_equal(keyring_role(keyring, worker.public_key, NULL), WIRE_NOBODY);
    keyring_close(&keyring);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(the_first_start_makes_what_is_needed),
        IN_DIR(keys_come_and_go_while_it_is_open),
        IN_DIR(names_are_names_and_taken_once),
        IN_DIR(a_bad_list_is_not_taken),
        IN_DIR(a_list_that_is_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
