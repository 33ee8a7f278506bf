/* ctl.h - the command line: one table of commands (commands.c) gives the
 * grammar, the help, the man page and the completion. stdout is data, stderr
 * is notes. Exit codes are a contract (exit_of). */
#ifndef TSUNAGI_CTL_CTL_H
#define TSUNAGI_CTL_CTL_H
#include "adapters/sdk/run.h"
#include "hub/core/hub_config.h"
#include <stdio.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_UNEXPECTED = 1,
    EXIT_USAGE = 2,
    EXIT_CONFIG = 3,
    EXIT_UNREACHABLE = 4,
    EXIT_DENIED = 5,
    EXIT_NOT_FOUND = 6,
    EXIT_CONFLICT = 7,
    EXIT_PARTLY = 8,
    EXIT_INTEGRITY = 9
};

/* Of `consent` and `person`: lists by commas. */
struct consent_options {
    const char *except, *classes, *giver, *method, *from, *until, *minor_view,
        *text_version, *language, *supersedes, *paper, *authority, *note,
        *channel, *ground, *resident, *present, *shikyu, *plan;
};

/* What the options of a call came to. Strings are borrowed from argv. */
struct ctl {
    bool json, ja, stream, follow, all, yes, preview, on, off, tsv, newest,
        urgent;
    const char *dir, *config, *node, *agency, *out, *exec, *person, *ref,
        *purpose, *vkey, *older, *policy, *roles, *case_key, *to, *key, *origin,
        *not_before, *day, *actor, *token, *reason, *step_up, *what, *order,
        *persons, *asked_on, *asked_by, *leaves, *basis, *new_origin;
    struct consent_options consent;
    char person_number[128], token_hex[64];
    long long timeout_ms, limit, number, minutes;
    int argc; /* words after the command's name */
    char **argv;
    const struct command *command;
};

struct command {
    const char *group, *name; /* "node" "add"; name "" for a group of one */
    const char *words;        /* "FILE.pub", shown in help */
    int min_words, max_words;
    const char *options; /* names of the options it takes, by spaces */
    const char *ja, *en; /* one line */
    int (*run)(struct ctl *c);
};
extern const struct command COMMANDS[];
extern const size_t COMMAND_COUNT;

/* ---- shared by the groups ---- */
int exit_of(enum err e);
/* Prints "tsunagi: E-...: sentence (detail)" on stderr; returns exit_of(e). */
int fail(const struct ctl *c, enum err e, const char *detail);
/* The same by errno, for a file or folder that was to be made anew. */
int not_made(const struct ctl *c, const char *path);
/* The Japanese or the English text, by the caller's language. */
const char *say(const struct ctl *c, const char *ja, const char *en)
    __attribute__((format_arg(2), format_arg(3)));
/* Configuration of the hub: --config, DIR/hub.conf or /etc/tsunagi. */
int load_hub(const struct ctl *c, struct hub_config *h);
/* Path of the node's configuration: --config, or DIR/NODE/node.conf. */
int node_config(const struct ctl *c, char *path, size_t size);
/* Asks the hub over its control socket. *json is a new reference, the answer;
 * the hub's own refusal comes back as its error. */
enum err ask_hub(const struct hub_config *h, const char *what,
                 const struct node_arg *args, size_t n, int timeout_ms,
                 json_t **json) MUST_CHECK;
/* ask_hub with the configuration of c; prints what went wrong. */
int ask(const struct ctl *c, const char *what, const struct node_arg *args,
        size_t n, json_t **json);
/* Asks, and prints the JSON or hands it to show (NULL: always the JSON). */
int view(struct ctl *c, const char *what, const struct node_arg *args, size_t n,
         void (*show)(const struct ctl *, const json_t *));
#define EVENT_MAX (1U << 20) /* bytes of an event as text */
/* A file's whole text, "-" or NULL: stdin. Prints what went wrong. */
int read_text(const struct ctl *c, const char *path, struct buf *out);
/* Gives one event to the node and shows what became of it; and a stream. */
int send_json(struct ctl *c, struct slice json);
int send_stream(struct ctl *c);

/* ---- event.c ---- */
#define PERSON_BYTES 128
/* The number at this agency that --person means; "" when it is not given. */
int person_of(const struct ctl *c, char out[PERSON_BYTES]);
/* Members of a body; NULL or "": none. "A,B" becomes a list, each through item
 * (NULL: as it is). */
void set_text(json_t *body, const char *key, const char *value);
void set_list(json_t *body, const char *key, const char *text,
              json_t *(*item)(const char *, size_t));
/* An event to nobody in particular, with an empty body; and sent, about whom
 * --person or --token names. Takes the event; code: of what went before. */
json_t *new_event(const char *type);
int send_event(struct ctl *c, json_t *event, int code);

/* Does one operation at the node; prints what went wrong. */
int request(struct ctl *c, const char *what, const struct node_arg *args,
            size_t n, struct node_answer *a);
void print_json(const json_t *j);
const char *text_of(const json_t *j, const char *key); /* "" when absent */
long long count_of(const json_t *j, const char *key);  /* 0 when absent */
/* "2026年4月1日 9時05分" of 2026-04-01T09:05:00+09:00, in out. */
const char *time_ja(const char *rfc3339, char out[48]);
/* What stands for a character in a page; NULL: itself. */
const char *html_entity(char c);
/* Prints a cell padded to width columns (Japanese counts two). */
void cell(const char *text, int width);

/* `audit verify` of a single tlog-proof (audit_proof.c). */
int audit_verify_proof(struct ctl *c, const char *path);

/* Of a node's answer to `witness`: a fork, and a quorum that is missing; the
 * exit code that says so. */
void show_witness_trouble(const struct ctl *c, const json_t *j);
int witness_exit(const json_t *j);

/* How the command at hand is used, on stderr. */
void help_hint(const struct ctl *c);

/* ---- the commands ---- */
int cmd_key_make(struct ctl *c);
int cmd_key_show(struct ctl *c);
int cmd_node_add(struct ctl *c);
int cmd_node_approve(struct ctl *c);
int cmd_node_revoke(struct ctl *c);
int cmd_node_list(struct ctl *c);
int cmd_node_witnesses(struct ctl *c);
int cmd_send(struct ctl *c);
int cmd_inbox(struct ctl *c);
int cmd_inbox_show(struct ctl *c);
int cmd_inbox_status(struct ctl *c);
int cmd_outbox(struct ctl *c);
int cmd_witness_status(struct ctl *c);
int cmd_witness_clear(struct ctl *c);
int cmd_consent_give(struct ctl *c);
int cmd_consent_refuse(struct ctl *c);
int cmd_consent_defer(struct ctl *c);
int cmd_consent_list(struct ctl *c);
int cmd_person_places(struct ctl *c);
int cmd_person_protect(struct ctl *c);
int cmd_consent_withdraw(struct ctl *c);
int cmd_glass_open(struct ctl *c);
int cmd_glass_extend(struct ctl *c);
int cmd_glass_review(struct ctl *c);
int cmd_glass_list(struct ctl *c);
int cmd_status(struct ctl *c);
int cmd_case_list(struct ctl *c);
int cmd_case_show(struct ctl *c);
int cmd_park(struct ctl *c);
int cmd_park_close(struct ctl *c);
int cmd_metrics(struct ctl *c);
int cmd_config_check(struct ctl *c);
int cmd_config_show(struct ctl *c);
int cmd_config_reload(struct ctl *c);
int cmd_backup_create(struct ctl *c);
int cmd_audit_export(struct ctl *c);
int cmd_audit_verify(struct ctl *c);
int cmd_audit_checkpoint(struct ctl *c);
int cmd_audit_proof(struct ctl *c);
int cmd_audit_report(struct ctl *c);
int cmd_audit_provisions(struct ctl *c);
int cmd_policy_lint(struct ctl *c);
int cmd_policy_sign(struct ctl *c);
int cmd_policy_activate(struct ctl *c);
int cmd_policy_status(struct ctl *c);
int cmd_policy_export(struct ctl *c);
int cmd_policy_matrix(struct ctl *c);
int cmd_policy_diff(struct ctl *c);
int cmd_policy_test(struct ctl *c);
int cmd_policy_explain(struct ctl *c);
int cmd_policy_replay(struct ctl *c);
int cmd_person_token(struct ctl *c);
int cmd_order_make(struct ctl *c);
int cmd_order_sign(struct ctl *c);
int cmd_order_submit(struct ctl *c);
int cmd_order_list(struct ctl *c);
int cmd_erase_run(struct ctl *c);
int cmd_erase_certificate(struct ctl *c);
int cmd_flow_dot(struct ctl *c);
int cmd_demo(struct ctl *c);
int cmd_help(struct ctl *c);
#endif
