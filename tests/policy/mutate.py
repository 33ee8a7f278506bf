"""mutate.py - do the cases notice when a policy pack is changed?

    mutate.py PACK [--tsunagi PROGRAM --sample N]

Changes one thing at a time: drops a rule, flips its effect, widens or narrows
its classes, widens its roles and purposes, drops a word of requires or unless,
widens a cell of minimum.tsv and ceiling.tsv, forgets what an event tells by
itself and that a class is a third person's. Each mutant must make a case of cases.tsv fail.

A mutant under which no cell of the whole matrix changes is equivalent; those
are counted by the reason why:
  second wall   the rule would pass more, but the ceiling of the role or what
                the purpose needs still holds it back. Such a mutant is tried
                again with both walls taken away, on the cases that still hold
                then, and must be noticed there.
  no rule       a wider minimum or ceiling that no rule makes use of, or what
                an event tells where every rule about it permits just that
  other layer   another rule decides the same cells the same way
  other reason  what is passed on stays the same under every set of facts; a
                denial only names another rule (never so for drop and flip)
With --tsunagi a sample of the killed mutants is written as tables and must
fail `tsunagi policy test` too.
"""
import argparse
import copy
import itertools
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time

import cases
import compare as C
import decide as D

PERMIT_BASIS = 'LB_NOTICE'


class Mutant:
    """One changed row: table, its number, the row now (None: dropped)."""
    __slots__ = ('kind', 'label', 'table', 'number', 'row')

    def __init__(self, kind, label, table, number, row):
        self.kind, self.label, self.table = kind, label, table
        self.number, self.row = number, row


def rows_of(texts, table):
    return D.read_table(texts[table], ())


# ---- making them -----------------------------------------------------------

def of_rules(pack, texts):
    for n, row in enumerate(rows_of(texts, 'rules')):
        rule, name = pack.rules[n], row['id']

        def put(kind, label, _n=n, _row=row, _name=name, **cells):
            return Mutant(kind, '%s: %s' % (_name, label), 'rules', _n,
                          dict(_row, **cells))
        yield Mutant('drop', name + ': dropped', 'rules', n, None)
        if rule.permit:
            yield put('flip', 'denies', effect='deny')
        else:
            yield put('flip', 'permits', effect='permit',
                      basis=row['basis'] or PERMIT_BASIS)
        has = 0
        for event, _ in rule.events:
            has |= pack.schema.asked(event)
        here = rule.classes & has
        for c in D.bits(has & ~rule.classes):
            yield put('widen classes', '+' + pack.schema.class_name[c],
                      classes=pack.schema.words(rule.classes | 1 << c))
        for c in D.bits(here):
            if rule.classes not in (1 << c, pack.schema.every_class):
                yield put('narrow classes', '-' + pack.schema.class_name[c],
                          classes=pack.schema.words(rule.classes & ~(1 << c)))
        for role in sorted(pack.roles - rule.roles):
            yield put('widen roles', '+' + role,
                      role=' '.join(sorted(rule.roles | {role})))
        for purpose in sorted(pack.purposes - rule.purposes):
            yield put('widen purposes', '+' + purpose,
                      purpose=' '.join(sorted(rule.purposes | {purpose})))
        for column in ('requires', 'unless'):
            words = row[column].split()
            for w in words:
                yield put('drop ' + column, w, **{
                    column: ' '.join(x for x in words if x != w)})


def of_walls(pack, texts):
    for n, row in enumerate(rows_of(texts, 'minimum')):
        keys = list(pack.needs(row))
        mask, has = keys[0][1], 0
        for (_, (event, _)), _ in keys:
            has |= pack.schema.asked(event)
        for c in D.bits(has & ~mask):
            yield Mutant('widen minimum', '%s %s: +%s' % (
                row['purpose'], row['event'], pack.schema.class_name[c]),
                'minimum', n, dict(row, classes=pack.schema.words(
                    mask | 1 << c)))
        for w in row.get('tells', '').split():
            yield Mutant('drop tells', '%s %s: -%s' % (
                row['purpose'], row['event'], w), 'minimum', n, dict(
                    row, tells=' '.join(x for x in row['tells'].split()
                                        if x != w)))
    for n, row in enumerate(rows_of(texts, 'ceiling')):
        mask = pack.classes(row['classes'])
        for c in D.bits(pack.schema.every_class & ~mask):
            yield Mutant('widen ceiling', '%s: +%s' % (
                row['role'], pack.schema.class_name[c]), 'ceiling', n,
                dict(row, classes=pack.schema.words(mask | 1 << c)))
    for n, row in enumerate(rows_of(texts, 'vocab')):
        if row['kind'] == 'third':
            yield Mutant('forget third', row['code'], 'vocab', n, None)


def every_mutant(pack, texts):
    return list(itertools.chain(of_rules(pack, texts), of_walls(pack, texts)))


# ---- putting them in -------------------------------------------------------

def mutated(pack, m):
    """A pack with the mutant in it, the cells it may touch, and the classes
    without which it can change nothing."""
    out = copy.copy(pack)
    out.forget()
    if m.table == 'rules':
        out.rules = list(pack.rules)
        old = pack.rules[m.number]
        if m.row is None:
            del out.rules[m.number]
            return out, cells_of(old), old.classes
        new = out.rules[m.number] = out.rule(m.row)
        if m.kind in ('widen roles', 'widen purposes'):
            return out, cells_of(new) - cells_of(old), new.classes
        return out, cells_of(old), old.classes ^ new.classes or old.classes
    if m.kind == 'drop tells':
        out.tells = dict(pack.tells)
        keys = {key for key, _ in out.needs(m.row)}
        for key in keys:
            out.tells[key] = pack.classes(m.row['tells'])
        return out, {c for c in C.cells(pack)
                     if (c[2], (c[0], c[1])) in keys}, -1
    if m.table == 'minimum':
        out.minimum = dict(pack.minimum)
        keys, more = set(), 0
        for key, mask in out.needs(m.row):
            more |= mask & ~pack.minimum[key]
            out.minimum[key] = pack.minimum[key] | mask
            keys.add(key)
        return out, {c for c in ruled(pack, more)
                     if (c[2], (c[0], c[1])) in keys}, more
    if m.table == 'ceiling':
        out.ceiling = dict(pack.ceiling)
        role, more = m.row['role'], pack.classes(m.row['classes'])
        more &= ~pack.ceiling[role]
        out.ceiling[role] |= more
        return out, {c for c in ruled(pack, more) if c[3] == role}, more
    more = 1 << pack.schema.class_bit[m.label]
    out.third = pack.third & ~more
    return out, ruled(pack, more), more


def cells_of(rule):
    return {(e, v, p, r) for e, v in rule.events for p in rule.purposes
            for r in rule.roles}


def ruled(pack, mask):
    """Cells in which a rule behind the walls speaks of one of the classes."""
    out = set()
    for r in pack.rules:
        if r.classes & mask and r.layer not in D.BEFORE_ANY_PERMIT:
            out |= cells_of(r)
    return out


def without_walls(pack):
    out = copy.copy(pack)
    out.forget()
    out.limit = lambda *_: -1
    return out


# ---- judging them ----------------------------------------------------------

FEW = 100  # situations of a case that speaks of something in particular


def indexed(asks):
    """Situations by the cell they ask about: of particular cases, of all."""
    few, many = {}, {}
    for a in asks:
        cell = a[1].event, a[1].variant, a[1].purpose, a[1].role
        (few if len(a[0].asks) <= FEW else many).setdefault(cell, []).append(a)
    return few, many


def fails_a_case(pack, index, touched, mask):
    """The case that notices."""
    for by_cell in index:
        for cell in touched:
            for case, ask, released in by_cell.get(cell, ()):
                if ask.classes & mask and not case.holds(pack, ask, released):
                    return case.id
    return None


def passed_on(d):
    """Without the reasons of what is not."""
    return d.error, {c: w[:2] for c, w in d.cited.items()
                     if d.released >> c & 1}


def row_of_matrix(d):
    return d.error, d.released, {c: w[:2] for c, w in d.cited.items()}


def changes_a_cell(pack, other, touched, mask, look=row_of_matrix):
    for cell in touched:
        if not pack.schema.asked(cell[0]) & mask:
            continue
        facts = sorted(set(C.facts_named(pack, *cell)) |
                       set(C.facts_named(other, *cell)) |
                       ({'consent_own'} if pack.third & mask else set()))
        for n in range(len(facts) + 1):
            for words in itertools.combinations(facts, n):
                ask = C.situation(pack, *cell, words)
                if (look(D.decide(pack, ask)) !=
                        look(D.decide(other, ask))):
                    return '%s under: %s' % (' '.join(cell), ' '.join(words))
    return None


class Judge:
    def __init__(self, folder):
        self.schema = C.load_schema()
        self.texts = C.read_texts(folder)
        self.pack = D.Pack(self.schema, self.texts)
        asks = [(case, ask, released)
                for case in cases.load(self.pack, folder)
                for ask, released in case.asks]
        self.index = indexed(asks)
        self.open = without_walls(self.pack)
        self.open_index = indexed([a for a in asks
                                   if a[0].holds(self.open, a[1], a[2])])

    def verdict(self, m):
        """(word, by which case or where)."""
        other, *touched = mutated(self.pack, m)
        case = fails_a_case(other, self.index, *touched)
        if case:
            return 'killed', case
        where = changes_a_cell(self.pack, other, *touched)
        if where and (m.kind in ('drop', 'flip') or changes_a_cell(
                self.pack, other, *touched, passed_on)):
            return 'alive', where
        if where:
            return 'other reason', where
        if m.table in ('minimum', 'ceiling'):
            return 'no rule', ''
        bare = without_walls(other)
        where = changes_a_cell(self.open, bare, *touched)
        if where is None:
            return 'other layer', ''
        case = fails_a_case(bare, self.open_index, *touched)
        return ('second wall', case) if case else ('second wall, unseen',
                                                   where)


judge = None


def start(folder):
    global judge
    judge = Judge(folder)


def one(m):
    return m, judge.verdict(m)


# ---- the hub's own test of a sample ----------------------------------------

def as_tables(texts, m):
    out = dict(texts)
    rows = rows_of(texts, m.table)
    header = C.rows_of(texts[m.table])[0]
    if m.row is None:
        del rows[m.number]
    else:
        rows[m.number] = m.row
    out[m.table] = C.table(header, [[r[h] for h in header] for r in rows])
    return out


def hub_says(job):
    """How the hub's own test takes a mutant: notices, misses, refuses."""
    program, folder, m = job
    with tempfile.TemporaryDirectory() as scratch:
        texts = as_tables(C.read_texts(folder), m)
        C.write_texts(scratch, texts)
        with open(os.path.join(folder, 'cases.tsv'), 'rb') as f:
            with open(os.path.join(scratch, 'cases.tsv'), 'wb') as to:
                to.write(f.read())
        p = subprocess.run([program, 'policy', 'test', scratch],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           encoding='utf-8', check=False)
    if ': does not hold' in p.stdout:
        return 'notices'
    return 'misses' if p.returncode == 0 else 'refuses'


def hub_misses(a, killed):
    """Tries a sample on the hub; a table that it does not even load (a denial
    that may not be a permit, say) counts for nothing."""
    sample = random.Random(a.seed).sample(killed, min(a.sample, len(killed)))
    with multiprocessing.Pool(os.cpu_count()) as pool:
        said = pool.map(hub_says, [(a.tsunagi, a.pack, m) for m in sample], 1)
    print('tsunagi policy test: %d of %d mutants noticed, %d refused as '
          'tables' % (said.count('notices'), len(sample),
                      said.count('refuses')))
    missed = [m for m, s in zip(sample, said) if s == 'misses']
    for m in missed:
        print('  not noticed: %s %s' % (m.kind, m.label))
    return len(missed) + (said.count('notices') < len(sample) // 2)


def main():
    args = argparse.ArgumentParser()
    args.add_argument('pack')
    args.add_argument('--tsunagi')
    args.add_argument('--sample', type=int, default=40)
    args.add_argument('--seed', type=int, default=1)
    a = args.parse_args()
    begin = time.perf_counter()
    start(a.pack)
    mutants = every_mutant(judge.pack, judge.texts)
    found = {}
    with multiprocessing.Pool(os.cpu_count(), start, (a.pack,)) as pool:
        for m, (word, where) in pool.imap_unordered(one, mutants, 16):
            found.setdefault(word, []).append((m, where))
    report(mutants, found, time.perf_counter() - begin)
    bad = len(found.get('alive', [])) + len(found.get('second wall, unseen',
                                                      []))
    if a.tsunagi:
        bad += hub_misses(a, sorted((m for m, _ in found['killed']),
                                    key=lambda m: m.label))
    return 1 if bad else 0


def report(mutants, found, seconds):
    words = ('killed', 'second wall', 'no rule', 'other layer',
             'other reason', 'alive', 'second wall, unseen')
    kinds = sorted({m.kind for m in mutants})
    print('%-16s' % 'mutants' + ''.join('%14s' % w[:13] for w in words))
    for kind in kinds:
        print('%-16s' % kind + ''.join('%14d' % sum(
            m.kind == kind for m, _ in found.get(w, ())) for w in words))
    print('%-16s' % 'all' + ''.join('%14d' % len(found.get(w, ()))
                                    for w in words))
    for word in ('other layer', 'alive', 'second wall, unseen'):
        for m, where in sorted(found.get(word, ()),
                               key=lambda f: (f[0].kind, f[0].label))[:60]:
            print('  %s: %s, %s  %s' % (word, m.kind, m.label, where))
    equivalent = sum(len(found.get(w, ())) for w in words[1:5])
    alive = len(found.get('alive', ()))
    print('%d mutants, %d equivalent, %d of %d others killed (%.1f %%), '
          '%.1f s' % (len(mutants), equivalent, len(found['killed']),
                      len(mutants) - equivalent,
                      100 * len(found['killed']) /
                      max(1, len(found['killed']) + alive), seconds))


if __name__ == '__main__':
    sys.exit(main())
