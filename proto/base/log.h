/* log.h - one line per happening to stderr: "area: what happened key=value".
 * Ids and counts only: never a name, an address, a diagnosis or a key (I-11).
 * Under systemd ($JOURNAL_STREAM) lines carry the <n> level prefix. */
#ifndef TSUNAGI_BASE_LOG_H
#define TSUNAGI_BASE_LOG_H
enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_NOTE = 5, LOG_DEBUG = 7 };
void log_open(const char *program, enum log_level up_to);
void log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_note(...) log_line(LOG_NOTE, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#endif
