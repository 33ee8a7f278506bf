"""cases.py - reads cases.tsv, what a policy pack promises in a clerk's words.

    cases.py PACK        tries every case; prints those that do not hold

Columns: id ja event purpose role predicates classes released rule. The cells
event, purpose and role are sets as in rules.tsv, and the case must hold for
each combination. `predicates` is a set of facts and of words about the person:
`consent` (all data, third persons' by themselves), `consent_own` (the person's
consent alone), `consent_asked` (to what is asked for and no more), `refused`
(everything, later than any consent); * is every fact and `consent`. `classes`
are those asked for, * is all of the event. `released` is the exact set, - is
none. `rule` is the one cited by the first class released or, when none is, by
the first denied; DEFAULT: no rule; empty: not looked at.
"""
import os
import sys

import compare as C
import decide as D

COLUMNS = ('id', 'ja', 'event', 'purpose', 'role', 'predicates', 'classes',
           'released', 'rule')
APART = C.NOT_FACTS - {'consent'}


def situation_words(pack, cell):
    words = cell.split()
    facts = D.chosen(' '.join(w for w in words if w not in APART),
                     pack.predicates | {'consent'})
    return frozenset(facts | APART.intersection(words))


class Case:
    __slots__ = ('id', 'ja', 'rule', 'asks')

    def __init__(self, pack, row):
        self.id, self.ja, self.rule = row['id'], row['ja'], row['rule']
        words = situation_words(pack, row['predicates'])
        wanted = (None if row['classes'] == '*'
                  else pack.schema.mask(row['classes']))
        released = 0 if row['released'] == '-' \
            else pack.schema.mask(row['released'])
        roles = sorted(D.chosen(row['role'], pack.every_role))
        purposes = sorted(D.chosen(row['purpose'], pack.purposes))
        self.asks = []
        for event, variant in sorted(pack.events(row['event'])):
            mask = wanted or pack.schema.asked(event)
            for purpose in purposes:
                for role in roles:
                    self.asks.append((C.situation(
                        pack, event, variant, purpose, role, words, mask),
                        released))

    def holds(self, pack, ask, released):
        d = D.decide(pack, ask)
        if d.error or d.released != released:
            return False
        if self.rule == '':
            return True
        first = next(D.bits(released or ask.classes))
        return d.cited[first][0] == self.rule


def load(pack, folder):
    with open(os.path.join(folder, 'cases.tsv'), encoding='utf-8') as f:
        rows = D.read_table(f.read(), COLUMNS)
    ids = [r['id'] for r in rows]
    if len(set(ids)) != len(ids):
        raise D.PackError('a case id is used twice')
    return [Case(pack, r) for r in rows]


def main():
    folder, schema = sys.argv[1], C.load_schema()
    pack = D.Pack.load(schema, folder)
    every, bad, tried = load(pack, folder), 0, 0
    hit = {r.id: set() for r in pack.rules}
    for case in every:
        for ask, released in case.asks:
            tried += 1
            d = D.decide(pack, ask)
            for c, (rule, _, _) in d.cited.items():
                if rule in hit:
                    hit[rule].add('cited')
            if case.holds(pack, ask, released):
                continue
            bad += 1
            print('%s %s\n  %s %s %s %s\n  expected %s %s\n  got      %s %s' % (
                case.id, case.ja, ask.event, ask.variant, ask.purpose,
                ask.role, schema.words(released) or '-', case.rule,
                d.error or schema.words(d.released) or '-',
                ' '.join(sorted({w[0] for w in d.cited.values()}))))
            break
    never = [r for r, how in hit.items() if not how]
    print('%d cases, %d situations, %d cases do not hold; %d rules, cited by '
          'no case: %s' % (len(every), tried, bad, len(pack.rules),
                           ' '.join(never) or 'none'))
    return 1 if bad or never else 0


if __name__ == '__main__':
    sys.exit(main())
