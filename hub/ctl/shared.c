/* shared.c - what every group of commands needs: exit codes, messages, asking
 * the hub and the node, tables whose Japanese lines up. */
#include "hub/ctl/ctl.h"
#include "proto/base/code.h"
#include "proto/base/text.h"
#include "proto/wire/frame.h"
#include "proto/wire/json.h"
#include "proto/wire/unpack.h"
#include "tsunagi/v1/wire.pb-c.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

/* What was handed in is wrong: the same again would fare no better. */
static bool is_content(const char *code)
{
    static const char *const WHAT[] = {"E-VAL-", "E-EVT-", "E-PB-", "E-TXT-",
                                       "E-CSV-", "E-HL7-", "E-BTG-"};
    for (size_t i = 0; i < NELEM(WHAT); i++)
        if (strncmp(code, WHAT[i], strlen(WHAT[i])) == 0)
            return true;
    return false;
}

int exit_of(enum err e)
{
    static const struct {
        enum err e;
        int code;
    } MAP[] = {
        {ERR_OK, EXIT_DONE},
        {ERR_USAGE, EXIT_USAGE},
        {ERR_CONF_ENCODING, EXIT_CONFIG},
        {ERR_CONF_SYNTAX, EXIT_CONFIG},
        {ERR_CONF_UNKNOWN, EXIT_CONFIG},
        {ERR_CONF_TYPE, EXIT_CONFIG},
        {ERR_CONF_RANGE, EXIT_CONFIG},
        {ERR_CONF_MISSING, EXIT_CONFIG},
        {ERR_CONF_OVERFLOW, EXIT_CONFIG},
        {ERR_KEY_FILE, EXIT_CONFIG},
        {ERR_POL_INVALID, EXIT_CONFIG},
        {ERR_POL_MANIFEST, EXIT_CONFIG},
        {ERR_POL_FILES, EXIT_CONFIG},
        {ERR_POL_APPROVALS, EXIT_DENIED},
        {ERR_POL_EARLY, EXIT_DENIED},
        {ERR_POL_VERSION, EXIT_CONFLICT},
        {ERR_ORDER_FORM, EXIT_CONFIG},
        {ERR_ORDER_OTHER, EXIT_CONFIG},
        {ERR_ORDER_OLD, EXIT_DENIED},
        {ERR_ORDER_APPROVALS, EXIT_DENIED},
        {ERR_ORDER_TAKEN, EXIT_CONFLICT},
        {ERR_ORDER_SUBJECT, EXIT_NOT_FOUND},
        {ERR_ERASE_HELD, EXIT_DENIED},
        {ERR_ERASE_GLASS, EXIT_CONFLICT},
        {ERR_ERASE_EMERGENCY, EXIT_CONFLICT},
        {ERR_ERASE_NONE, EXIT_NOT_FOUND},
        {ERR_UNREACHABLE, EXIT_UNREACHABLE},
        {ERR_DENIED, EXIT_DENIED},
        {ERR_POL_NONE, EXIT_DENIED},
        {ERR_GLASS_SUSPENDED, EXIT_DENIED},
        {ERR_GLASS_CLASSES, EXIT_DENIED},
        {ERR_GLASS_REVIEWER, EXIT_DENIED},
        {ERR_NODE_UNKNOWN, EXIT_DENIED},
        {ERR_NODE_REVOKED, EXIT_DENIED},
        {ERR_FLOW_ACTOR, EXIT_DENIED},
        {ERR_EVT_ROLE, EXIT_DENIED},
        {ERR_DLV_RECALLED, EXIT_DENIED},
        {ERR_NOT_FOUND, EXIT_NOT_FOUND},
        {ERR_FLOW_CASE, EXIT_NOT_FOUND},
        {ERR_CONFLICT, EXIT_CONFLICT},
        {ERR_FLOW_FILLED, EXIT_CONFLICT},
        {ERR_FLOW_LATE, EXIT_CONFLICT},
        {ERR_FLOW_NONE, EXIT_CONFLICT},
        {ERR_INTEGRITY, EXIT_INTEGRITY},
        {ERR_ROLLBACK, EXIT_INTEGRITY},
        {ERR_DLV_FORK, EXIT_INTEGRITY},
        {ERR_DLV_PROOF, EXIT_INTEGRITY},
    };
    for (size_t i = 0; i < NELEM(MAP); i++)
        if (MAP[i].e == e)
            return MAP[i].code;
    return is_content(err_code(e)) ? EXIT_USAGE : EXIT_UNEXPECTED;
}

const char *say(const struct ctl *c, const char *ja, const char *en)
{
    return c->ja ? ja : en;
}

int fail(const struct ctl *c, enum err e, const char *detail)
{
    fprintf(stderr, "tsunagi: %s: %s%s%s%s\n", err_code(e),
            c->ja ? err_ja(e) : err_en(e), detail[0] != '\0' ? " (" : "",
            detail, detail[0] != '\0' ? ")" : "");
    return exit_of(e);
}

int not_made(const struct ctl *c, const char *path)
{
    char detail[4096];
    bool exists = errno == EEXIST;
    const char *why = exists
                          ? say(c, "すでにあります。別の名前を指定してください",
                                "exists already; name another")
                          : strerror(errno);
    snprintf(detail, sizeof(detail), "%s: %s", path, why);
    return fail(c, exists ? ERR_CONFLICT : ERR_IO, detail);
}

int load_hub(const struct ctl *c, struct hub_config *h)
{
    char path[4096];
    if (c->config != NULL)
        snprintf(path, sizeof(path), "%s", c->config);
    else if (c->dir != NULL)
        snprintf(path, sizeof(path), "%s/hub.conf", c->dir);
    else
        snprintf(path, sizeof(path), "/etc/tsunagi/hub.conf");
    memset(h, 0, sizeof(*h));
    enum err e = conf_load(path, HUB_CONFIG, h, stderr);
    if (e != ERR_OK) {
        fail(c, e, path);
        return EXIT_CONFIG;
    }
    code_allow_fictitious(h->fictitious);
    return EXIT_DONE;
}

int node_config(const struct ctl *c, char *path, size_t size)
{
    if (c->config != NULL)
        snprintf(path, size, "%s", c->config);
    else if (c->dir != NULL && c->node != NULL)
        snprintf(path, size, "%s/%s/node.conf", c->dir, c->node);
    else
        return fail(c, ERR_USAGE, "--config FILE, or --dir D --node NAME");
    return EXIT_DONE;
}

/* ---- the hub's control socket ---- */

static enum err pack_ask(const char *what, const struct node_arg *args,
                         size_t n, struct buf *out)
{
    Pb__Ask a = PB__ASK__INIT;
    Pb__AskArgument arg[8], *list[8];
    if (n > NELEM(arg))
        return ERR_USAGE;
    for (size_t i = 0; i < n; i++) {
        pb__ask_argument__init(&arg[i]);
        arg[i].key = pb_text(args[i].key);
        arg[i].value = pb_text(args[i].value);
        list[i] = &arg[i];
    }
    a.what = pb_text(what);
    a.n_arg = n;
    a.arg = list;
    return pack(&a.base, out);
}

static enum err read_answer(struct slice body, json_t **json)
{
    ProtobufCMessage *m = NULL;
    struct buf why = {0};
    enum err e = unpack(&pb__answer__descriptor, body, &m);
    const Pb__Answer *a = (const Pb__Answer *)m;
    if (e == ERR_OK && a->code != NULL && a->code[0] != '\0') {
        e = err_from_code(a->code);
        if (a->json != NULL && json_parse(slice_str(a->json), json, &why) != 0)
            *json = NULL;
    } else if (e == ERR_OK)
        e = a->json != NULL ? json_parse(slice_str(a->json), json, &why)
                            : ERR_PB_MALFORMED;
    unpack_free(&m);
    buf_fini(&why);
    return e;
}

static enum err exchange(void *s, struct slice body, int timeout_ms,
                         json_t **json)
{
    struct frame f;
    enum err e = frame_send(s, NULL, VERB_ASK, body);
    zmq_pollitem_t item = {s, 0, ZMQ_POLLIN, 0};
    if (e == ERR_OK && zmq_poll(&item, 1, timeout_ms) <= 0)
        e = ERR_UNREACHABLE;
    if (e != ERR_OK)
        return e == ERR_BUSY ? ERR_UNREACHABLE : e;
    e = frame_recv(s, false, &f);
    if (e == ERR_OK) {
        e = f.verb == VERB_ANSWER ? read_answer(f.body, json) : ERR_FRAME_VERB;
        frame_close(&f);
    }
    return e;
}

enum err ask_hub(const struct hub_config *h, const char *what,
                 const struct node_arg *args, size_t n, int timeout_ms,
                 json_t **json)
{
    struct buf body = {0}, endpoint = {0};
    int linger = 0, immediate = 0;
    *json = NULL;
    enum err e = pack_ask(what, args, n, &body);
    buf_addf(&endpoint, "ipc://%s", h->control);
    void *zmq = zmq_ctx_new();
    void *s = zmq != NULL ? zmq_socket(zmq, ZMQ_DEALER) : NULL;
    if (e == ERR_OK && access(h->control, R_OK | W_OK) != 0)
        e = errno == EACCES ? ERR_DENIED : ERR_UNREACHABLE;
    if (e == ERR_OK &&
        (s == NULL || endpoint.failed ||
         zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof(int)) ||
         zmq_setsockopt(s, ZMQ_IMMEDIATE, &immediate, sizeof(int)) ||
         zmq_connect(s, (char *)endpoint.p) != 0))
        e = ERR_UNREACHABLE;
    if (e == ERR_OK)
        e = exchange(s, buf_slice(&body), timeout_ms, json);
    if (s != NULL)
        zmq_close(s);
    if (zmq != NULL)
        zmq_ctx_term(zmq);
    buf_fini(&body);
    buf_fini(&endpoint);
    return e;
}

int ask(const struct ctl *c, const char *what, const struct node_arg *args,
        size_t n, json_t **json)
{
    struct hub_config h;
    int code = load_hub(c, &h);
    if (code == EXIT_DONE) {
        enum err e = ask_hub(&h, what, args, n, (int)c->timeout_ms, json);
        if (e == ERR_UNREACHABLE) {
            fprintf(stderr, "tsunagi: %s: %s (%s)\n", err_code(e),
                    say(c, "ハブが動いていないか、応答しません。",
                        "The hub is not running or does not answer."),
                    h.control);
            code = EXIT_UNREACHABLE;
        } else if (e != ERR_OK) {
            code = fail(c, e, what);
            fputs(text_of(*json, "why"), stderr);
            json_decref(*json);
            *json = NULL;
        }
    }
    conf_fini(HUB_CONFIG, &h);
    return code;
}

int view(struct ctl *c, const char *what, const struct node_arg *args, size_t n,
         void (*show)(const struct ctl *, const json_t *))
{
    json_t *j = NULL;
    int code = ask(c, what, args, n, &j);
    if (code == EXIT_DONE && (c->json || show == NULL))
        print_json(j);
    else if (code == EXIT_DONE)
        show(c, j);
    json_decref(j);
    return code;
}

/* ---- the node ---- */

int request(struct ctl *c, const char *what, const struct node_arg *args,
            size_t n, struct node_answer *a)
{
    char path[4096];
    int code = node_config(c, path, sizeof(path));
    if (code != EXIT_DONE)
        return code;
    enum err e = node_request(path, what, args, n, stderr, a);
    if (e == ERR_OK)
        e = a->code;
    return e == ERR_OK ? EXIT_DONE : fail(c, e, text_of(a->json, "field"));
}

/* ---- reading and printing ---- */

int read_text(const struct ctl *c, const char *path, struct buf *out)
{
    enum err e = ERR_OK;
    if (path != NULL && strcmp(path, "-") != 0) {
        e = file_read(path, EVENT_MAX, out);
    } else {
        char part[4096];
        size_t n;
        while ((n = fread(part, 1, sizeof(part), stdin)) > 0 &&
               out->n <= EVENT_MAX)
            buf_add(out, part, n);
    }
    buf_adds(out, ""); /* a text, even of nothing */
    if (e == ERR_OK)
        e = out->failed ? ERR_NOMEM : out->n > EVENT_MAX ? ERR_FILE_SIZE : e;
    return e == ERR_OK ? EXIT_DONE : fail(c, e, path != NULL ? path : "-");
}

void print_json(const json_t *j)
{
    json_dumpf(j, stdout, JSON_COMPACT);
    putchar('\n');
}

const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s != NULL ? s : "";
}

long long count_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

const char *time_ja(const char *rfc3339, char out[48])
{
    int y, mo, d, h, mi;
    if (sscanf(rfc3339, "%4d-%2d-%2dT%2d:%2d", &y, &mo, &d, &h, &mi) == 5)
        snprintf(out, 48, "%d年%d月%d日 %d時%02d分", y, mo, d, h, mi);
    else
        snprintf(out, 48, "%.40s", rfc3339);
    return out;
}

const char *html_entity(char c)
{
    return c == '&'   ? "&amp;"
           : c == '<' ? "&lt;"
           : c == '>' ? "&gt;"
           : c == '"' ? "&quot;"
                      : NULL;
}

void cell(const char *text, int width)
{
    int used = (int)text_width(slice_str(text));
    fputs(text, stdout);
    for (; used < width; used++)
        putchar(' ');
    putchar(' ');
}
