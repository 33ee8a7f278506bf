/* inbox_test.c - of a person who is erased the files go as well: what came in,
 * what was answered; files of others stay. */
#include "adapters/connect/inbox.h"
#include "tests/unit/adapters/sdk/forget.h"
#include <dirent.h>

static const struct tsunagi_module INBOX = {.abi = TSUNAGI_ADAPTER_ABI,
                                            .name = "test",
                                            .about = "test",
                                            .open = inbox_module_open,
                                            .close = inbox_module_close,
                                            .on_delivery =
                                                inbox_module_delivery,
                                            .on_receipt = inbox_module_receipt,
                                            .on_tick = inbox_module_tick,
                                            .tick_ms = 10,
                                            .on_erase = inbox_module_erase};

static size_t files_in(const struct peer *p, const char *folder)
{
    char path[128];
    struct dirent *e;
    size_t n = 0;
    snprintf(path, sizeof(path), "%s/%s", p->n.folder, folder);
    DIR *d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static bool exists(const struct peer *p, const char *name)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", p->n.folder, name);
    return stat(path, &st) == 0;
}

static void answer_about(const struct peer *p, const char *name,
                         const char *person)
{
    char text[300];
    snprintf(text, sizeof(text),
             "{\"type\":\"STAY_OFFERED\",\"person\":\"%s\",\"case\":\"c %s\","
             "\"to\":[{\"agency\":\"HUB\",\"purpose\":\"P_EMG\"}],\"body\":"
             "{\"condition\":[\"NO_CONDITION\"]}}",
             person, person);
    put_file(&p->n, name, text);
}

static int setup_inbox(void **state)
{
    assert_int_equal(setup(state), 0);
    struct peer *p = *state;
    node_close(&p->s);
    nodeside_conf(&p->n, "module = { folder_quiet_ms = 10; };\n");
    assert_int_equal(node_open(p->n.conf, NODE_ONLINE, stderr, &p->s), ERR_OK);
    assert_null(node_attach(p->s, &INBOX));
    return 0;
}

static void of_the_erased_every_file_goes_and_of_others_none(void **state)
{
    struct peer *p = *state;
    struct answer a = {0};
    p->own = &a;
    p->on_ask = take_answer;
    UNTIL(p, p->leases >= 1);
    deliver(p, HONEST, 0);
    UNTIL(p, files_in(p, "inbox") == 2);
    answer_about(p, "answers/hers.json", LOCAL_ID);
    answer_about(p, "answers/his.json", "0000999999");
    UNTIL(p, exists(p, "answers/done/hers.json") &&
                 exists(p, "answers/done/his.json"));
    assert_int_equal(files_in(p, "answers/done"), 4); /* with receipts */
    struct ordered o = an_order(p);
    order(p, &o);
    lease_again(p);
    UNTIL(p, a.n == 1);
    assert_int_equal(a.outcome, PB__RECALL_OUTCOME__RECALL_HANDED_OVER);
    assert_int_equal(files_in(p, "inbox"), 0);
    assert_false(exists(p, "answers/done/hers.json") ||
                 exists(p, "answers/done/hers.json.receipt.txt"));
    assert_true(exists(p, "answers/done/his.json") &&
                exists(p, "answers/done/his.json.receipt.txt"));
}

/* Its name may hold a patient's: cut off after the file, its receipt is found
 * all the same. */
static void a_receipt_that_lost_its_file_goes_too(void **state)
{
    struct peer *p = *state;
    struct answer a = {0};
    char path[160];
    p->own = &a;
    p->on_ask = take_answer;
    UNTIL(p, p->leases >= 1);
    answer_about(p, "answers/hers.json", LOCAL_ID);
    UNTIL(p, exists(p, "answers/done/hers.json.receipt.txt"));
    snprintf(path, sizeof(path), "%s/answers/done/hers.json", p->n.folder);
    assert_int_equal(unlink(path), 0);
    struct ordered o = an_order(p);
    order(p, &o);
    lease_again(p);
    UNTIL(p, a.n == 1);
    assert_false(exists(p, "answers/done/hers.json.receipt.txt"));
}

/* The printed one, by its whole path. */
static void printed(const struct peer *p, char path[160])
{
    char name[64], uuid[37];
    struct event *ev = NULL;
    assert_int_equal(event_open(buf_slice(&p->n.hub.event), &ev), ERR_OK);
    id_format(ev->event_id, uuid);
    event_close(&ev);
    snprintf(name, sizeof(name), "inbox/%s.txt", uuid);
    assert_true(exists(p, name));
    snprintf(path, 160, "%s/%s", p->n.folder, name);
}

/* A file that cannot go keeps the order unanswered: here a folder took its
 * place. */
static void what_cannot_be_removed_is_tried_again(void **state)
{
    struct peer *p = *state;
    struct answer a = {0};
    char path[160];
    p->own = &a;
    p->on_ask = take_answer;
    UNTIL(p, p->leases >= 1);
    deliver(p, HONEST, 0);
    UNTIL(p, files_in(p, "inbox") == 2);
    printed(p, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    struct ordered o = an_order(p);
    order(p, &o);
    lease_again(p);
    turns(p, 50);
    assert_int_equal(a.n, 0);
    assert_int_equal(files_in(p, "inbox"), 2);
    assert_int_equal(rmdir(path), 0);
    lease_again(p);
    UNTIL(p, a.n == 1);
    assert_int_equal(files_in(p, "inbox"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            of_the_erased_every_file_goes_and_of_others_none, setup_inbox,
            teardown),
        cmocka_unit_test_setup_teardown(a_receipt_that_lost_its_file_goes_too,
                                        setup_inbox, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_removed_is_tried_again,
                                        setup_inbox, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
