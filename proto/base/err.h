/* err.h - every way a thing can go wrong, with its code and its sentence.
 *
 * One table (err.def) binds the enum, the code that travels and is logged
 * (E-SIG-001), and a sentence in Japanese and English that says what happened
 * and what to do next. Sentences hold no data of the message they speak of. */
#ifndef TSUNAGI_BASE_ERR_H
#define TSUNAGI_BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

enum err {
    ERR_OK = 0,
#define ERR(name, code, ja, en) ERR_##name,
#include "proto/base/err.def"
#undef ERR
    ERR_COUNT
};

/* The code, "" for ERR_OK. Never NULL. */
const char *err_code(enum err e);
/* The sentence. Never NULL. */
const char *err_ja(enum err e);
const char *err_en(enum err e);
/* The error with this code, ERR_INTERNAL when there is none, ERR_OK for "". */
enum err err_from_code(const char *code);

#endif
