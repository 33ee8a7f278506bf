"""decide.py - the decision "may this recipient see these classes of this
event, and why", once more.

A second implementation, written from the text of the rules and not from
hub/core: the order of the layers, the file formats (tsunagi-tables(5)), the
rules of consent. compare.py holds the two against each other. It knows the
schemas only through proto/tsunagi/v1/*.proto and the policy only through the
tables; like the hub's, it names no role, class, purpose or event.

Order, per class; the first layer that speaks decides:
    prohibit > protect > law > m106 > refusal or withdrawal > consent >
    session > life > breakglass > deny
always within the recipient's ceiling and what the purpose needs: what lies
outside is neither permitted nor refused, there is no ground; only a
prohibition or a protection is still named as the reason. Within a layer a
deny beats a permit, and the first rule of the file is cited.

Classes are bits of an int (the number of the class in options.proto), so that
a layer is asked for all classes at once.
"""
import copy
import datetime
import itertools
import os
import re

LAYERS = ('prohibit', 'protect', 'law', 'm106', 'consent', 'session', 'life',
          'breakglass')
BEFORE_ANY_PERMIT = ('prohibit', 'protect')
REFUSAL_STANDS_BEFORE = 'consent'
# why nothing can be decided; all of it is denied then
CLOCK, EXPIRED = 'E-POL-004', 'E-POL-003'
UNKNOWN_EVENT, UNKNOWN_PURPOSE = 'E-EVT-002', 'E-EVT-015'
UNKNOWN_ROLE, UNKNOWN_CLASS = 'E-EVT-014', 'E-EVT-008'
OPEN_START, OPEN_END = -(1 << 31), (1 << 31) - 1


class PackError(Exception):
    """The tables cannot be used; nothing may be decided by them."""


def japan_day(now_ms):
    """Days since 1970-01-01 on the calendar of Japan, which has no summer
    time and is nine hours ahead."""
    return (now_ms + 9 * 3600 * 1000) // 86400000


def day_of(text, if_empty):
    if text == '':
        return if_empty
    if not re.fullmatch(r'\d{4}-\d\d-\d\d', text):
        raise PackError('not a day: ' + text)
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError as e:
        raise PackError('not a day: ' + text) from e
    return (day - datetime.date(1970, 1, 1)).days


# ---- schemas ---------------------------------------------------------------

def snake(name):
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).upper()


class Schema:
    """class_bit: G_ID -> 2; events: name -> (variants, mask of classes)."""

    def __init__(self, folder):
        text = ''
        for name in sorted(os.listdir(folder)):
            if name.endswith('.proto'):
                with open(os.path.join(folder, name), encoding='utf-8') as f:
                    text += re.sub(r'//[^\n]*', '', f.read())
        self.enums = {
            m.group(1): dict(self._values(m.group(2)))
            for m in re.finditer(r'\benum\s+(\w+)\s*{(.*?)\n}', text, re.S)}
        self.class_bit = {name: number for name, number
                          in self.enums['DataClass'].items() if number}
        self.every_class = sum(1 << n for n in self.class_bit.values())
        self.class_name = {n: c for c, n in self.class_bit.items()}
        self.events = {}
        for m in re.finditer(r'\bmessage\s+(\w+)\s*{(.*?)\n}', text, re.S):
            if re.search(r'option\s+\(event\)\s*=', m.group(2)):
                self.events[snake(m.group(1))] = self._event(m.group(2))

    @staticmethod
    def _values(body):
        for m in re.finditer(r'(\w+)\s*=\s*(\d+)\s*(?:\[.*?\])?\s*;', body,
                             re.S):
            yield m.group(1), int(m.group(2))

    def _event(self, body):
        variants, mask = (), 0
        for m in re.finditer(r'(\w+)\s+\w+\s*=\s*\d+\s*\[([^\]]*)\]', body):
            cls = re.search(r'\(cls\)\s*=\s*(\w+)', m.group(2))
            if cls:
                mask |= 1 << self.class_bit[cls.group(1)]
            if re.search(r'\(variant\)\s*=\s*true', m.group(2)):
                variants = tuple(v for v, n in self.enums[m.group(1)].items()
                                 if n)
        return variants, mask

    def asked(self, event):
        """Every class that the event has."""
        return self.events[event][1]

    def mask(self, words):
        """Bits of class names separated by spaces."""
        bits = 0
        for w in words.split():
            bits |= 1 << self.class_bit[w]
        return bits

    def words(self, mask):
        return ' '.join(self.class_name.get(b, '?%d' % b)
                        for b in range(64) if mask >> b & 1)


# ---- tables ----------------------------------------------------------------

def read_table(text, columns):
    """Rows of a table as dicts: UTF-8, tabs, a header row, '#' comments."""
    rows, header = [], None
    for line in text.splitlines():
        if line == '' or line.startswith('#'):
            continue
        cells = line.split('\t')
        if header is None:
            header = cells
            missing = [c for c in columns if c not in header]
            if missing:
                raise PackError('no column ' + missing[0])
            continue
        if len(cells) > len(header):
            raise PackError('too many cells: ' + line)
        cells += [''] * (len(header) - len(cells))
        rows.append(dict(zip(header, cells)))
    return rows


def chosen(cell, every):
    """The set a cell means: words, '*' for every one, '!word' takes out."""
    words = cell.split()
    every = list(every)
    out = {w[1:] for w in words if w.startswith('!')}
    named = {w for w in words if not w.startswith('!') and w != '*'}
    for w in out | named:
        if w not in every:
            raise PackError('unknown word: ' + w)
    return (set(every) if '*' in words else named) - out


class Rule:
    __slots__ = ('id', 'row', 'layer', 'permit', 'events', 'purposes', 'roles',
                 'classes', 'requires', 'unless', 'basis', 'first', 'last',
                 'whoever', 'session', 'glass')


class Pack:
    FILES = ('vocab', 'rules', 'ceiling', 'minimum', 'basis', 'breakglass')

    def __init__(self, schema, texts):
        """texts: name of a table without .tsv -> its text."""
        self.schema = schema
        self._vocab(read_table(texts['vocab'], ('kind', 'code')))
        self._basis(read_table(texts['basis'], ('code', 'valid_from',
                                                'valid_to')))
        self.rules = [self.rule(r) for r in read_table(
            texts['rules'], ('id', 'layer', 'effect', 'event', 'purpose',
                             'role', 'classes', 'requires', 'unless', 'basis',
                             'from', 'to'))]
        self.ceiling = {}
        for row in read_table(texts['ceiling'], ('role', 'classes')):
            for role in chosen(row['role'], self.every_role):
                self.ceiling[role] = (self.ceiling.get(role, 0) |
                                      self.classes(row['classes']))
        self.minimum, self.tells = {}, {}
        for row in read_table(texts['minimum'], ('purpose', 'event',
                                                 'classes')):
            tells = self.classes(row.get('tells', ''))
            for key, mask in self.needs(row):
                if tells & ~mask:
                    raise PackError('tells more than the purpose needs')
                self.minimum[key] = self.minimum.get(key, 0) | mask
                self.tells[key] = self.tells.get(key, 0) | tells
        self.glass = {}
        if 'breakglass' in texts:
            for row in read_table(texts['breakglass'], ('kind', 'code',
                                                        'value')):
                if row['kind'] == 'role':
                    self.glass[row['code']] = self.classes(row['value'])
        self.forget()

    @classmethod
    def load(cls, schema, folder):
        texts = {}
        for name in cls.FILES:
            path = os.path.join(folder, name + '.tsv')
            if os.path.exists(path):
                with open(path, encoding='utf-8') as f:
                    texts[name] = f.read()
        return cls(schema, texts)

    def _vocab(self, rows):
        kinds = {}
        for row in rows:
            words = kinds.setdefault(row['kind'], [])
            if row['code'] in words:
                raise PackError('twice: ' + row['code'])
            words.append(row['code'])
        self.roles = set(kinds.get('role', ()))
        self.excluded = set(kinds.get('role_excluded', ()))
        self.every_role = self.roles | self.excluded
        self.purposes = set(kinds.get('purpose', ()))
        self.predicates = set(kinds.get('predicate', ()))
        self.companions = self._bits(kinds.get('companion', ()))
        self.third = self._bits(kinds.get('third', ()))
        if set(kinds.get('layer', ())) != set(LAYERS):
            raise PackError('the layers are not those of the decision')
        for kind, known in (('class', self.schema.class_bit),
                            ('event', self.schema.events)):
            if kind in kinds and set(kinds[kind]) != set(known):
                raise PackError('not the %s words of the schemas: %s' % (
                    kind, ' '.join(sorted(set(kinds[kind]) ^ set(known)))))

    def _bits(self, words):
        bits = 0
        for w in words:
            if w not in self.schema.class_bit:
                raise PackError('unknown class: ' + w)
            bits |= 1 << self.schema.class_bit[w]
        return bits

    def classes(self, cell):
        return self._bits(chosen(cell, self.schema.class_bit))

    def events(self, cell):
        """Pairs (event, variant or None for the event in every variant)."""
        every = list(self.schema.events)
        for name, (variants, _) in self.schema.events.items():
            every += ['%s:%s' % (name, v) for v in variants]
        pairs, taken = set(), set()
        for w in cell.split():
            into, w = (taken, w[1:]) if w.startswith('!') else (pairs, w)
            if w != '*' and w not in every:
                raise PackError('unknown event: ' + w)
            for e in (every if w == '*' else [w]):
                name, _, variant = e.partition(':')
                into.add((name, variant))
                if variant == '':
                    into.update((name, v)
                                for v in self.schema.events[name][0])
        return pairs - taken

    def _basis(self, rows):
        self.basis = {row['code']: (day_of(row['valid_from'], OPEN_START),
                                    day_of(row['valid_to'], OPEN_END))
                      for row in rows}

    def rule(self, row):
        r = Rule()
        r.id, r.row, r.layer = row['id'], row['row'], row['layer']
        if r.layer not in LAYERS or row['effect'] not in ('permit', 'deny'):
            raise PackError(r.id + ': layer or effect')
        r.permit = row['effect'] == 'permit'
        r.events = self.events(row['event'])
        r.purposes = chosen(row['purpose'], self.purposes)
        r.roles = chosen(row['role'], self.every_role)
        # a prohibition that lists roles holds for whoever has one of them
        r.whoever = r.layer in BEFORE_ANY_PERMIT and '*' not in row['role']
        if r.permit:  # who can hold no role can be permitted nothing
            r.roles -= self.excluded
        r.classes = self.classes(row['classes'])
        r.requires = frozenset(chosen(row['requires'], self.predicates))
        r.unless = frozenset(chosen(row['unless'], self.predicates))
        r.basis = row['basis']
        if r.basis and r.basis not in self.basis or r.permit and not r.basis:
            raise PackError(r.id + ': basis')
        r.first = day_of(row['from'], OPEN_START)
        r.last = day_of(row['to'], OPEN_END)
        # both count only for the classes that the meeting's call named, or
        # that the opened break-glass covers
        r.session = 'session' in r.requires
        r.glass = r.layer == 'breakglass' or 'breakglass' in r.requires
        if r.glass:
            r.requires |= {'breakglass'}
        return r

    def needs(self, row):
        """What a row of minimum.tsv adds: (purpose, event), mask."""
        for purpose in chosen(row['purpose'], self.purposes):
            for event in self.events(row['event']):
                yield (purpose, event), self.classes(row['classes'])

    def forget(self):
        """After a change of the tables in place."""
        self._index, self._match = {}, {}

    # ---- what the decision asks of the tables ----

    def expired(self, rule, day):
        """The rule counts today, the ground it cites does not: the tables
        contradict each other, and nothing may be decided by them."""
        if not rule.basis:
            return False
        first, last = self.basis[rule.basis]
        return not first <= day <= last

    def candidates(self, event, variant, purpose, role, held=()):
        """The rules about a recipient served in role, who has those held."""
        key = event, variant, purpose, role, held
        if key not in self._index:
            self._index[key] = [
                r for r in self.rules
                if (event, variant) in r.events and purpose in r.purposes
                and (role in r.roles
                     or r.whoever and not r.roles.isdisjoint(held))]
        return self._index[key]

    def matching(self, event, variant, purpose, role, predicates, day, held):
        """Rules whose ground is not in force, and per layer (name, denials,
        permits), each in the order of the file."""
        key = event, variant, purpose, role, predicates, day, held
        found = self._match.get(key)
        if found is None:
            if len(self._match) > 200000:
                self._match.clear()
            now = [r for r in self.candidates(event, variant, purpose, role,
                                              held)
                   if r.requires <= predicates
                   and not r.unless & predicates
                   and r.first <= day <= r.last]
            expired = [r for r in now if self.expired(r, day)]
            found = self._match[key] = expired, tuple(
                (layer, [r for r in now if r.layer == layer and not r.permit],
                 [r for r in now if r.layer == layer and r.permit])
                for layer in LAYERS
                if layer == REFUSAL_STANDS_BEFORE
                or any(r.layer == layer for r in now))
        return found

    def limit(self, event, variant, purpose, role):
        """Ceiling of the role and what the purpose needs of the event."""
        return (self.ceiling.get(role, 0) &
                self.minimum.get((purpose, (event, variant)), 0))


# ---- consent ---------------------------------------------------------------

class Grant:
    """One entry of a person's register. kind: 'g' given, 'r' refused, 'd'
    deferred, which neither permits nor refuses. to, excepted: tuples of
    ('a', code) or ('r', role, place). first, last: days, inclusive."""
    __slots__ = ('kind', 'withdrawn', 'superseded', 'third', 'purpose', 'to',
                 'excepted', 'classes', 'first', 'last', 'leaf',
                 'withdrawn_leaf')

    def __init__(self, kind='g', withdrawn=False, superseded=False,
                 third=False, purpose='', to=(), excepted=(), classes=0,
                 first=OPEN_START, last=OPEN_END, leaf=0, withdrawn_leaf=0):
        self.kind, self.withdrawn = kind, withdrawn
        self.superseded, self.third = superseded, third
        self.purpose, self.to, self.excepted = purpose, to, excepted
        self.classes, self.first, self.last = classes, first, last
        self.leaf, self.withdrawn_leaf = leaf, withdrawn_leaf

    def said_at(self):
        """When the no was said: for a consent, when it was taken back."""
        back = self.kind == 'g' and self.withdrawn_leaf > self.leaf
        return self.withdrawn_leaf if back else self.leaf


class Recipient:
    """An agency: its code, roles in order, places it serves."""
    __slots__ = ('code', 'roles', 'places')

    def __init__(self, code, roles, places=()):
        self.code, self.roles, self.places = code, roles, places


def among(entries, recipient, role):
    return any(e[1] == recipient.code if e[0] == 'a' else
               e[1] == role and e[2] in recipient.places for e in entries)


def speaks_of(grant, recipient, role):
    """A refusal without recipients is for everyone."""
    everyone = grant.kind == 'r' and not grant.to
    return ((everyone or among(grant.to, recipient, role))
            and not among(grant.excepted, recipient, role))


def consent_masks(pack, grants, recipient, role, purpose, day):
    """(covering, refusing): pairs (mask, index) in the order of the register:
    each entry that speaks now, with the classes it permits or refuses.

    A third person's entry is about third persons' data alone and permits
    nothing where the person has not agreed to this recipient and purpose; a
    consent of the person's side is about all other data, a refusal about
    both. A withdrawn consent refuses what it named, within its days; a
    refusal cannot be withdrawn, only be followed by a consent."""
    yes, no = [], []
    for i, g in enumerate(grants):
        if (g.superseded or g.kind == 'd' or g.purpose != purpose
                or not g.first <= day <= g.last
                or not speaks_of(g, recipient, role)):
            continue
        refuses = g.kind == 'r' or g.withdrawn
        mask = g.classes or -1 if g.kind == 'r' else g.classes
        if g.third:
            mask &= pack.third
        (no if refuses else yes).append((mask, i))
    person_agreed = any(not grants[i].third for _, i in yes)
    covering = [(mask if grants[i].third else mask & ~pack.third, i)
                for mask, i in yes if person_agreed]
    refusing = [(still_refused(pack, grants, mask, grants[i], yes), i)
                for mask, i in no]
    return covering, refusing


def still_refused(pack, grants, mask, no, yes):
    """A later consent of the same side lifts a no as far as it names the
    same. The person's consent does not name third persons' data: it lifts for
    them what was refused as a whole, not what was refused by name."""
    for lifted, k in yes:
        if grants[k].leaf > no.said_at() and grants[k].third == no.third:
            mask &= ~lifted
            if not no.third and not no.classes:
                mask &= ~pack.third
    return mask


# ---- decision --------------------------------------------------------------

class Ask:
    __slots__ = ('event', 'variant', 'purpose', 'recipient', 'role', 'classes',
                 'predicates', 'session', 'glass', 'grants', 'now_ms',
                 'clock_ok', 'words')

    def __init__(self, event, purpose, recipient, classes, variant='',
                 role=None, predicates=frozenset(), session=0, glass=0,
                 grants=(), now_ms=0, clock_ok=True):
        self.event, self.variant, self.purpose = event, variant, purpose
        self.recipient, self.role, self.classes = recipient, role, classes
        self.predicates, self.session, self.glass = predicates, session, glass
        self.grants, self.now_ms, self.clock_ok = grants, now_ms, clock_ok


class Decision:
    """cited: class bit -> (rule id or 'DEFAULT', basis, index of the grant
    or -1), for every class asked for."""
    __slots__ = ('error', 'role', 'released', 'withheld', 'cited')

    def __init__(self, error='', role='', released=0, withheld=0,
                 cited=None):
        self.error, self.role, self.released = error, role, released
        self.withheld, self.cited = withheld, cited if cited else {}


DEFAULT = ('DEFAULT', '', -1)


def bits(mask):
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def error_of(pack, ask):
    """A word outside the closed lists, or a clock that cannot be trusted."""
    event = pack.schema.events.get(ask.event)
    if not ask.clock_ok:
        return CLOCK
    if event is None or ask.variant != '' and ask.variant not in event[0]:
        return UNKNOWN_EVENT
    if ask.purpose not in pack.purposes:
        return UNKNOWN_PURPOSE
    held = ask.recipient.roles
    if (not held or not pack.every_role.issuperset(held)
            or ask.role is not None and ask.role not in held):
        return UNKNOWN_ROLE
    if ask.classes & ~pack.schema.every_class:
        return UNKNOWN_CLASS
    return ''


def decide(pack, ask):
    error = error_of(pack, ask)
    if error:
        return Decision(error)
    roles = ask.recipient.roles if ask.role is None else (ask.role,)
    each = [decide_as(pack, ask, role) for role in roles]
    for d in each:
        if d.error:
            return d
    best = max(each, key=lambda d: d.released.bit_count())  # the first such
    if ask.role is None and not best.released:
        return in_no_role(each)
    return best


def in_no_role(each):
    """Nothing is released in any role: each class with the first denial that
    says more than that there is no ground."""
    out = Decision()
    for d in each:
        out.withheld |= d.withheld
        for c, why in d.cited.items():
            if out.cited.get(c, DEFAULT) == DEFAULT:
                out.cited[c] = why
    return out


def decide_as(pack, ask, role):
    """The decision for one role of the recipient. What the arrival of such an event tells by itself is judged as if asked for:
    unless all of that may pass, nothing does."""
    tells = pack.tells.get((ask.purpose, (ask.event, ask.variant)), 0)
    wide = ask
    if tells & ~ask.classes and ask.classes:
        wide = copy.copy(ask)
        wide.classes |= tells
    out = decide_each(pack, wide, role)
    if out.error:
        return out
    for c in bits(wide.classes & ~ask.classes):
        del out.cited[c]
    if tells & ~out.released:
        for c in bits(out.released & ask.classes):
            out.cited[c] = DEFAULT
        out.released = 0
    out.released &= ask.classes
    out.withheld = (ask.classes & pack.ceiling.get(role, 0) & ~out.released)
    return out


def forbidden(pack, ask, layers):
    """What is prohibited or protected: class -> why."""
    found = {}
    for layer, denials, _ in layers:
        for r in denials if layer in BEFORE_ANY_PERMIT else ():
            for c in bits(within(pack, r, ask)):
                found.setdefault(c, (r.id, '', -1))
    return found


def decide_each(pack, ask, role):
    """Class by class; withheld is left open."""
    day = japan_day(ask.now_ms)
    expired, layers = pack.matching(ask.event, ask.variant, ask.purpose, role,
                                    ask.predicates, day, ask.recipient.roles)
    if any(within(pack, r, ask) for r in expired):
        return Decision(EXPIRED)
    out = Decision(role=role, cited=forbidden(pack, ask, layers))
    cited = out.cited
    undecided = (ask.classes & ~sum(1 << c for c in cited) &
                 pack.limit(ask.event, ask.variant, ask.purpose, role))
    covering, refusing = consent_masks(pack, ask.grants, ask.recipient, role,
                                       ask.purpose, day)
    for layer, denials, permits in layers:
        if layer in BEFORE_ANY_PERMIT:
            continue
        if layer == REFUSAL_STANDS_BEFORE:
            undecided &= ~refused(undecided, refusing, cited)
        for r in denials:
            hit = undecided & within(pack, r, ask)
            cite(cited, hit, (r.id, '', -1))
            undecided &= ~hit
        for r in permits:
            hit = undecided & within(pack, r, ask)
            if layer == 'consent':
                hit = by_consent(pack, r, hit, covering, cited)
            else:
                cite(cited, hit, (r.id, r.basis, -1))
            out.released |= hit
            undecided &= ~hit
    for c in bits(ask.classes):
        cited.setdefault(c, DEFAULT)
    return out


def cite(cited, mask, why):
    for c in bits(mask):
        cited[c] = why


def refused(undecided, refusing, cited):
    """What the person refuses; the first entry that does is cited."""
    hit = 0
    for mask, i in refusing:
        cite(cited, undecided & mask & ~hit, ('DEFAULT', '', i))
        hit |= undecided & mask
    return hit


def within(pack, rule, ask):
    """The classes asked for that a rule counts for. One that rests on a
    meeting or a break-glass counts for what those were opened for; companions
    go along when anything else is left."""
    mask = cut = rule.classes & ask.classes
    if rule.session:
        cut &= ask.session
    if rule.glass:
        cut &= ask.glass
    return cut | mask & pack.companions if cut & ~pack.companions else cut


def by_consent(pack, rule, may, covering, cited):
    """What the rule lets pass because a consent in force covers it. A
    companion goes along with whatever else the rule lets pass, on the consent
    for the first of that."""
    hit = 0
    for mask, i in covering:
        new = may & mask & ~hit
        cite(cited, new, (rule.id, rule.basis, i))
        hit |= new
    others, along = hit & ~pack.companions, may & pack.companions & ~hit
    if others and along:
        cite(cited, along, cited[next(bits(others))])
        hit |= along
    return hit
