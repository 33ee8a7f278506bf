/* hl7_fuzz.c - any bytes as an MLLP stream, an ER7 message and an ADT event.
 * Whatever comes must be answered or closed, and an answer names a verdict. */
#include "adapters/connect/mllp.h"
#include "adapters/hospital/adt.h"
#include "adapters/hospital/er7.h"
#include "proto/base/code.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void look_everywhere(const struct er7 *m)
{
    for (size_t s = 0; s < er7_segments(m); s++)
        for (unsigned field = 1; field < 8; field++) {
            char *text = NULL;
            struct er7_at at = {field, 1, 1, 1};
            (void)er7_repetitions(m, s, field);
            if (er7_text(m, er7_get(m, s, at), &text) == NULL)
                assert(tsunagi_check_utf8(text, strlen(text)) == NULL);
            free(text);
        }
}

static void one_message(void *self, const uint8_t *p, size_t n)
{
    struct adt a = {0};
    struct adt_fault fault;
    struct er7 *m = NULL;
    (void)self;
    if (er7_parse(p, n, &m) == NULL)
        look_everywhere(m);
    er7_free(&m);
    tsunagi_code code = adt_parse(p, n, NULL, "P", &a, &fault);
    char *answer = adt_answer(p, n, code, &fault, 0);
    assert(answer != NULL && strstr(answer, "\rMSA|A") != NULL);
    free(answer);
    if (code == NULL) {
        char *source = adt_source_key(&a, p, n);
        char *key = adt_case_key(&a, false);
        assert(source != NULL && (key != NULL || !a.inpatient));
        free(source);
        free(key);
    }
    adt_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    code_allow_fictitious(true);
    one_message(NULL, p, n);
    struct mllp_frame *f = mllp_frame_new();
    if (f == NULL)
        return 0;
    (void)mllp_frame_feed(f, p, n, one_message, NULL);
    mllp_frame_free(&f);
    return 0;
}
