"""compare.py - the two implementations of the decision, held together.

    compare.py ORACLE PACK [--requests N] [--seed S] [--tsunagi PROGRAM]
               [--random-only | --matrix-only]

Exhaustive: every event (in each variant) x purpose x role, under every set of
the facts that the rules of that cell name, with and without a consent and a
refusal; all classes of the event at once, compared class by class. With
--tsunagi the table that `tsunagi policy matrix --tsv` prints is recomputed.

Random: requests that lean towards permits, half of them under packs made from
the real one by dropping, reordering, dating and changing rows. The seed is
printed; the same seed asks the same requests.

Both sides write a decision as one line; a difference is a line that differs.
"""
import argparse
import functools
import itertools
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time

import decide as D

CHUNK = 20000
NOON = 3600000 * 3  # of a day in Japan, seen from UTC midnight
DAY = 86400000
SHOWN = 10
# when every case and cell is asked: at noon in Japan
THE_MOMENT = D.day_of('2026-07-01', 0) * DAY + NOON


def here(path):
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..',
                        path)


def load_schema():
    return D.Schema(here('proto/tsunagi/v1'))


# ---- one line each ---------------------------------------------------------

def entries(of):
    return '+'.join(':'.join(e) for e in of)


def grant_text(g):
    return '%s,%s%s%s,%s,%s,%s,%x,%d,%d,%d,%d' % (
        g.kind, 'w' * g.withdrawn, 's' * g.superseded, 't' * g.third,
        g.purpose, entries(g.to), entries(g.excepted), g.classes, g.first,
        g.last, g.leaf, g.withdrawn_leaf)


def request_text(a):
    return '\t'.join((
        a.event, a.variant, a.purpose, a.recipient.code,
        ' '.join(a.recipient.roles), ' '.join(a.recipient.places),
        a.role or '', '%x' % a.classes, ' '.join(a.predicates),
        '%x' % a.session, '%x' % a.glass, str(a.now_ms), str(int(a.clock_ok)),
        ';'.join([grant_text(g) for g in a.grants])))


def decision_text(ask, d):
    cited = d.cited
    return '%s\t%s\t%x\t%x\t%s' % (
        d.error, d.role, d.released, d.withheld,
        ''.join(['%d:%s:%s:%d ' % (c, *cited.get(c, D.DEFAULT))
                 for c in D.bits(ask.classes)]))


def ask_oracle(oracle, folder, lines):
    """Decisions of the hub's core, or None when it refuses the pack."""
    p = subprocess.run([oracle, folder], input='\n'.join(lines) + '\n',
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       encoding='utf-8', check=False)
    if p.returncode == 3:
        return None
    if p.returncode != 0:
        sys.exit('oracle: exit %d: %s' % (p.returncode, p.stderr))
    return p.stdout.split('\n')[:-1]


class Tally:
    def __init__(self):
        self.requests = self.classes = self.released = self.refused = 0
        self.errors = self.different = self.packs = 0
        self.rules, self.shown = set(), []
        self.c_seconds = self.python_seconds = 0.0

    def add(self, other):
        for name in ('requests', 'classes', 'released', 'refused', 'errors',
                     'different', 'packs', 'c_seconds', 'python_seconds'):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.rules |= other.rules
        self.shown += other.shown

    def count(self, ask, d):
        self.requests += 1
        self.classes += ask.classes.bit_count()
        self.errors += d.error != ''
        self.released += d.released.bit_count()
        for rule, _, grant in d.cited.values():
            self.rules.add(rule)
            self.refused += rule == 'DEFAULT' and grant >= 0


def hold_together(oracle, folder, pack, asks, tally):
    lines = [request_text(a) for a in asks]
    begin = time.perf_counter()
    theirs = ask_oracle(oracle, folder, lines)
    tally.c_seconds += time.perf_counter() - begin
    if theirs is None:
        return False
    if len(theirs) != len(asks):
        sys.exit('oracle: %d lines for %d requests' % (len(theirs), len(asks)))
    begin = time.perf_counter()
    for ask, line, their in zip(asks, lines, theirs):
        d = D.decide(pack, ask)
        our = decision_text(ask, d)
        tally.count(ask, d)
        if our != their:
            tally.different += 1
            if len(tally.shown) < SHOWN:
                tally.shown.append((line, their, our))
    tally.python_seconds += time.perf_counter() - begin
    return True


# ---- every cell ------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def register_for(named, third, purpose, words):
    """The register of someone who agreed to some classes for a purpose, or
    refused all of it. The refusal is later than the consent."""
    to = (('a', 'XX-000000'),)
    grants = []
    if 'refused' in words:
        grants.append(D.Grant('r', purpose=purpose, leaf=2))
    if words & YES:
        grants.append(D.Grant('g', purpose=purpose, to=to, leaf=1,
                              classes=named & ~third))
    if words & YES - {'consent_own'}:
        grants.append(D.Grant('g', third=True, purpose=purpose, to=to, leaf=1,
                              classes=named & third))
    return grants


@functools.lru_cache(maxsize=None)
def someone(role):
    return D.Recipient('XX-000000', (role,), ('00000',))


# the person and third persons agreed to everything, the person alone did, all
# agreed to what is asked for and to nothing else
YES = frozenset(('consent', 'consent_own', 'consent_asked'))
NOT_FACTS = YES | {'refused'}
EVERY_BIT = (1 << 64) - 1


def situation(pack, event, variant, purpose, role, words, classes=None):
    """The request of one cell. words: facts, `consent`, `refused`... A
    meeting's call named every class, a break-glass was opened for every one:
    the rules alone decide what comes of it."""
    words = frozenset(words)
    if classes is None:
        classes = pack.schema.asked(event)
    ask = D.Ask(
        event, purpose, someone(role), classes, variant,
        role, words - NOT_FACTS, session=EVERY_BIT, glass=EVERY_BIT,
        grants=register_for(classes if 'consent_asked' in words
                            else pack.schema.every_class, pack.third, purpose,
                            words & NOT_FACTS),
        now_ms=THE_MOMENT)
    ask.words = words & NOT_FACTS
    return ask


def facts_named(pack, event, variant, purpose, role):
    """Predicates that decide something in this cell (of an event without its
    variant: in any of them); `consent` and `refused` where a rule stands below
    the refusal."""
    names, person = set(), set()
    variants = (variant,) if variant else ('',) + pack.schema.events[event][0]
    for r in itertools.chain(*[pack.candidates(event, v, purpose, role)
                               for v in variants]):
        if not r.classes & pack.schema.asked(event):
            continue
        names |= r.requires | r.unless
        below = D.LAYERS.index(r.layer) >= D.LAYERS.index('consent')
        person |= {'refused'} if below else set()
        person |= {'consent'} if r.layer == 'consent' else set()
    return sorted(names) + sorted(person)


def cells(pack):
    for event, (variants, _) in pack.schema.events.items():
        for variant in ('',) + variants:
            for purpose in sorted(pack.purposes):
                for role in sorted(pack.roles | pack.excluded):
                    yield event, variant, purpose, role


def every_situation(pack):
    for cell in cells(pack):
        facts = facts_named(pack, *cell)
        for n in range(len(facts) + 1):
            for words in itertools.combinations(facts, n):
                yield situation(pack, *cell, words)


def exhaustive(oracle, folder, schema):
    tally, pack = Tally(), D.Pack.load(schema, folder)
    todo = every_situation(pack)
    while True:
        asks = list(itertools.islice(todo, CHUNK))
        if not asks:
            return tally
        if not hold_together(oracle, folder, pack, asks, tally):
            sys.exit('the hub refuses the pack that Python accepts')


def matrix_row(line):
    """A row of the table as a key and what it says."""
    event, purpose, role, cls, words, outcome, rule, basis = line.split('\t')
    return ((event, purpose, role, cls, frozenset(words.split())),
            (outcome, rule, basis))


def our_rows(pack):
    for ask in every_situation(pack):
        d = D.decide(pack, ask)
        words = ask.predicates | ask.words
        event = ask.event + (':' + ask.variant if ask.variant else '')
        for c in D.bits(ask.classes):
            rule, basis, _ = d.cited[c]
            yield ((event, ask.purpose, ask.role, pack.schema.class_name[c],
                    words), ('permit' if d.released >> c & 1 else 'deny',
                             rule, basis))


def tables_agree(program, folder, schema):
    """Every row of `tsunagi policy matrix --tsv`, and no other row."""
    begin = time.perf_counter()
    p = subprocess.run([program, 'policy', 'matrix', folder, '--tsv', '--day',
                        '2026-07-01'], stdout=subprocess.PIPE, check=True,
                       encoding='utf-8')
    took = time.perf_counter() - begin
    theirs = dict(map(matrix_row, p.stdout.split('\n')[1:-1]))
    begin = time.perf_counter()
    ours = dict(our_rows(D.Pack.load(schema, folder)))
    other = [k for k in theirs.keys() | ours.keys()
             if theirs.get(k) != ours.get(k)]
    print('tsunagi policy matrix: %d rows in %.1f s, %d in Python in %.1f s, '
          '%d different' % (len(theirs), took, len(ours),
                            time.perf_counter() - begin, len(other)))
    for k in sorted(other, key=str)[:SHOWN]:
        print('  %s\n  hub     %s\n  python  %s' % (k, theirs.get(k),
                                                  ours.get(k)))
    return not other and len(theirs) > 1000


# ---- random requests -------------------------------------------------------

AGENCIES = ('MI-4910100017', 'WO-4931000014', 'LG-492019', 'HC-492019-01')
PLACES = ('49201', '49202', '49301')
UNKNOWN_WORDS = ('NOT_A_WORD', '*', 'R_POLICE', 'g_id',
                 'FORM_CODE_UNSPECIFIED')


class Maker:
    """Makes requests for one pack out of one random source."""

    def __init__(self, pack, rng):
        self.pack, self.rng = pack, rng
        self.all = 0
        for b in pack.schema.class_bit.values():
            self.all |= 1 << b
        self.rules = [(r, sorted(r.events), sorted(r.purposes),
                       sorted(r.roles)) for r in pack.rules if r.classes]
        self.events = sorted(pack.schema.events)
        self.roles = sorted(pack.roles)
        self.predicates = sorted(pack.predicates)
        self.purposes = sorted(pack.purposes)
        self.days = self._days()

    def _days(self):
        """Days that matter: the ends of rules and grounds, and around them."""
        ends = {D.day_of('2026-07-01', 0)}
        for r in self.pack.rules:
            ends |= {r.first, r.last}
        for span in self.pack.basis.values():
            ends.update(span)
        ends -= {D.OPEN_START, D.OPEN_END}
        return sorted({d + k for d in ends for k in (-1, 0, 1) if d > 0})

    def one_in(self, n):
        return self.rng.getrandbits(16) % n == 0

    def pick(self, of):
        return of[self.rng.getrandbits(24) % len(of)]

    def some(self, mask):
        """A part of a set of classes: all, most or half of it."""
        how = self.rng.getrandbits(2)
        if how == 0:
            return mask
        cut = self.rng.getrandbits(64)
        return mask & (cut | self.rng.getrandbits(64) if how < 3 else cut)

    def moment(self):
        if self.one_in(8):
            day = self.pick(self.days)
        else:
            day = 20635 + self.rng.getrandbits(4)  # July 2026
        inside = self.pick((0, 1, NOON, DAY - 1, 7777777))
        return max(0, day * DAY - 9 * 3600000 + inside), day

    def entry(self, recipient, role):
        how = self.rng.getrandbits(3)
        if how < 4:
            return 'a', recipient.code
        if how < 6:
            return 'r', role, self.pick(PLACES)
        if how == 6:
            return 'a', self.pick(AGENCIES)
        return 'r', self.pick(self.roles), self.pick(PLACES)

    def grant(self, recipient, role, purpose, mask, day):
        g = D.Grant()
        bits = self.rng.getrandbits
        g.kind = 'ggggggggggrrrrrd'[bits(4)]
        g.withdrawn = self.one_in(6)
        g.superseded = self.one_in(10)
        g.third = self.one_in(4)
        g.purpose = purpose if bits(3) else self.pick(self.purposes)
        if g.kind != 'r' or bits(1):
            g.to = tuple(self.entry(recipient, role)
                         for _ in range(1 + self.one_in(3)))
        if self.one_in(8):
            g.excepted = (self.entry(recipient, role),)
        if g.kind != 'r' or bits(1):
            g.classes = self.some(mask) or mask
        g.first = day - (bits(6) if bits(3) else -1)
        g.last = day + (bits(6) if bits(3) else -1)
        g.leaf = 1 + bits(4)
        if g.withdrawn and bits(3):
            g.withdrawn_leaf = g.leaf + bits(3)
        return g

    def words(self):
        """(event, variant, purpose, role, rule or None)"""
        if self.one_in(12):
            event = self.pick(self.events)
            variant = self.pick(('',) + self.pack.schema.events[event][0])
            return (event, variant, self.pick(self.purposes),
                    self.pick(self.roles), None)
        rule, events, purposes, roles = self.pick(self.rules)
        event, variant = self.pick(events)
        return event, variant, self.pick(purposes), self.pick(roles), rule

    def facts(self, rule):
        facts = set(rule.requires) if rule else set()
        while self.rng.getrandbits(1):
            facts.add(self.pick(self.predicates))
        if rule and self.rng.getrandbits(3):
            facts -= rule.unless
        if facts and self.one_in(10):
            facts.discard(self.pick(sorted(facts)))
        return frozenset(facts)

    def request(self):
        event, variant, purpose, role, rule = self.words()
        roles = [role]
        while self.one_in(4) and len(roles) < 4:
            other = self.pick(self.roles)
            if other not in roles:
                roles.insert(self.rng.getrandbits(1), other)
        recipient = D.Recipient(self.pick(AGENCIES), tuple(roles),
                                PLACES[:self.rng.getrandbits(2)])
        mask = self.pack.schema.asked(event)
        now_ms, day = self.moment()
        ask = D.Ask(event, purpose, recipient,
                    self.some(mask), variant,
                    role if self.rng.getrandbits(1) else None,
                    self.facts(rule), now_ms=now_ms,
                    clock_ok=not self.one_in(200))
        if 'session' in ask.predicates or self.one_in(16):
            ask.session = self.some(mask)
        if 'breakglass' in ask.predicates or self.one_in(16):
            ask.glass = self.some(mask)
        ask.grants = [self.grant(recipient, role, purpose, mask, day)
                      for _ in range(self.pick((0, 1, 1, 1, 2, 2, 3, 5)))]
        if self.one_in(50):
            self.spoil(ask)
        return ask

    def spoil(self, ask):
        how = self.rng.getrandbits(3)
        if how == 0:
            ask.event = self.pick(UNKNOWN_WORDS)
        elif how == 1:
            ask.variant = self.pick(UNKNOWN_WORDS)
        elif how == 2:
            ask.purpose = self.pick(UNKNOWN_WORDS)
        elif how == 3:
            ask.role = self.pick(UNKNOWN_WORDS)
        elif how == 4:
            ask.role = self.pick(self.roles)
        elif how == 5:
            ask.recipient.roles = ()
        else:
            ask.classes = self.rng.getrandbits(64)


# ---- packs made from a pack ------------------------------------------------

def rows_of(text):
    lines = [t for t in text.split('\n') if t and not t.startswith('#')]
    return lines[0].split('\t'), [t.split('\t') for t in lines[1:]]


def table(header, rows):
    return '\n'.join('\t'.join(r) for r in [header] + rows) + '\n'


def perturbed(texts, rng):
    """Another pack: still well formed, with another meaning."""
    out = dict(texts)
    header, rules = rows_of(texts['rules'])
    col = {name: i for i, name in enumerate(header)}
    rules = [r + [''] * (len(header) - len(r)) for r in rules
             if rng.random() > 0.05]
    for r in rules:
        if rng.random() < 0.1:
            r[col['from']] = '2026-07-%02d' % rng.randrange(1, 15)
        if rng.random() < 0.1:
            r[col['to']] = '2026-07-%02d' % rng.randrange(5, 20)
        if rng.random() < 0.1 and r[col['effect']] == 'permit':
            r[col['layer']] = rng.choice(('law', 'm106', 'consent', 'session',
                                          'life', 'breakglass'))
        if rng.random() < 0.05:
            r[col['layer']] = rng.choice(('law', 'm106', 'consent', 'session',
                                          'life', 'breakglass'))
            r[col['effect']] = 'deny'
        if rng.random() < 0.1:
            r[col['unless']] = rng.choice(('asked', 'chosen', 'session'))
        if rng.random() < 0.1:
            r[col['requires']] = rng.choice(('asked', 'breakglass', 'session'))
    if rng.random() < 0.5:
        rng.shuffle(rules)
    out['rules'] = table(header, rules)
    header, basis = rows_of(texts['basis'])
    col = {name: i for i, name in enumerate(header)}
    for r in basis:
        r += [''] * (len(header) - len(r))
        if rng.random() < 0.2:
            r[col['valid_to']] = '2026-07-%02d' % rng.randrange(1, 20)
        if rng.random() < 0.1:
            r[col['valid_from']] = '2026-07-%02d' % rng.randrange(1, 10)
    out['basis'] = table(header, basis)
    return out


ALL_FILES = ('vocab', 'rules', 'ceiling', 'minimum', 'basis', 'breakglass',
             'retention', 'authority')


def read_texts(folder):
    texts = {}
    for name in ALL_FILES:
        path = os.path.join(folder, name + '.tsv')
        if os.path.exists(path):
            with open(path, encoding='utf-8') as f:
                texts[name] = f.read()
    return texts


def write_texts(folder, texts):
    for name, text in texts.items():
        with open(os.path.join(folder, name + '.tsv'), 'w',
                  encoding='utf-8') as f:
            f.write(text)


# ---- packs that nobody may decide by ----------------------------------------

# table, column: a word nobody knows is put there
WORDS_IN = [('rules', c) for c in ('layer', 'effect', 'event', 'purpose',
                                   'role', 'classes', 'requires', 'unless',
                                   'basis', 'from', 'to')] + [
    ('ceiling', 'role'), ('ceiling', 'classes'), ('minimum', 'purpose'),
    ('minimum', 'event'), ('minimum', 'classes'), ('basis', 'valid_from'),
    ('basis', 'valid_to')]


def spoilt(texts):
    """(what, tables): packs with one thing wrong."""
    for name, column in WORDS_IN:
        header, rows = rows_of(texts[name])
        rows = [r + [''] * (len(header) - len(r)) for r in rows]
        rows[len(rows) // 2][header.index(column)] = 'NOT_A_WORD'
        yield ('%s.%s' % (name, column),
               dict(texts, **{name: table(header, rows)}))
    for kind in ('layer', 'class', 'event', 'role', 'purpose', 'predicate'):
        header, rows = rows_of(texts['vocab'])
        first = next(i for i, r in enumerate(rows) if r[0] == kind)
        yield 'vocab without a ' + kind, dict(texts, vocab=table(
            header, rows[:first] + rows[first + 1:]))


def refused_by_both(oracle, folder, schema):
    """Tables that are wrong are used by neither."""
    said, texts = {}, read_texts(folder)
    for what, mine in spoilt(texts):
        try:
            D.Pack(schema, mine)
            ours = 'used'
        except D.PackError:
            ours = 'refused'
        with tempfile.TemporaryDirectory() as scratch:
            write_texts(scratch, mine)
            theirs = ask_oracle(oracle, scratch, [])
        said[what] = ('refused' if theirs is None else 'used', ours)
    bad = [what for what, how in said.items() if set(how) != {'refused'}]
    print('%d wrong packs, %d refused by both' % (len(said),
                                                  len(said) - len(bad)))
    for what in bad:
        print('  %s: hub %s, python %s' % ((what,) + said[what]))
    return not bad


def random_chunk(job):
    oracle, folder, seed, n, other = job
    rng, tally, schema = random.Random(seed), Tally(), load_schema()
    with tempfile.TemporaryDirectory() as scratch:
        texts = read_texts(folder)
        while True:
            mine = perturbed(texts, rng) if other else texts
            pack = D.Pack(schema, mine)
            maker = Maker(pack, rng)
            asks = [maker.request() for _ in range(n)]
            write_texts(scratch, mine)
            if hold_together(oracle, scratch, pack, asks, tally):
                break
            if not other:
                sys.exit('the hub refuses the pack that Python accepts')
    tally.packs += other
    return tally


def random_requests(oracle, folder, seed, n):
    jobs = [(oracle, folder, '%d/%d' % (seed, i), min(CHUNK, n - i),
             (i // CHUNK) % 2 == 1) for i in range(0, n, CHUNK)]
    tally = Tally()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for t in pool.imap_unordered(random_chunk, jobs):
            tally.add(t)
    return tally


# ---- report ----------------------------------------------------------------

def report(what, tally, seconds):
    print('%s: %d requests, %d classes decided, %d released, %d refused by '
          'the person, %d errors' % (
              what, tally.requests, tally.classes, tally.released,
              tally.refused, tally.errors))
    print('  %d rules cited, %d other packs, %.1f s (%.0f requests/s; hub '
          '%.0f/s, Python %.0f/s a core)' % (
              len(tally.rules - {'DEFAULT'}), tally.packs, seconds,
              tally.requests / seconds,
              tally.requests / max(tally.c_seconds, 1e-9),
              tally.requests / max(tally.python_seconds, 1e-9)))
    print('  %d differences' % tally.different)
    for line, theirs, ours in tally.shown[:SHOWN]:
        print('  request %s\n  hub     %s\n  python  %s' % (line, theirs,
                                                           ours))
    return tally.different == 0 and tally.released > 0


def main():
    args = argparse.ArgumentParser()
    args.add_argument('oracle')
    args.add_argument('pack')
    args.add_argument('--requests', type=int, default=1000000)
    args.add_argument('--seed', type=int, default=None)
    args.add_argument('--tsunagi')
    args.add_argument('--random-only', action='store_true')
    args.add_argument('--matrix-only', action='store_true')
    a = args.parse_args()
    good = True
    if not a.random_only:
        good &= refused_by_both(a.oracle, a.pack, load_schema())
        begin = time.perf_counter()
        tally = exhaustive(a.oracle, a.pack, load_schema())
        good &= report('every cell', tally, time.perf_counter() - begin)
        if a.tsunagi:
            good &= tables_agree(a.tsunagi, a.pack, load_schema())
    if not a.matrix_only:
        seed = a.seed if a.seed is not None else random.randrange(1 << 31)
        print('seed %d' % seed)
        begin = time.perf_counter()
        tally = random_requests(a.oracle, a.pack, seed, a.requests)
        good &= report('random', tally, time.perf_counter() - begin)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
