-- keyring.db, version 1: keys of payload, wrapped. Applied by open.c in one
-- transaction. Apart from hub.db, so that copies of that may be kept for ever
-- and everywhere while of this only the newest is worth anything.

-- One row. ring: 16 random bytes that hub.db knows its keyring by. made: how
-- many keys were ever made; hub.db remembers it too, so that an older keyring
-- is noticed.
CREATE TABLE ring (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  ring BLOB NOT NULL CHECK (length(ring) = 16),
  made INTEGER NOT NULL
) STRICT;
INSERT INTO ring VALUES (1, randomblob(16), 0);
-- The epochs that keys may be wrapped under; more than one while a rotation
-- is under way.
CREATE TABLE kek (
  epoch INTEGER PRIMARY KEY
) STRICT;
-- person of 16 zero bytes: the hub's own. quarter 0: the person's master key.
-- key_id: how the log names a key.
CREATE TABLE dek (
  person BLOB NOT NULL CHECK (length(person) = 16),
  quarter INTEGER NOT NULL,
  key_id BLOB NOT NULL CHECK (length(key_id) = 8),
  epoch INTEGER NOT NULL,
  wrapped BLOB NOT NULL,
  PRIMARY KEY (person, quarter)
) STRICT, WITHOUT ROWID;
