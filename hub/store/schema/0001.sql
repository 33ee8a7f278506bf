-- The hub's memory, version 1. Applied by open.c in one transaction.
--
-- Every table is STRICT; lengths are checked so that a damaged value is
-- refused when written and never read past its end. Ids are time-ordered
-- (UUIDv7) or row numbers wherever a row is added per event: such indexes grow
-- at their right end, random ones rewrite a page per row. Rows added per event:
-- event + its id, receipt, one delivery per recipient + its place in the queue,
-- one row per leaf.

CREATE TABLE event (
  seq INTEGER PRIMARY KEY,          -- order of acceptance
  event_id BLOB NOT NULL UNIQUE CHECK (length(event_id) = 16),
  header_sha256 BLOB NOT NULL CHECK (length(header_sha256) = 32),
  person BLOB CHECK (length(person) = 16),
  care_case BLOB CHECK (length(care_case) = 16),
  type INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  accepted_ms INTEGER NOT NULL,     -- with person: names the key of parts
  ingest_leaf INTEGER NOT NULL,
  hub_made INTEGER NOT NULL,
  agency TEXT NOT NULL,
  node TEXT NOT NULL,
  header BLOB NOT NULL,             -- bytes as they arrived
  signature BLOB NOT NULL,
  parts BLOB NOT NULL               -- sealed; empty once erased
) STRICT;
-- What content there still is: retention walks this, not all that ever was.
CREATE INDEX event_filled ON event (seq) WHERE parts <> x'';
-- Apart from event, so that the answer does not rewrite the event's row.
CREATE TABLE event_receipt (
  seq INTEGER PRIMARY KEY,
  receipt BLOB NOT NULL
) STRICT;
CREATE TABLE node_seq (
  node TEXT NOT NULL,
  lane INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (node, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE person (
  person BLOB NOT NULL PRIMARY KEY CHECK (length(person) = 16),
  generation INTEGER NOT NULL DEFAULT 0,
  address_protected INTEGER NOT NULL DEFAULT 0,
  resident TEXT NOT NULL DEFAULT '',  -- places by five digits, '' not known
  present TEXT NOT NULL DEFAULT '',
  shikyu TEXT NOT NULL DEFAULT '',
  plan TEXT NOT NULL DEFAULT '',
  erased INTEGER NOT NULL DEFAULT 0 -- ordered: nothing is decided for it any more
) STRICT, WITHOUT ROWID;
-- What an agency calls a person (kind 0) or a case (kind 1). Two agencies
-- never share a token, so they cannot join their records.
CREATE TABLE token (
  agency TEXT NOT NULL,
  kind INTEGER NOT NULL,
  token BLOB NOT NULL CHECK (length(token) = 16),
  what BLOB NOT NULL CHECK (length(what) = 16),
  PRIMARY KEY (agency, kind, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX token_of ON token (what, kind, agency);
-- How a person appears in leaves: another 16 random bytes every quarter, sealed
-- under the person's master key (keyring.db).
CREATE TABLE handle (
  person BLOB NOT NULL REFERENCES person,
  quarter INTEGER NOT NULL,
  handle BLOB NOT NULL,
  PRIMARY KEY (person, quarter)
) STRICT, WITHOUT ROWID;

CREATE TABLE consent (
  person BLOB NOT NULL REFERENCES person,
  ref BLOB NOT NULL CHECK (length(ref) = 16),
  kind INTEGER NOT NULL,
  withdrawn INTEGER NOT NULL,
  purpose TEXT NOT NULL,
  classes INTEGER NOT NULL,
  from_day INTEGER NOT NULL,
  to_day INTEGER NOT NULL,
  leaf INTEGER NOT NULL,
  superseded INTEGER NOT NULL,
  third INTEGER NOT NULL,
  paper INTEGER NOT NULL,
  collector TEXT NOT NULL,
  withdrawn_leaf INTEGER NOT NULL,  -- 0: none
  until_leaf INTEGER NOT NULL,      -- that replaced it; 0: none
  PRIMARY KEY (person, ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_end ON consent (to_day);
CREATE TABLE consent_to (
  person BLOB NOT NULL,
  ref BLOB NOT NULL,
  excepted INTEGER NOT NULL,        -- 1: everybody of the consent but these
  n INTEGER NOT NULL,
  agency TEXT NOT NULL,
  role TEXT NOT NULL,
  place TEXT NOT NULL,
  PRIMARY KEY (person, ref, excepted, n),
  FOREIGN KEY (person, ref) REFERENCES consent
) STRICT, WITHOUT ROWID;

CREATE TABLE care_case (
  care_case BLOB NOT NULL PRIMARY KEY CHECK (length(care_case) = 16),
  person BLOB CHECK (length(person) = 16),
  state BLOB NOT NULL,              -- packed CaseState
  ended_ms INTEGER NOT NULL         -- by an event of retention.tsv; 0: not
) STRICT, WITHOUT ROWID;

-- state: 0 queued, 1 released, then what is over (store.h). A delivery's id on
-- the wire is its row number behind eight random bytes, so it needs no index.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY,
  delivery_id BLOB NOT NULL CHECK (length(delivery_id) = 16),
  event_seq INTEGER NOT NULL,
  person BLOB CHECK (length(person) = 16),
  agency TEXT NOT NULL,
  lane INTEGER NOT NULL,
  role TEXT NOT NULL,
  purpose TEXT NOT NULL,
  state INTEGER NOT NULL,
  decision_leaf INTEGER NOT NULL,
  release_leaf INTEGER NOT NULL,
  released_classes INTEGER NOT NULL,
  released_ms INTEGER NOT NULL,
  consent_generation INTEGER NOT NULL,
  policy_digest BLOB NOT NULL CHECK (length(policy_digest) = 32),
  queued_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  node TEXT NOT NULL,
  wanted TEXT NOT NULL,             -- the role the sender asked for, or ''
  recall_leaf INTEGER NOT NULL,     -- 0: not called back
  ended_ms INTEGER NOT NULL         -- when it was over; 0: it is not
) STRICT;
CREATE INDEX delivery_event ON delivery (event_seq);
-- The queues: what is owed, by agency and lane, oldest first (by row number).
CREATE INDEX delivery_due ON delivery (agency, lane) WHERE state < 2;
-- Which agencies' queues may hold something of a person. A row is written on
-- the first delivery, so it costs most deliveries no page; an index of
-- deliveries by person would cost each one.
CREATE TABLE holding (
  person BLOB NOT NULL CHECK (length(person) = 16),
  agency TEXT NOT NULL,
  PRIMARY KEY (person, agency)
) STRICT, WITHOUT ROWID;

-- What a release rests on that can end: a consent (its ref), or a meeting (its
-- case). Law leaves no row, so the ordinary path pays nothing.
CREATE TABLE delivery_rests (
  person BLOB NOT NULL CHECK (length(person) = 16),
  delivery INTEGER NOT NULL,
  ref BLOB NOT NULL CHECK (length(ref) = 16),
  classes INTEGER NOT NULL,         -- that rest on it
  PRIMARY KEY (person, delivery, ref)
) STRICT, WITHOUT ROWID;
-- Deliveries called back, numbered for good: a node asks for those after the
-- last it has seen.
CREATE TABLE recall (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  agency TEXT NOT NULL,
  delivery INTEGER NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL,
  outcome INTEGER NOT NULL,         -- 0: not answered
  erase INTEGER NOT NULL            -- the content goes, handed over or not
) STRICT;
CREATE INDEX recall_of ON recall (agency);
CREATE INDEX recall_open ON recall (at_ms) WHERE outcome = 0;
-- Work that a change leaves behind, done in slices (app/withdraw.c): where each
-- has got to, and whom it has still to tell.
CREATE TABLE sweep (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  person BLOB NOT NULL CHECK (length(person) = 16), -- zeroes: everyone
  why INTEGER NOT NULL,
  ref BLOB NOT NULL CHECK (length(ref) = 16),       -- zeroes: any
  cites INTEGER NOT NULL,
  step INTEGER NOT NULL,
  agency TEXT NOT NULL,
  lane INTEGER NOT NULL,
  after INTEGER NOT NULL,
  stopped INTEGER NOT NULL,
  kept INTEGER NOT NULL
) STRICT;
CREATE INDEX sweep_order ON sweep (person = zeroblob(16));
CREATE TABLE sweep_tell (
  sweep INTEGER NOT NULL,
  agency TEXT NOT NULL,
  classes INTEGER NOT NULL,
  PRIMARY KEY (sweep, agency)
) STRICT, WITHOUT ROWID;

-- Of a case or of a person; the other is zeroes.
-- AUTOINCREMENT: a deadline that fired and was started anew in one turn must
-- not be ended under its old number.
CREATE TABLE deadline (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  care_case BLOB NOT NULL CHECK (length(care_case) = 16),
  person BLOB NOT NULL CHECK (length(person) = 16),
  kind INTEGER NOT NULL,
  ref BLOB NOT NULL CHECK (length(ref) = 16),
  due_ms INTEGER NOT NULL,
  UNIQUE (care_case, person, kind, ref)
) STRICT;
CREATE INDEX deadline_due ON deadline (due_ms);
CREATE TABLE parked (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  node TEXT NOT NULL,
  code TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  event_seq INTEGER NOT NULL,
  open INTEGER NOT NULL,
  bytes BLOB NOT NULL               -- sealed, or empty
) STRICT;

-- Every policy pack that was ever in force, by the leaf of its activation; the
-- last one is. digest: of its tables, as decisions cite it.
CREATE TABLE policy_pack (
  leaf INTEGER PRIMARY KEY,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  version INTEGER NOT NULL,
  pack BLOB NOT NULL                -- manifest and files (core/manifest.h)
) STRICT;
-- Break-glass: one row per opening, kept for good. actor: the agency's handle of
-- its staff. The free text is in the event, sealed. person: NULL once erased.
CREATE TABLE glass (
  id INTEGER PRIMARY KEY,
  ref BLOB NOT NULL UNIQUE CHECK (length(ref) = 16),
  person BLOB REFERENCES person,
  agency TEXT NOT NULL,
  role TEXT NOT NULL,
  actor BLOB NOT NULL CHECK (length(actor) = 16),
  reason TEXT NOT NULL,
  classes INTEGER NOT NULL,
  opened_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  review_due_ms INTEGER NOT NULL,
  extended INTEGER NOT NULL,
  verdict INTEGER NOT NULL,
  reviewer TEXT NOT NULL,
  leaf INTEGER NOT NULL
) STRICT;
CREATE INDEX glass_person ON glass (person);
CREATE INDEX glass_actor ON glass (agency, actor);
-- The last texts of whoever opens, as keyed hashes; the newest have the
-- highest numbers.
CREATE TABLE glass_text (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  actor BLOB NOT NULL CHECK (length(actor) = 16),
  text BLOB NOT NULL CHECK (length(text) = 16),
  person BLOB NOT NULL CHECK (length(person) = 16) -- with whom the hash goes
) STRICT;
CREATE INDEX glass_text_actor ON glass_text (agency, actor);

-- Whom an order that is still to be signed is about: orders name nobody. person
-- is sealed under the hub's key; a row is dropped after 30 days.
CREATE TABLE order_subject (
  subject BLOB NOT NULL PRIMARY KEY CHECK (length(subject) = 16),
  made_ms INTEGER NOT NULL,
  sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- Orders taken: erase, hold, lift, delay. state (store.h) 0 taken, 1 being
-- carried out, 2 over; then person is NULL.
CREATE TABLE taken_order (
  order_id BLOB NOT NULL PRIMARY KEY CHECK (length(order_id) = 16),
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  person BLOB CHECK (length(person) = 16),
  leaf INTEGER NOT NULL,            -- ADMIN
  taken_ms INTEGER NOT NULL,
  done_ms INTEGER NOT NULL,
  epoch INTEGER NOT NULL,           -- of the key-encryption key, when over
  until_day INTEGER NOT NULL,       -- of a hold
  urgent INTEGER NOT NULL,
  note BLOB NOT NULL                -- as it was signed
) STRICT, WITHOUT ROWID;
CREATE INDEX taken_hold ON taken_order (person) WHERE kind = 1 AND state = 0;
-- What a night destroys: the key of a person and a quarter, by an order or
-- because it ran out. begin_leaf 0: nothing has been done yet.
CREATE TABLE erase_key (
  id INTEGER PRIMARY KEY,
  person BLOB NOT NULL CHECK (length(person) = 16),
  quarter INTEGER NOT NULL,
  order_id BLOB CHECK (length(order_id) = 16), -- NULL: run out
  begin_leaf INTEGER NOT NULL
) STRICT;
CREATE INDEX erase_key_of ON erase_key (person, quarter);
-- What was destroyed on an order, for its certificate.
CREATE TABLE erase_leaf (
  order_id BLOB NOT NULL CHECK (length(order_id) = 16),
  begin_leaf INTEGER NOT NULL,
  done_leaf INTEGER NOT NULL,
  PRIMARY KEY (order_id, begin_leaf)
) STRICT, WITHOUT ROWID;
-- Who held something of a person that was erased, and what became of it there.
-- sealed: the order with the agency's own tokens, for that node's key alone;
-- empty once answered. node '': the agency has none.
CREATE TABLE erase_holder (
  order_id BLOB NOT NULL CHECK (length(order_id) = 16),
  agency TEXT NOT NULL,
  node TEXT NOT NULL,
  sealed BLOB NOT NULL,
  outcome INTEGER NOT NULL,         -- 0: not answered
  handed_over INTEGER NOT NULL,
  answered_ms INTEGER NOT NULL,
  leaf INTEGER NOT NULL,            -- its answer
  PRIMARY KEY (order_id, agency, node)
) STRICT, WITHOUT ROWID;
CREATE INDEX erase_holder_open ON erase_holder (node) WHERE outcome = 0;

CREATE TABLE log_leaf (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;
CREATE TRIGGER log_leaf_no_update BEFORE UPDATE ON log_leaf
  BEGIN SELECT raise(ABORT, 'the log only grows'); END;
CREATE TRIGGER log_leaf_no_delete BEFORE DELETE ON log_leaf
  BEGIN SELECT raise(ABORT, 'the log only grows'); END;
CREATE TABLE log_tile (
  level INTEGER NOT NULL,
  n INTEGER NOT NULL,
  hashes BLOB NOT NULL CHECK (length(hashes) = 8192),
  PRIMARY KEY (level, n)
) STRICT, WITHOUT ROWID;
-- size, and SHA-256 over the leaf hashes of the last, perhaps open, tile.
CREATE TABLE log_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  size INTEGER NOT NULL,
  tail BLOB NOT NULL CHECK (length(tail) = 32)
) STRICT;
INSERT INTO log_state VALUES (1, 0, zeroblob(32));
CREATE TABLE log_checkpoint (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  size INTEGER NOT NULL,
  note BLOB NOT NULL
) STRICT;

-- Which leaves are about a subject: by the handle that stands in them, and by
-- the order that they name. Made from the leaves alone, after them and in
-- slices; how far it has got is the value `leaves-indexed`. Without that value
-- it is made anew.
CREATE TABLE log_subject (
  key BLOB NOT NULL CHECK (length(key) = 16),
  idx INTEGER NOT NULL,
  PRIMARY KEY (key, idx)
) STRICT, WITHOUT ROWID;
-- Entries that the person is not shown before a day (in Japan), by the order of
-- two people; then they appear by themselves.
CREATE TABLE delay (
  leaf INTEGER PRIMARY KEY,
  until_day INTEGER NOT NULL,       -- the first day on which it is shown
  basis TEXT NOT NULL,
  made_by BLOB NOT NULL CHECK (length(made_by) = 16) -- the order
) STRICT;

CREATE TABLE value (
  name TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
