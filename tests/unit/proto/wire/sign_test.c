/* sign_test.c - keys, signatures, boxes and sealing. */
#include "proto/wire/sign.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

static char folder[] = "/tmp/tsunagi-sign-XXXXXX";

static const char *in_folder(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    return sign_init() == ERR_OK && mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command) == 0 ? 0 : -1;
}

static void check(bool ok, const char *name)
{
    if (!ok)
        fail_msg("%s", name);
}

/* ---- signatures ---- */

static const struct {
    const char *name;
    enum sign_what what;
    const char *prefix;
} ROLES[] = {
    {"W-040 an event is signed over tsunagi-event/1", SIGN_EVENT,
     "tsunagi-event/1\n"},
    {"W-040 a receipt is signed over tsunagi-receipt/1", SIGN_RECEIPT,
     "tsunagi-receipt/1\n"},
    {"W-040 a delivery is signed over tsunagi-delivery/1", SIGN_DELIVERY,
     "tsunagi-delivery/1\n"},
    {"W-040 an acknowledgement is signed over tsunagi-ack/1", SIGN_ACK,
     "tsunagi-ack/1\n"},
    {"W-040 an erasure is ordered over tsunagi-erase-order/1",
     SIGN_ERASE_ORDER, "tsunagi-erase-order/1\n"},
    {"W-040 an erasure is answered over tsunagi-erase/1", SIGN_ERASE,
     "tsunagi-erase/1\n"},
};

static void signature_covers_the_prefix_of_its_role(void **state)
{
    (void)state;
    struct node_keys k;
    keys_make(&k, "h1/ad1");
    for (size_t i = 0; i < NELEM(ROLES); i++) {
        uint8_t sig[SIGNATURE_BYTES];
        char whole[64];
        assert_int_equal(
            sign_make(ROLES[i].what, slice_str("abc"), k.sign_secret, sig),
            ERR_OK);
        int n = snprintf(whole, sizeof(whole), "%sabc", ROLES[i].prefix);
        check(crypto_sign_verify_detached(sig, (uint8_t *)whole,
                                          (unsigned long long)n,
                                          k.pub.sign) == 0,
              ROLES[i].name);
        for (size_t j = 0; j < NELEM(ROLES); j++)
            check(sign_check(ROLES[j].what, slice_str("abc"),
                             slice_of(sig, sizeof(sig)), k.pub.sign) ==
                      (i == j ? ERR_OK : ERR_EVT_SIGNATURE),
                  "W-040 a signature is good in one role only");
    }
}

/* W-041 */
static void changed_signature_is_refused(void **state)
{
    (void)state;
    struct node_keys k;
    uint8_t sig[SIGNATURE_BYTES], body[40] = {7};
    struct slice s = slice_of(sig, sizeof(sig));
    struct slice b = slice_of(body, sizeof(body));
    keys_make(&k, "h1/ad1");
    assert_int_equal(sign_make(SIGN_EVENT, b, k.sign_secret, sig), ERR_OK);
    for (size_t i = 0; i < 8 * sizeof(sig); i++) {
        sig[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(sign_check(SIGN_EVENT, b, s, k.pub.sign),
                         ERR_EVT_SIGNATURE);
        sig[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < 8 * sizeof(body); i++) {
        body[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(sign_check(SIGN_EVENT, b, s, k.pub.sign),
                         ERR_EVT_SIGNATURE);
        body[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    s.n--;
    assert_int_equal(sign_check(SIGN_EVENT, b, s, k.pub.sign),
                     ERR_EVT_SIGNATURE);
    assert_int_equal(sign_check(SIGN_EVENT, b, SLICE_NONE, k.pub.sign),
                     ERR_EVT_SIGNATURE);
}

/* ---- key files ---- */

static void key_file_comes_back_whole(void **state)
{
    (void)state;
    char path[128];
    struct node_keys k, back;
    struct stat st;
    keys_make(&k, "s2/ad1");
    in_folder("whole.key", path);
    assert_int_equal(keys_write(path, &k), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(keys_read(path, &back), ERR_OK);
    assert_memory_equal(&k, &back, sizeof(k));
    assert_int_equal(keys_write(path, &back), ERR_CONFLICT);
    keys_wipe(&back);
    assert_true(sodium_is_zero((uint8_t *)&back, sizeof(back)));
}

static void public_file_comes_back_whole(void **state)
{
    (void)state;
    char path[128];
    struct node_keys k;
    struct node_public back;
    struct buf text = {0};
    keys_make(&k, "p1/ad1");
    in_folder("p1.pub", path);
    assert_int_equal(keys_write_public(path, &k.pub), ERR_OK);
    assert_int_equal(keys_read_public(path, &back), ERR_OK);
    assert_memory_equal(&k.pub, &back, sizeof(back));
    assert_int_equal(file_read(path, 4096, &text), ERR_OK);
    struct buf secret = {0};
    buf_add_hex(&secret, slice_of(k.curve_secret, KEY_BYTES));
    assert_null(strstr((char *)text.p, (char *)secret.p));
    buf_fini(&secret);
    buf_fini(&text);
}

enum bend {
    AS_IT_IS,
    GROUP_READS,
    OTHERS_READ,
    LINK,
    NO_FILE,
    CUT,
    SECOND_LINE,
    EXTRA_LINE,
    OTHER_HEADER,
    SHORT_KEY,
    NOT_HEX,
    BAD_NODE,
    CRLF,
    HUGE
};

static const struct {
    const char *name;
    enum bend bend;
    enum err want;
} FILES[] = {
    {"W-045 a file as written is read", AS_IT_IS, ERR_OK},
    {"W-045 a file its group may read is refused", GROUP_READS, ERR_KEY_FILE},
    {"W-045 a file others may read is refused", OTHERS_READ, ERR_KEY_FILE},
    {"W-045 a symbolic link is refused", LINK, ERR_KEY_FILE},
    {"W-045 a missing file is a key file error", NO_FILE, ERR_KEY_FILE},
    {"W-045 a file cut short is refused", CUT, ERR_KEY_FILE},
    {"W-045 a key given twice is refused", SECOND_LINE, ERR_KEY_FILE},
    {"W-045 an unknown line is refused", EXTRA_LINE, ERR_KEY_FILE},
    {"W-045 another header is refused", OTHER_HEADER, ERR_KEY_FILE},
    {"W-045 a short key is refused", SHORT_KEY, ERR_KEY_FILE},
    {"W-045 a key with other digits is refused", NOT_HEX, ERR_KEY_FILE},
    {"W-045 a bad node name is refused", BAD_NODE, ERR_KEY_FILE},
    {"W-045 line ends of Windows are read", CRLF, ERR_OK},
    {"W-045 a huge file is refused", HUGE, ERR_KEY_FILE},
};

static void bend_text(struct buf *t, enum bend bend)
{
    char *p = (char *)t->p, *line = strstr(p, "curve-secret: ");
    if (bend == CUT)
        t->n = (size_t)(strstr(p, "token-secret") - p);
    if (bend == SECOND_LINE)
        memcpy(line, strstr(p, "token-secret: "), 78);
    if (bend == EXTRA_LINE)
        buf_adds(t, "other: 00\n");
    if (bend == OTHER_HEADER)
        p[12] = '2';
    if (bend == SHORT_KEY)
        memmove(line + 20, line + 22, t->n - (size_t)(line + 22 - p) + 1),
            t->n -= 2;
    if (bend == NOT_HEX)
        line[20] = 'g';
    if (bend == BAD_NODE)
        strstr(p, "h1/ad1")[0] = '/';
    for (int i = 0; bend == HUGE && i < 4096; i++)
        buf_addc(t, '\n');
}

static void write_bent(const char *path, const struct buf *t, enum bend bend)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    for (size_t i = 0; i < t->n; i++) {
        if (bend == CRLF && t->p[i] == '\n')
            assert_int_equal(write(fd, "\r", 1), 1);
        assert_int_equal(write(fd, t->p + i, 1), 1);
    }
    close(fd);
    mode_t mode = bend == GROUP_READS   ? 0640
                  : bend == OTHERS_READ ? 0604
                                        : 0600;
    assert_int_equal(chmod(path, mode), 0);
}

static void only_a_good_private_file_is_read(void **state)
{
    (void)state;
    char path[128], bent[128], link_path[128];
    struct node_keys k, back;
    keys_make(&k, "h1/ad1");
    in_folder("good.key", path);
    in_folder("bent.key", bent);
    in_folder("link.key", link_path);
    assert_int_equal(keys_write(path, &k), ERR_OK);
    assert_int_equal(symlink(path, link_path), 0);
    for (size_t i = 0; i < NELEM(FILES); i++) {
        struct buf t = {0};
        assert_int_equal(file_read(path, 4096, &t), ERR_OK);
        bend_text(&t, FILES[i].bend);
        write_bent(bent, &t, FILES[i].bend);
        const char *from = FILES[i].bend == LINK      ? link_path
                           : FILES[i].bend == NO_FILE ? "/nowhere"
                                                      : bent;
        check(keys_read(from, &back) == FILES[i].want, FILES[i].name);
        if (FILES[i].want != ERR_OK)
            check(sodium_is_zero((uint8_t *)&back, sizeof(back)),
                  "a refused file leaves no key behind");
        buf_fini(&t);
    }
}

/* W-042 */
static void connection_key_is_a_curve_pair(void **state)
{
    (void)state;
    struct node_keys k;
    char secret[41], public[41], derived[41];
    keys_make(&k, "h1/ad1");
    assert_non_null(zmq_z85_encode(secret, k.curve_secret, KEY_BYTES));
    assert_non_null(zmq_z85_encode(public, k.pub.curve, KEY_BYTES));
    assert_int_equal(zmq_curve_public(derived, secret), 0);
    assert_string_equal(public, derived);
}

/* W-044 */
static void fingerprint_is_eight_groups_of_the_hash(void **state)
{
    (void)state;
    struct node_public p = {.node = "h1/ad1"};
    char text[FINGERPRINT_TEXT];
    keys_fingerprint(&p, text);
    /* SHA-256 of 128 zero bytes */
    assert_string_equal(text, "3872-3a2e-5e8a-17aa-7950-dc00-8209-944e");
}

/* ---- boxes and sealing ---- */

/* W-043 */
static void box_opens_for_its_receiver_only(void **state)
{
    (void)state;
    struct node_keys a, b, c;
    uint8_t ab[KEY_BYTES], ba[KEY_BYTES], ca[KEY_BYTES], nonce[24];
    struct buf box = {0}, plain = {0};
    keys_make(&a, "hub");
    keys_make(&b, "s2/ad1");
    keys_make(&c, "s1/ad1");
    box_shared(ab, b.pub.box, a.box_secret);
    box_shared(ba, a.pub.box, b.box_secret);
    box_shared(ca, a.pub.box, c.box_secret);
    assert_int_equal(box_seal(ab, slice_str("hello"), nonce, &box), ERR_OK);
    struct slice n = slice_of(nonce, sizeof(nonce));
    assert_int_equal(box_open(ba, n, buf_slice(&box), &plain), ERR_OK);
    assert_true(slice_eq(buf_slice(&plain), slice_str("hello")));
    assert_int_equal(box_open(ca, n, buf_slice(&box), &plain), ERR_DLV_BOX);
    for (size_t i = 0; i < box.n; i++) {
        box.p[i] ^= 1;
        assert_int_equal(box_open(ba, n, buf_slice(&box), &plain), ERR_DLV_BOX);
        box.p[i] ^= 1;
    }
    n.n--;
    assert_int_equal(box_open(ba, n, buf_slice(&box), &plain), ERR_DLV_BOX);
    n.n++;
    assert_int_equal(box_open(ba, n, slice_of(box.p, 15), &plain), ERR_DLV_BOX);
    assert_int_equal(plain.n, 5);
    buf_fini(&box);
    buf_fini(&plain);
}

static void empty_box_opens(void **state)
{
    (void)state;
    struct node_keys a;
    uint8_t shared[KEY_BYTES], nonce[24];
    struct buf box = {0}, plain = {0};
    keys_make(&a, "hub");
    box_shared(shared, a.pub.box, a.box_secret);
    assert_int_equal(box_seal(shared, SLICE_NONE, nonce, &box), ERR_OK);
    assert_int_equal(
        box_open(shared, slice_of(nonce, 24), buf_slice(&box), &plain), ERR_OK);
    assert_int_equal(plain.n, 0);
    buf_fini(&box);
    buf_fini(&plain);
}

static void weak_public_key_gives_no_known_secret(void **state)
{
    (void)state;
    struct node_keys a;
    static const uint8_t ZERO[KEY_BYTES];
    uint8_t one[KEY_BYTES] = {0}, two[KEY_BYTES] = {0};
    keys_make(&a, "hub");
    box_shared(one, ZERO, a.box_secret);
    box_shared(two, ZERO, a.box_secret);
    assert_memory_not_equal(one, two, KEY_BYTES);
}

/* W-047 */
static void sealed_data_comes_back_and_hides_its_length(void **state)
{
    (void)state;
    uint8_t key[KEY_BYTES] = {1}, plain[200];
    memset(plain, 'x', sizeof(plain));
    for (size_t n = 0; n <= sizeof(plain); n++) {
        struct buf sealed = {0}, back = {0};
        assert_int_equal(seal(key, slice_str("p"), slice_of(plain, n), &sealed),
                         ERR_OK);
        assert_int_equal(sealed.n, 24 + (n / 64 + 1) * 64 + 16);
        assert_int_equal(unseal(key, slice_str("p"), buf_slice(&sealed), &back),
                         ERR_OK);
        assert_true(slice_eq(buf_slice(&back), slice_of(plain, n)));
        buf_fini(&sealed);
        buf_fini(&back);
    }
}

/* W-047 */
static void changed_sealed_data_is_refused(void **state)
{
    (void)state;
    uint8_t key[KEY_BYTES] = {1}, other[KEY_BYTES] = {2};
    struct buf s = {0}, back = {0};
    assert_int_equal(seal(key, slice_str("aad"), slice_str("text"), &s),
                     ERR_OK);
    for (size_t i = 0; i < s.n; i++) {
        s.p[i] ^= 0x80;
        assert_int_equal(unseal(key, slice_str("aad"), buf_slice(&s), &back),
                         ERR_INTEGRITY);
        s.p[i] ^= 0x80;
        assert_int_equal(unseal(key, slice_str("aad"), slice_of(s.p, i), &back),
                         ERR_INTEGRITY);
    }
    assert_int_equal(unseal(key, slice_str("aae"), buf_slice(&s), &back),
                     ERR_INTEGRITY);
    assert_int_equal(unseal(other, slice_str("aad"), buf_slice(&s), &back),
                     ERR_INTEGRITY);
    assert_int_equal(back.n, 0);
    buf_fini(&s);
    buf_fini(&back);
}

/* W-046 */
static void token_depends_on_key_kind_and_id(void **state)
{
    (void)state;
    uint8_t key[KEY_BYTES] = {1}, a[16], b[16], want[16];
    token_make(key, "person", slice_str("0001234"), a);
    token_make(key, "person", slice_str("0001234"), b);
    assert_memory_equal(a, b, 16);
    assert_int_equal(hex_decode("cdb1a771e113937c6a86b3f60004672b", want, 16),
                     ERR_OK);
    assert_memory_equal(a, want, 16); /* BLAKE2b by another library */
    token_make(key, "case", slice_str("0001234"), b);
    assert_memory_not_equal(a, b, 16);
    token_make(key, "person0", slice_str("001234"), b);
    assert_memory_not_equal(a, b, 16);
    key[0] = 2;
    token_make(key, "person", slice_str("0001234"), b);
    assert_memory_not_equal(a, b, 16);
}

static void sha256_is_sha256(void **state)
{
    (void)state;
    uint8_t h[32], want[32];
    sha256(slice_str("abc"), h);
    assert_int_equal(hex_decode("ba7816bf8f01cfea414140de5dae2223"
                                "b00361a396177a9cb410ff61f20015ad",
                                want, 32),
                     ERR_OK);
    assert_memory_equal(h, want, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signature_covers_the_prefix_of_its_role),
        cmocka_unit_test(changed_signature_is_refused),
        cmocka_unit_test(key_file_comes_back_whole),
        cmocka_unit_test(public_file_comes_back_whole),
        cmocka_unit_test(only_a_good_private_file_is_read),
        cmocka_unit_test(connection_key_is_a_curve_pair),
        cmocka_unit_test(fingerprint_is_eight_groups_of_the_hash),
        cmocka_unit_test(box_opens_for_its_receiver_only),
        cmocka_unit_test(empty_box_opens),
        cmocka_unit_test(weak_public_key_gives_no_known_secret),
        cmocka_unit_test(sealed_data_comes_back_and_hides_its_length),
        cmocka_unit_test(changed_sealed_data_is_refused),
        cmocka_unit_test(token_depends_on_key_kind_and_id),
        cmocka_unit_test(sha256_is_sha256),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
