/* id.c - UUIDv7 and random identifiers.
 *
 * A v7 id is 48 bits of milliseconds, 12 bits used as a counter (RFC 9562
 * 6.2, method 1) and 62 random bits. The counter starts at a random value
 * below half on each new millisecond; when it runs over, or when the clock
 * goes back, the time part goes on from the last one used, so that the ids of
 * one process always rise. Two processes differ by the random bits. */
#include "proto/base/id.h"
#include <assert.h>
#include <sodium.h>
#include <string.h>

/* Milliseconds << 12 | counter of the last id handed out. */
static uint64_t last_tick;

static uint64_t next_tick(uint64_t wall_ms)
{
    uint64_t fresh = wall_ms << 12 | randombytes_uniform(1 << 11);
    last_tick = (last_tick >> 12) >= wall_ms ? last_tick + 1 : fresh;
    return last_tick;
}

struct id id_new(uint64_t wall_ms)
{
    assert(wall_ms < (uint64_t)1 << 48);
    uint64_t tick = next_tick(wall_ms);
    struct id a;
    randombytes_buf(a.b, sizeof(a.b));
    for (int i = 0; i < 6; i++)
        a.b[i] = (uint8_t)(tick >> (52 - 8 * i));
    a.b[6] = (uint8_t)(0x70 | (tick >> 8 & 0x0f));
    a.b[7] = (uint8_t)tick;
    a.b[8] = (uint8_t)(0x80 | (a.b[8] & 0x3f));
    return a;
}

struct id id_random(void)
{
    struct id a;
    randombytes_buf(a.b, sizeof(a.b));
    return a;
}

bool id_is_v7(struct slice s)
{
    return s.n == ID_BYTES && s.p[6] >> 4 == 7 && s.p[8] >> 6 == 2;
}

bool id_eq(struct id a, struct id b)
{
    return memcmp(a.b, b.b, ID_BYTES) == 0;
}

bool id_is_zero(struct id a)
{
    return sodium_is_zero(a.b, ID_BYTES) == 1;
}

static bool dash_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void id_format(struct id a, char out[ID_TEXT])
{
    static const char DIGITS[] = "0123456789abcdef";
    char *w = out;
    for (size_t i = 0; i < ID_BYTES; i++) {
        if (dash_before(i))
            *w++ = '-';
        *w++ = DIGITS[a.b[i] >> 4];
        *w++ = DIGITS[a.b[i] & 15];
    }
    *w = '\0';
}

enum err id_parse(const char *text, struct id *out)
{
    assert(text != NULL && out != NULL);
    char hex[2 * ID_BYTES + 1];
    size_t n = strlen(text), w = 0;
    if (n != ID_TEXT - 1 && n != 2 * ID_BYTES)
        return ERR_EVT_ID;
    for (size_t i = 0; i < n; i++) {
        bool dash =
            n == ID_TEXT - 1 && (i == 8 || i == 13 || i == 18 || i == 23);
        if (dash != (text[i] == '-'))
            return ERR_EVT_ID;
        if (!dash)
            hex[w++] = text[i];
    }
    hex[w] = '\0';
    struct id a;
    if (hex_decode(hex, a.b, ID_BYTES) != ERR_OK)
        return ERR_EVT_ID;
    *out = a;
    return ERR_OK;
}

enum err id_from(struct slice s, struct id *out)
{
    assert(out != NULL);
    if (s.n != ID_BYTES)
        return ERR_EVT_ID;
    memcpy(out->b, s.p, ID_BYTES);
    return ERR_OK;
}
