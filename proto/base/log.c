/* log.c - one write(2) per line, so that lines of two processes on one
 * terminal never mix.
 *
 * A line is at most LINE_SIZE bytes and holds no control character: whatever a
 * value brought along becomes a space, so nobody can forge a second line. */
#include "proto/base/log.h"
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 1024 };

static struct {
    char program[32];
    enum log_level up_to;
    bool journal;
} out = {"", LOG_NOTE, false};

void log_open(const char *program, enum log_level up_to)
{
    assert(program != NULL);
    snprintf(out.program, sizeof(out.program), "%s", program);
    out.up_to = up_to;
    out.journal = getenv("JOURNAL_STREAM") != NULL;
}

static size_t prefix(char *line, enum log_level level)
{
    int n = 0;
    if (out.journal)
        n = snprintf(line, LINE_SIZE, "<%d>", (int)level);
    else if (out.program[0] != '\0')
        n = snprintf(line, LINE_SIZE, "%s: ", out.program);
    return n < 0 ? 0 : (size_t)n;
}

/* Cuts at a character's border and ends the line. */
static size_t finish(char *line, size_t n)
{
    if (n > LINE_SIZE - 2) {
        n = LINE_SIZE - 2;
        while (n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80)
            n--;
    }
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[n++] = '\n';
    return n;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    if (level > out.up_to)
        return;
    char line[LINE_SIZE];
    size_t n = prefix(line, level);
    va_list ap;
    va_start(ap, fmt);
    int more = vsnprintf(line + n, sizeof(line) - n, fmt, ap);
    va_end(ap);
    n = finish(line, n + (size_t)(more < 0 ? 0 : more));
    /* a log that cannot be written must not stop the program */
    if (write(STDERR_FILENO, line, n) < 0)
        return;
}
