/* note_fuzz.c - any bytes as a signed note and as a verifier key.
 *
 * Oracles: nobody's signature comes out of nothing; text and lines are the
 * note, cut in two; lines are taken to the end or refused, and none twice; a
 * key that is read is written back the same. */
#include "proto/wire/proof.h"
#include <stdlib.h>
#include <string.h>

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void check_lines(struct slice lines, struct slice text)
{
    static const uint8_t NOBODY[KEY_BYTES] = {0xec, 0x17};
    struct note_line l;
    size_t left = lines.n;
    while (note_next(&lines, &l)) {
        require(lines.n < left && l.n > NOTE_KEYID && l.n <= NOTE_BLOB_MAX);
        require(l.name.n > 0);
        require(note_judge(&l, text, "nobody.example", NOBODY) != NOTE_GOOD);
        left = lines.n;
    }
}

static void check_note(struct slice note)
{
    static const uint8_t NOBODY[KEY_BYTES] = {0xec, 0x17};
    struct slice text, lines;
    struct checkpoint c;
    require(checkpoint_open(note, "nobody.example", NOBODY, &c) ==
            ERR_INTEGRITY);
    if (!note_cut(note, &text, &lines))
        return;
    require(note.n <= NOTE_MAX && text.p == note.p);
    require(text.n + 1 + lines.n == note.n && text.p[text.n - 1] == '\n');
    check_lines(lines, text);
}

static void check_key(struct slice text)
{
    struct vkey v;
    struct buf same = {0};
    if (!vkey_parse(text, &v))
        return;
    vkey_write(&v, &same);
    require(slice_eq(buf_slice(&same), text));
    buf_fini(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_note(slice_of(data, size));
    check_key(slice_of(data, size));
    return 0;
}
