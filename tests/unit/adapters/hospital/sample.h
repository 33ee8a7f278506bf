/* sample.h - HL7 messages of the fictitious hospital 4910100017. */
#ifndef TSUNAGI_TEST_HOSPITAL_SAMPLE_H
#define TSUNAGI_TEST_HOSPITAL_SAMPLE_H
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <iconv.h>
#include <string.h>

#define MSH(type, id, charset, way)                                            \
    "MSH|^~\\&|EHR|4910100017|GW|4910100017|20260601093000||" type "|" id      \
    "|P|2.5||||||" charset "||" way "\r"
#define EVN "EVN||20260601092500\r"
#define NAMES "架空^花子^^^^^L^I~カクウ^ハナコ^^^^^L^P"
#define PID                                                                    \
    "PID|0001||0000123456^^^^PI||" NAMES                                       \
    "||19710407|F|||^^^^999-0001^JPN^H^架空県架空市見本町1-2-3||"     \
    "099-000-0001\r"
#define PV1 "PV1|0001|I|5E^502^1^^^N||||D0001^医師^一郎^^^^^^^L^^^^^I"

/* The fictional sample of an SS-MIX2 admission: no PV1-44, no last CR. */
#define ADMISSION                                                              \
    MSH("ADT^A01^ADT_A01", "20260601000017", "~ISO IR87", "ISO 2022-1994")     \
    EVN PID PV1

/* UTF-8 to ISO-2022-JP by glibc, which is right for JIS X 0208. */
static inline size_t to_jis(const char *utf8, uint8_t *out, size_t room)
{
    iconv_t cd = iconv_open("ISO-2022-JP", "UTF-8");
    char in[4096], *from = in, *to = (char *)out;
    size_t left = strlen(utf8), free_n = room;
    assert_true(left < sizeof(in));
    memcpy(in, utf8, left);
    assert_true(cd != (iconv_t)-1);
    assert_int_not_equal(iconv(cd, &from, &left, &to, &free_n), (size_t)-1);
    assert_int_not_equal(iconv(cd, NULL, NULL, &to, &free_n), (size_t)-1);
    iconv_close(cd);
    return room - free_n;
}
#endif
