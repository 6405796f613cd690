-- Version 1 of the journal. Amounts are decimal text: they have 128 bits, SQL's integers 64.

-- One row per start of the pool on this journal.
CREATE TABLE lives (
    id   INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 1048575),
    node INTEGER NOT NULL CHECK (node BETWEEN 0 AND 65535),
    boot INTEGER NOT NULL CHECK (boot BETWEEN 1 AND 4294967295),
    UNIQUE (node, boot)
) STRICT;

CREATE TABLE pools (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE accounts (
    id   INTEGER PRIMARY KEY,
    pool INTEGER NOT NULL REFERENCES pools,
    name TEXT NOT NULL,
    UNIQUE (pool, name)
) STRICT;

CREATE TABLE workers (
    id      INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts,
    name    TEXT NOT NULL,
    UNIQUE (account, name)
) STRICT;

-- id = life << 43 | sequence: rows are appended at the end of the one tree there is, whatever the digest.
CREATE TABLE shares (
    id     INTEGER PRIMARY KEY,
    worker INTEGER NOT NULL REFERENCES workers,
    weight BLOB NOT NULL CHECK (length(weight) = 16),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    height INTEGER NOT NULL,
    time   INTEGER NOT NULL
) STRICT;

-- States: 0 found, 1 confirmed, 2 matured, 3 orphaned, 4 lost. Hashes in the order of the header.
CREATE TABLE blocks (
    id               INTEGER PRIMARY KEY,
    hash             BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    pool             INTEGER NOT NULL REFERENCES pools,
    height           INTEGER NOT NULL,
    finder           INTEGER NOT NULL REFERENCES workers,
    reward           TEXT NOT NULL CHECK (reward NOT GLOB '*[^0-9]*' AND length(reward) BETWEEN 1 AND 39),
    fee              TEXT NOT NULL CHECK (fee NOT GLOB '*[^0-9]*' AND length(fee) BETWEEN 1 AND 39),
    paid_by_coinbase INTEGER NOT NULL CHECK (paid_by_coinbase IN (0, 1)),
    time             INTEGER NOT NULL,
    state            INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 4),
    ordinal          INTEGER NOT NULL DEFAULT 0 CHECK (ordinal >= 0),
    raw              BLOB CHECK ((raw IS NULL) = (state IN (2, 4)))
) STRICT;

CREATE INDEX open_blocks ON blocks (pool, id) WHERE state NOT IN (2, 4);

CREATE TABLE credits (
    block    INTEGER NOT NULL REFERENCES blocks,
    account  INTEGER NOT NULL REFERENCES accounts,
    position INTEGER NOT NULL,
    amount   TEXT NOT NULL CHECK (amount NOT GLOB '*[^0-9]*' AND length(amount) BETWEEN 1 AND 39),
    PRIMARY KEY (block, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    block   INTEGER NOT NULL REFERENCES blocks,
    ordinal INTEGER NOT NULL,
    state   INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    time    INTEGER NOT NULL,
    PRIMARY KEY (block, ordinal)
) STRICT, WITHOUT ROWID;

-- A transaction of the books, with the event that it goes with.
CREATE TABLE bookings (
    id      INTEGER PRIMARY KEY,
    pool    INTEGER NOT NULL REFERENCES pools,
    block   INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    UNIQUE (block, ordinal),
    FOREIGN KEY (block, ordinal) REFERENCES events (block, ordinal)
) STRICT;

-- Kinds: 0 chain, 1 immature, 2 balance, 3 paid by the coinbase, 4 immature fee, 5 fee. Sides: 0 in, 1 out.
CREATE TABLE lines (
    booking  INTEGER NOT NULL REFERENCES bookings,
    position INTEGER NOT NULL,
    kind     INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 5),
    account  INTEGER REFERENCES accounts CHECK ((account IS NULL) = (kind IN (0, 4, 5))),
    side     INTEGER NOT NULL CHECK (side IN (0, 1)),
    amount   TEXT NOT NULL CHECK (amount NOT GLOB '*[^0-9]*' AND length(amount) BETWEEN 1 AND 39),
    PRIMARY KEY (booking, position)
) STRICT, WITHOUT ROWID;

-- The fold over lines, kept up with every booking; accounts that hold nothing have no row. Account 0 is the pool's.
CREATE TABLE balances (
    pool    INTEGER NOT NULL REFERENCES pools,
    kind    INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 5),
    account INTEGER NOT NULL CHECK ((account = 0) = (kind IN (0, 4, 5))),
    amount  TEXT NOT NULL CHECK (amount <> '0' AND amount NOT GLOB '*[^0-9]*' AND length(amount) BETWEEN 1 AND 39),
    PRIMARY KEY (pool, kind, account)
) STRICT, WITHOUT ROWID;

-- The life of a block goes one event at a time and ends with a final one.
CREATE TRIGGER events_in_order BEFORE INSERT ON events
WHEN (SELECT ordinal + 1 <> NEW.ordinal OR state IN (2, 4) FROM blocks WHERE id = NEW.block)
BEGIN
    SELECT RAISE(ABORT, 'the event is not the next of its block');
END;

CREATE TRIGGER events_applied AFTER INSERT ON events
BEGIN
    UPDATE blocks
    SET state = NEW.state, ordinal = NEW.ordinal, raw = CASE WHEN NEW.state IN (2, 4) THEN NULL ELSE raw END
    WHERE id = NEW.block;
END;

-- What is written stays written.
CREATE TRIGGER shares_stay BEFORE UPDATE ON shares BEGIN SELECT RAISE(ABORT, 'shares do not change'); END;
CREATE TRIGGER blocks_stay BEFORE UPDATE OF id, hash, pool, height, finder, reward, fee, paid_by_coinbase, time ON blocks
BEGIN SELECT RAISE(ABORT, 'blocks do not change'); END;
CREATE TRIGGER blocks_remain BEFORE DELETE ON blocks BEGIN SELECT RAISE(ABORT, 'blocks remain'); END;
CREATE TRIGGER credits_stay BEFORE UPDATE ON credits BEGIN SELECT RAISE(ABORT, 'credits do not change'); END;
CREATE TRIGGER credits_remain BEFORE DELETE ON credits BEGIN SELECT RAISE(ABORT, 'credits remain'); END;
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events do not change'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events remain'); END;
CREATE TRIGGER bookings_stay BEFORE UPDATE ON bookings BEGIN SELECT RAISE(ABORT, 'bookings do not change'); END;
CREATE TRIGGER bookings_remain BEFORE DELETE ON bookings BEGIN SELECT RAISE(ABORT, 'bookings remain'); END;
CREATE TRIGGER lines_stay BEFORE UPDATE ON lines BEGIN SELECT RAISE(ABORT, 'lines do not change'); END;
CREATE TRIGGER lines_remain BEFORE DELETE ON lines BEGIN SELECT RAISE(ABORT, 'lines remain'); END;
