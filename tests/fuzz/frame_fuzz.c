/* frame_fuzz.c - libFuzzer target for frame_check. The input
 * is cut into frames: each begins with two bytes, its length. */
#include "proto/wire/frame.h"
#include <assert.h>

#define FRAMES_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t cut(struct slice in, struct slice *frames)
{
    size_t n = 0;
    while (n < FRAMES_MAX && in.n >= 2) {
        size_t want = (size_t)in.p[0] << 8 | in.p[1];
        in = slice_of(in.p + 2, in.n - 2);
        frames[n] = slice_of(in.p, want < in.n ? want : in.n);
        in = slice_of(in.p + frames[n].n, in.n - frames[n].n);
        n++;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice frames[FRAMES_MAX], body;
    enum verb v;
    size_t n = cut(slice_of(data, size), frames);
    enum err e = frame_check(frames, n, &v, &body);
    if (e != ERR_OK) {
        assert(v == VERB_NONE && body.n == 0);
        return 0;
    }
    /* what was accepted is exactly what frame_send would have written */
    assert(n == 3 && v > VERB_NONE && v < VERB_COUNT);
    assert(slice_eq(frames[0], slice_str(FRAME_VERSION)));
    assert(slice_eq(frames[1], slice_str(verb_name(v))));
    assert(body.p == frames[2].p && body.n == frames[2].n);
    return 0;
}
