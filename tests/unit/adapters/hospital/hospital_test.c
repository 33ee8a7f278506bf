/* hospital_test.c - the module in a real node (not connected to a hub): each
 * way in ends in the spool, and only then is its source acknowledged. */
#include "adapters/sdk/run.h"
#include "proto/wire/sign.h"
#include "tests/unit/adapters/hospital/sample.h"
#include "tsunagi/adapter.h"
#include <arpa/inet.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EVENT "01970000-0000-7000-8000-000000000001"
#define TOKEN "00112233445566778899aabbccddeeff"

struct world {
    char dir[64];
    unsigned port;
    struct node_session *node;
};

static void path_of(const struct world *w, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", w->dir, name);
}

static void put(const struct world *w, const char *name, const void *p,
                size_t n)
{
    char path[256];
    path_of(w, name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

static bool get(const struct world *w, const char *name, char out[2048])
{
    char path[256];
    path_of(w, name, path);
    FILE *f = fopen(path, "r");
    out[0] = '\0';
    if (f == NULL)
        return false;
    out[fread(out, 1, 2047, f)] = '\0';
    fclose(f);
    return true;
}

static unsigned free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void write_keys(const struct world *w)
{
    char path[256];
    struct node_keys k;
    assert_int_equal(sign_init(), ERR_OK);
    keys_make(&k, "h1");
    path_of(w, "h1.key", path);
    assert_int_equal(keys_write(path, &k), ERR_OK);
    keys_make(&k, "hub");
    path_of(w, "hub.pub", path);
    assert_int_equal(keys_write_public(path, &k.pub), ERR_OK);
}

static void write_config(const struct world *w)
{
    char text[2048];
    int n = snprintf(
        text, sizeof(text),
        "agency = \"MI-4910100017\"; node = \"h1\"; key_file = \"h1.key\";\n"
        "spool = \"spool\"; fictitious = true;\n"
        "hub : { urgent = \"tcp://127.0.0.1:1\"; normal = "
        "\"tcp://127.0.0.1:2\"; public_file = \"hub.pub\"; origin = \"x\"; "
        "};\n"
        "module : { name = \"hospital\"; mllp_listen = \"127.0.0.1:%u\";\n"
        "  person_digits = 10; folder_quiet_ms = 100; hl7_folder = \"hl7\";\n"
        "  routes = ( { event = \"ADMISSION_RECORDED\"; to = "
        "\"WO-4931000014\"; purpose = \"P_TRA\"; } ); };\n",
        w->port);
    put(w, "node.conf", text, (size_t)n);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    char path[256];
    snprintf(w->dir, sizeof(w->dir), "/tmp/tsunagi-hospital-XXXXXX");
    if (w == NULL || mkdtemp(w->dir) == NULL)
        return -1;
    w->port = free_port();
    write_keys(w);
    write_config(w);
    path_of(w, "spool", path);
    mkdir(path, 0700);
    path_of(w, "node.conf", path);
    assert_int_equal(node_open(path, NODE_OFFLINE, stderr, &w->node), ERR_OK);
    assert_null(node_attach(w->node, &tsunagi_module));
    *state = w;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    struct world *w = *state;
    node_close(&w->node);
    nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

static void run(const struct world *w, unsigned ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t end = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    uint64_t now = end;
    for (end += ms; now < end;) {
        assert_int_equal(node_turn(w->node, 10), ERR_OK);
        clock_gettime(CLOCK_MONOTONIC, &t);
        now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    }
}

/* Events waiting for the hub, and the type of the last. */
static size_t waiting(const struct world *w, char type[64])
{
    struct node_answer a = {0};
    assert_int_equal(node_do(w->node, "outbox", NULL, 0, &a), ERR_OK);
    const json_t *list = json_object_get(a.json, "events");
    size_t n = json_array_size(list);
    const json_t *last = json_array_get(list, n == 0 ? 0 : n - 1);
    const char *name = json_string_value(json_object_get(last, "type"));
    snprintf(type, 64, "%s", name == NULL ? "" : name);
    node_answer_fini(&a);
    return n;
}

static int dial(const struct world *w)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)w->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

/* Sends bytes in pieces, lets the node work, reads what came back. */
static size_t talk(const struct world *w, int fd, const void *p, size_t n,
                   size_t piece, char out[2048])
{
    for (size_t at = 0; at < n; at += piece) {
        size_t len = n - at < piece ? n - at : piece;
        assert_int_equal(send(fd, (const char *)p + at, len, 0), len);
        run(w, 20);
    }
    ssize_t got = recv(fd, out, 2047, MSG_DONTWAIT);
    out[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

static size_t framed(const char *utf8, uint8_t *out, size_t room)
{
    out[0] = 0x0b;
    size_t n = 1 + to_jis(utf8, out + 1, room - 3);
    out[n++] = 0x1c;
    out[n++] = 0x0d;
    return n;
}

static void an_admission_by_mllp_is_in_the_spool_when_it_is_answered(void **st)
{
    const struct world *w = *st;
    uint8_t bytes[2048];
    char answer[2048], type[64];
    size_t n = framed(ADMISSION, bytes, sizeof(bytes));
    int fd = dial(w);
    talk(w, fd, bytes, n, 100, answer);
    assert_non_null(strstr(answer, "\rMSA|AA|20260601000017\r\x1c\r"));
    assert_int_equal(waiting(w, type), 1);
    assert_string_equal(type, "ADMISSION_RECORDED");
    /* the same connection, the same message: answered, and still one event */
    talk(w, fd, bytes, n, n, answer);
    assert_non_null(strstr(answer, "\rMSA|AA|"));
    assert_int_equal(waiting(w, type), 1);
    close(fd);
    run(w, 50);
}

static void a_wrong_message_by_mllp_is_answered_and_not_sent(void **state)
{
    const struct world *w = *state;
    static const char BAD[] = "\x0bMSH|^~\\&|E|4910100017|G||2026||ADT^A01|77|P"
                              "|2.4\r\x1c\r";
    char answer[2048], type[64];
    int fd = dial(w);
    talk(w, fd, BAD, sizeof(BAD) - 1, 7, answer);
    assert_non_null(strstr(answer, "\rMSA|AR|77|E-HL7-006 "));
    assert_int_equal(waiting(w, type), 0);
    /* bytes that are no frame close the connection */
    assert_int_equal(talk(w, fd, "x", 1, 1, answer), 0);
    assert_int_equal(recv(fd, answer, 1, MSG_DONTWAIT), 0);
    close(fd);
}

static void a_name_the_schema_refuses_is_told_by_its_hl7_field(void **state)
{
    const struct world *w = *state;
    static const char BAD[] = "\x0b" MSH("ADT^A01", "5", "UTF-8", "") EVN
        "PID|1||7^^^^PI||架空^花子^^^^^L^I~kaku^hanako^^^^^L^P\r" PV1
        "\r\x1c\r";
    char answer[2048];
    int fd = dial(w);
    talk(w, fd, BAD, sizeof(BAD) - 1, sizeof(BAD), answer);
    assert_non_null(strstr(answer, "\rMSA|AE|5|E-VAL-013 "));
    assert_non_null(strstr(answer, "\rERR||PID^1^5|"));
    assert_null(strstr(answer, "hanako"));
    close(fd);
}

static void a_message_as_a_file_is_taken(void **state)
{
    const struct world *w = *state;
    uint8_t bytes[2048];
    char text[2048], type[64];
    size_t n = to_jis(ADMISSION, bytes, sizeof(bytes));
    put(w, "hl7/0000123456_20260601_ADT-22", bytes, n);
    run(w, 700);
    assert_int_equal(waiting(w, type), 1);
    assert_true(get(w, "hl7/done/0000123456_20260601_ADT-22", text));
}

static void a_form_becomes_its_events(void **state)
{
    const struct world *w = *state;
    static const char FORM[] =
        "患者番号,入院日,氏名,様式,入院形態,入院形態の開始日,満了日\n"
        "0000123456,R8.4.1,架空花子,入院届,21,2026-04-01,2026-06-30\n";
    char text[2048], type[64];
    put(w, "forms/a.csv", FORM, sizeof(FORM) - 1);
    run(w, 700);
    get(w, "forms/rejected/a.csv.reason.txt", text);
    assert_string_equal(text, "");
    assert_int_equal(waiting(w, type), 2);
    assert_string_equal(type, "FILING_SUBMITTED");
    assert_true(get(w, "forms/done/a.csv.receipt.txt", text));
    assert_non_null(strstr(text, "2 LEGAL_STATUS_STARTED "));
}

static void a_consent_with_era_dates_and_labels_is_accepted(void **state)
{
    const struct world *w = *state;
    static const char FORM[] =
        "患者番号,入院日,目的,渡す先,渡す情報,同意した人,方法,いつから,"
        "いつまで\n0000123456,R8.4.1,地域移行,WO-4931000014、R_KIKAN@49201,"
        "G_ID、住所・電話,本人,書面,R8.4.14,R8.10.13\n";
    char text[2048], type[64];
    put(w, "forms/a.csv", FORM, sizeof(FORM) - 1);
    run(w, 700);
    get(w, "forms/rejected/a.csv.reason.txt", text);
    assert_string_equal(text, "");
    assert_int_equal(waiting(w, type), 1);
    assert_string_equal(type, "CONSENT_GIVEN");
}

static void an_answer_takes_its_tokens_from_the_inbox(void **state)
{
    const struct world *w = *state;
    static const char DELIVERY[] =
        "{\"event_id\":\"" EVENT "\",\"type\":\"COMMUNITY_PROVIDER_INTRODUCED\""
        ",\"agency\":\"MI-4910100025\",\"purpose\":\"P_TRA\",\"person_token\":"
        "\"" TOKEN "\",\"case_token\":\"" TOKEN "\",\"body\":{}}";
    static const char ANSWER[] =
        "{\"answer_to\":\"" EVENT "\",\"type\":\"INTRO_ANSWERED\","
        "\"body\":{\"answer\":\"INTRO_ACCEPTED\"}}";
    static const char SHEET[] =
        "番号,氏名,返事,理由\n" EVENT
        ",架空花子,引き受けられない,空きがない\n" EVENT ",架空花子,,\n";
    static const char LOST[] =
        "{\"answer_to\":\"01970000-0000-7000-8000-00000000ffff\","
        "\"type\":\"INTRO_ANSWERED\"}";
    char text[2048], type[64];
    put(w, "inbox/" EVENT ".json", DELIVERY, sizeof(DELIVERY) - 1);
    put(w, "answers/a.json", ANSWER, sizeof(ANSWER) - 1);
    put(w, "answers/b.csv", SHEET, sizeof(SHEET) - 1);
    put(w, "answers/c.json", LOST, sizeof(LOST) - 1);
    put(w, "answers/d.json", "{\"type\":", 8);
    run(w, 900);
    get(w, "answers/rejected/a.json.reason.txt", text);
    assert_string_equal(text, "");
    get(w, "answers/rejected/b.csv.reason.txt", text);
    assert_string_equal(text, "");
    assert_int_equal(waiting(w, type), 2);
    assert_string_equal(type, "INTRO_ANSWERED");
    assert_true(get(w, "answers/rejected/c.json.reason.txt", text));
    assert_non_null(strstr(text, "E-NF-001"));
    assert_true(get(w, "answers/rejected/d.json.reason.txt", text));
    assert_non_null(strstr(text, "E-VAL-014"));
}

static void one_wrong_object_of_a_file_sends_none(void **state)
{
    const struct world *w = *state;
    static const char TEXT[] =
        "[{\"type\":\"DISCHARGE_PLANNED\",\"person\":\"1\",\"case\":\"c\","
        "\"body\":{\"planned_on\":\"2026-05-28\"}},"
        "{\"type\":\"DISCHARGE_PLANNED\",\"person\":\"1\",\"case\":\"c\","
        "\"set\":{\"planned_on\":\"2026-13-28\"}}]";
    char text[2048], type[64];
    put(w, "answers/a.json", TEXT, sizeof(TEXT) - 1);
    run(w, 700);
    assert_int_equal(waiting(w, type), 0);
    assert_true(get(w, "answers/rejected/a.json.reason.txt", text));
    assert_non_null(strstr(text, "E-VAL-001"));
    assert_non_null(strstr(text, "行 line: 2"));
    assert_non_null(strstr(text, "2: planned_on"));
}

int main(void)
{
#define IN_A_NODE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_A_NODE(an_admission_by_mllp_is_in_the_spool_when_it_is_answered),
        IN_A_NODE(a_wrong_message_by_mllp_is_answered_and_not_sent),
        IN_A_NODE(a_name_the_schema_refuses_is_told_by_its_hl7_field),
        IN_A_NODE(a_message_as_a_file_is_taken),
        IN_A_NODE(a_form_becomes_its_events),
        IN_A_NODE(a_consent_with_era_dates_and_labels_is_accepted),
        IN_A_NODE(an_answer_takes_its_tokens_from_the_inbox),
        IN_A_NODE(one_wrong_object_of_a_file_sends_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
