/* known.c - what the hub knows of a person and a case: the facts that core
 * decides by. Loaded for one event, one delivery or one deadline, and freed
 * with it. */
#include "hub/app/hub.h"
#include <stdlib.h>
#include <string.h>

static void forget_person(struct known *k)
{
    free(k->grants);
    free(k->glass);
    k->grants = NULL;
    k->glass = NULL;
    k->grant_count = k->glass_count = 0;
}

enum err known_person(struct hub *h, struct known *k)
{
    forget_person(k);
    enum err e = store_person(h->store, k->person, &k->about);
    if (e == ERR_OK)
        e = store_grants(h->store, k->person, &k->grants, &k->grant_count);
    return e != ERR_OK ? e
                       : store_glass_of_person(h->store, k->person, &k->glass,
                                               &k->glass_count);
}

enum err known_load(struct hub *h, struct id person, struct id case_id,
                    struct known *k)
{
    memset(k, 0, sizeof(*k));
    k->person = person;
    k->case_id = case_id;
    enum err e = ERR_OK;
    if (!id_is_zero(case_id)) {
        struct id owner = {{0}};
        e = store_case_get(h->store, case_id, &k->state, &owner);
        if (e == ERR_OK && !id_is_zero(owner))
            k->person = owner;
    }
    if (e == ERR_OK && !id_is_zero(k->person))
        e = known_person(h, k);
    return e;
}

/* Whom or what a token of this agency stands for; a new one: nothing yet. */
static enum err find_token(struct hub *h, const char *agency,
                           enum token_kind kind, struct slice token,
                           bool *is_new, struct id *out)
{
    bool found = false;
    *is_new = false;
    if (token.n != ID_BYTES)
        return ERR_OK;
    enum err e = store_token_find(h->store, agency, kind, token.p, &found, out);
    *is_new = e == ERR_OK && !found;
    return e;
}

enum err known_of_tokens(struct hub *h, const char *agency, struct slice person,
                         struct slice case_token, struct known *k)
{
    struct id who = {{0}}, which = {{0}};
    bool person_new, case_new = false;
    enum err e = find_token(h, agency, TOKEN_PERSON, person, &person_new, &who);
    if (e == ERR_OK)
        e = find_token(h, agency, TOKEN_CASE, case_token, &case_new, &which);
    if (e == ERR_OK)
        e = known_load(h, who, which, k);
    if (e != ERR_OK)
        return e;
    k->named = !id_is_zero(who);
    k->person_new = person_new;
    k->case_new = case_new;
    return k->named && !id_eq(k->person, who) ? ERR_FLOW_CASE : ERR_OK;
}

void known_fini(struct known *k)
{
    forget_person(k);
    case_free(&k->state);
    memset(k, 0, sizeof(*k));
}

void known_facts(const struct hub *h, const struct known *k,
                 const struct node *sender, struct facts *f)
{
    *f = (struct facts){
        .registry = h->registry,
        .policy = h->policy,
        .sender = sender,
        .clock_ok = h->clock_ok,
        .person_known = !id_is_zero(k->person),
        .person_named = k->named,
        .address_protected = k->about.address_protected,
        .places = k->about.places,
        .grants = k->grants,
        .grant_count = k->grant_count,
        .glass = k->glass,
        .glass_count = k->glass_count,
        .case_known = k->state != NULL,
        .state = k->state,
    };
}
