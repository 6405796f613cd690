-- Version 2 of the journal. Who may write what is said by constraints and triggers, not by care.
--
-- An amount is two columns, hi and lo, in base 10^18: it is below 10^36, and SQL can compute with it. A `checksum` is
-- the CRC-32 of a record's contents, as records.rs lays them out.

-- One row per start of the pool on this journal. Of its sequence numbers all below `rolled` have left `segments`.
CREATE TABLE lives (
    id       INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 4294967295),
    node     INTEGER NOT NULL CHECK (node BETWEEN 0 AND 65535),
    boot     INTEGER NOT NULL CHECK (boot BETWEEN 1 AND 4294967295),
    rolled   INTEGER NOT NULL DEFAULT 0 CHECK (rolled >= 0),
    checksum INTEGER NOT NULL CHECK (checksum BETWEEN 0 AND 4294967295),
    UNIQUE (node, boot)
) STRICT;

CREATE TABLE pools (
    id       INTEGER PRIMARY KEY CHECK (id > 0),
    name     TEXT NOT NULL UNIQUE,
    checksum INTEGER NOT NULL CHECK (checksum BETWEEN 0 AND 4294967295)
) STRICT;

CREATE TABLE accounts (
    id       INTEGER PRIMARY KEY CHECK (id > 0),
    pool     INTEGER NOT NULL REFERENCES pools,
    name     TEXT NOT NULL,
    checksum INTEGER NOT NULL CHECK (checksum BETWEEN 0 AND 4294967295),
    UNIQUE (pool, name)
) STRICT;

CREATE TABLE workers (
    id       INTEGER PRIMARY KEY CHECK (id > 0),
    account  INTEGER NOT NULL REFERENCES accounts,
    name     TEXT NOT NULL,
    checksum INTEGER NOT NULL CHECK (checksum BETWEEN 0 AND 4294967295),
    UNIQUE (account, name)
) STRICT;

-- Shares of one pool and life that were appended together, packed as pack.rs says. Within a life and pool the sequence
-- numbers only grow, so rows come at the end of the one tree there is. `checksum` covers all columns but the digests,
-- which come last so that a window is read without them; `digests_checksum` covers those.
CREATE TABLE segments (
    id               INTEGER PRIMARY KEY CHECK (id > 0),
    life             INTEGER NOT NULL REFERENCES lives,
    pool             INTEGER NOT NULL REFERENCES pools,
    first            INTEGER NOT NULL CHECK (first >= 0),
    last             INTEGER NOT NULL CHECK (last >= first),
    count            INTEGER NOT NULL CHECK (count BETWEEN 1 AND 4096 AND count <= last - first + 1),
    weight           BLOB NOT NULL CHECK (length(weight) = 24),
    checksum         INTEGER NOT NULL CHECK (checksum BETWEEN 0 AND 4294967295),
    digests_checksum INTEGER NOT NULL CHECK (digests_checksum BETWEEN 0 AND 4294967295),
    data             BLOB NOT NULL,
    digests          BLOB NOT NULL CHECK (length(digests) = 32 * count)
) STRICT;

CREATE INDEX segments_by_key ON segments (life, last, first, pool);

-- What is left of shares that were rolled up. A day is counted from 1970-01-01.
CREATE TABLE rolled (
    pool     INTEGER NOT NULL REFERENCES pools,
    day      INTEGER NOT NULL CHECK (day >= 0),
    account  INTEGER NOT NULL REFERENCES accounts,
    shares   INTEGER NOT NULL CHECK (shares > 0),
    weight   BLOB NOT NULL CHECK (length(weight) = 24),
    checksum INTEGER NOT NULL CHECK (checksum BETWEEN 0 AND 4294967295),
    PRIMARY KEY (pool, day, account)
) STRICT, WITHOUT ROWID;

-- Running sums of a pool: the shares in `segments`, and all there ever were.
CREATE TABLE totals (
    pool        INTEGER PRIMARY KEY REFERENCES pools,
    live_shares INTEGER NOT NULL CHECK (live_shares BETWEEN 0 AND shares),
    live_weight BLOB NOT NULL CHECK (length(live_weight) = 24),
    shares      INTEGER NOT NULL CHECK (shares >= 0),
    weight      BLOB NOT NULL CHECK (length(weight) = 24 AND weight >= live_weight),
    checksum    INTEGER NOT NULL CHECK (checksum BETWEEN 0 AND 4294967295)
) STRICT;

-- States: 0 found, 1 confirmed, 2 matured, 3 orphaned, 4 lost. Hashes in the order of the header. `checksum` covers the
-- block as found with its credits, `raw_checksum` the serialised block, which goes once the fate is final.
CREATE TABLE blocks (
    id               INTEGER PRIMARY KEY CHECK (id > 0),
    hash             BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    pool             INTEGER NOT NULL REFERENCES pools,
    height           INTEGER NOT NULL CHECK (height BETWEEN 0 AND 4294967295),
    finder           INTEGER NOT NULL REFERENCES workers,
    reward_hi        INTEGER NOT NULL CHECK (reward_hi BETWEEN 0 AND 999999999999999999),
    reward_lo        INTEGER NOT NULL CHECK (reward_lo BETWEEN 0 AND 999999999999999999),
    fee_hi           INTEGER NOT NULL CHECK (fee_hi BETWEEN 0 AND 999999999999999999),
    fee_lo           INTEGER NOT NULL CHECK (fee_lo BETWEEN 0 AND 999999999999999999),
    paid_by_coinbase INTEGER NOT NULL CHECK (paid_by_coinbase IN (0, 1)),
    time             INTEGER NOT NULL,
    checksum         INTEGER NOT NULL CHECK (checksum BETWEEN 0 AND 4294967295),
    raw_checksum     INTEGER NOT NULL CHECK (raw_checksum BETWEEN 0 AND 4294967295),
    state            INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 4),
    ordinal          INTEGER NOT NULL DEFAULT 0 CHECK (ordinal BETWEEN 0 AND 4294967295),
    raw              BLOB CHECK ((raw IS NULL) = (state IN (2, 4)))
) STRICT;

CREATE INDEX open_blocks ON blocks (pool, id) WHERE state NOT IN (2, 4);

-- The parts of a block; they are written before it.
CREATE TABLE credits (
    block    INTEGER NOT NULL REFERENCES blocks DEFERRABLE INITIALLY DEFERRED,
    account  INTEGER NOT NULL REFERENCES accounts,
    position INTEGER NOT NULL CHECK (position >= 0),
    hi       INTEGER NOT NULL CHECK (hi BETWEEN 0 AND 999999999999999999),
    lo       INTEGER NOT NULL CHECK (lo BETWEEN 0 AND 999999999999999999),
    PRIMARY KEY (block, account)
) STRICT, WITHOUT ROWID;

-- News of a block; `checksum` covers the transfers that go with it.
CREATE TABLE events (
    block    INTEGER NOT NULL REFERENCES blocks,
    ordinal  INTEGER NOT NULL CHECK (ordinal BETWEEN 1 AND 4294967295),
    state    INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    time     INTEGER NOT NULL,
    checksum INTEGER NOT NULL CHECK (checksum BETWEEN 0 AND 4294967295),
    PRIMARY KEY (block, ordinal)
) STRICT, WITHOUT ROWID;

-- A transaction of the books, with the event that it goes with. `last` is the position of its last transfer, without
-- which it cannot be committed.
CREATE TABLE bookings (
    id      INTEGER PRIMARY KEY CHECK (id > 0),
    pool    INTEGER NOT NULL REFERENCES pools,
    block   INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    last    INTEGER NOT NULL CHECK (last >= 0),
    UNIQUE (block, ordinal),
    FOREIGN KEY (block, ordinal) REFERENCES events (block, ordinal),
    FOREIGN KEY (id, last) REFERENCES transfers (booking, position) DEFERRABLE INITIALLY DEFERRED
) STRICT;

-- Money from one account to another: there is no row that could unbalance the books.
-- Kinds: 0 chain, 1 immature, 2 balance, 3 paid by the coinbase, 4 immature fee, 5 fee.
CREATE TABLE transfers (
    booking      INTEGER NOT NULL REFERENCES bookings,
    position     INTEGER NOT NULL CHECK (position >= 0),
    from_kind    INTEGER NOT NULL CHECK (from_kind BETWEEN 0 AND 5),
    from_account INTEGER REFERENCES accounts CHECK ((from_account IS NULL) = (from_kind IN (0, 4, 5))),
    to_kind      INTEGER NOT NULL CHECK (to_kind BETWEEN 0 AND 5),
    to_account   INTEGER REFERENCES accounts CHECK ((to_account IS NULL) = (to_kind IN (0, 4, 5))),
    hi           INTEGER NOT NULL CHECK (hi BETWEEN 0 AND 999999999999999999),
    lo           INTEGER NOT NULL CHECK (lo BETWEEN 0 AND 999999999999999999),
    PRIMARY KEY (booking, position),
    CHECK (hi > 0 OR lo > 0),
    CHECK (from_kind <> to_kind OR from_account IS NOT to_account)
) STRICT, WITHOUT ROWID;

-- The fold over transfers, by trigger. The chain shows what went out of it, account 0 is the pool itself, and
-- (booking, position) is the latest transfer that is in here. Nothing goes below zero.
CREATE TABLE balances (
    pool     INTEGER NOT NULL REFERENCES pools,
    kind     INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 5),
    account  INTEGER NOT NULL CHECK ((account = 0) = (kind IN (0, 4, 5))),
    hi       INTEGER NOT NULL CHECK (hi BETWEEN 0 AND 999999999999999999),
    lo       INTEGER NOT NULL CHECK (lo BETWEEN 0 AND 999999999999999999),
    booking  INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (pool, kind, account)
) STRICT, WITHOUT ROWID;

-- A block is its parts, to the last unit: in limbs of 10^9, so that millions of them add up.
CREATE TRIGGER credits_come_first BEFORE INSERT ON credits
WHEN EXISTS (SELECT 1 FROM blocks WHERE id = NEW.block)
BEGIN
    SELECT RAISE(ABORT, 'the block has its credits');
END;

CREATE TRIGGER blocks_are_their_parts AFTER INSERT ON blocks
WHEN (
    SELECT (d + c / 1000000000) * 1000000000 + c % 1000000000 <> NEW.reward_hi
        OR (b % 1000000000) * 1000000000 + a % 1000000000 <> NEW.reward_lo
    FROM (
        SELECT a, b, c + b / 1000000000 AS c, d FROM (
            SELECT a, b + a / 1000000000 AS b, c, d FROM (
                SELECT coalesce(sum(lo % 1000000000), 0) + NEW.fee_lo % 1000000000 AS a,
                       coalesce(sum(lo / 1000000000), 0) + NEW.fee_lo / 1000000000 AS b,
                       coalesce(sum(hi % 1000000000), 0) + NEW.fee_hi % 1000000000 AS c,
                       coalesce(sum(hi / 1000000000), 0) + NEW.fee_hi / 1000000000 AS d
                FROM credits WHERE block = NEW.id
            )
        )
    )
)
BEGIN
    SELECT RAISE(ABORT, 'the parts of the block are not its reward');
END;

CREATE TRIGGER blocks_begin BEFORE INSERT ON blocks
WHEN NEW.state <> 0 OR NEW.ordinal <> 0
BEGIN
    SELECT RAISE(ABORT, 'a block begins as found');
END;

-- The life of a block goes one event at a time, as it may, and ends with a final one.
CREATE TRIGGER events_in_order BEFORE INSERT ON events
WHEN (
    SELECT ordinal + 1 <> NEW.ordinal
        OR NOT (state, NEW.state) IN (VALUES (0, 1), (0, 3), (0, 4), (1, 2), (1, 3), (3, 1), (3, 4))
    FROM blocks WHERE id = NEW.block
)
BEGIN
    SELECT RAISE(ABORT, 'the event is not the next of its block');
END;

CREATE TRIGGER events_applied AFTER INSERT ON events
BEGIN
    UPDATE blocks
    SET state = NEW.state, ordinal = NEW.ordinal, raw = CASE WHEN NEW.state IN (2, 4) THEN NULL ELSE raw END
    WHERE id = NEW.block;
END;

-- What became of a block is its latest event, and nothing else.
CREATE TRIGGER blocks_follow_events BEFORE UPDATE OF state, ordinal, raw ON blocks
WHEN NEW.ordinal <> OLD.ordinal + 1
    OR NOT EXISTS (SELECT 1 FROM events WHERE block = NEW.id AND ordinal = NEW.ordinal AND state = NEW.state)
    OR (NEW.raw IS NOT NULL AND NEW.raw IS NOT OLD.raw)
BEGIN
    SELECT RAISE(ABORT, 'blocks follow their events');
END;

CREATE TRIGGER bookings_match BEFORE INSERT ON bookings
WHEN NEW.pool <> (SELECT pool FROM blocks WHERE id = NEW.block)
BEGIN
    SELECT RAISE(ABORT, 'the booking is of another pool');
END;

CREATE TRIGGER transfers_in_order BEFORE INSERT ON transfers
WHEN NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM transfers WHERE booking = NEW.booking)
    OR NEW.position > (SELECT last FROM bookings WHERE id = NEW.booking)
    OR NEW.booking <> (SELECT max(id) FROM bookings)
BEGIN
    SELECT RAISE(ABORT, 'the transfer is not the next of the latest booking');
END;

CREATE TRIGGER transfers_stay_in_their_pool BEFORE INSERT ON transfers
WHEN EXISTS (
    SELECT 1 FROM accounts JOIN bookings ON bookings.id = NEW.booking
    WHERE accounts.id IN (NEW.from_account, NEW.to_account) AND accounts.pool <> bookings.pool
)
BEGIN
    SELECT RAISE(ABORT, 'the account is of another pool');
END;

-- Out of the one, into the other; the chain counts the other way round.
CREATE TRIGGER transfers_move_money AFTER INSERT ON transfers
BEGIN
    INSERT INTO balances (pool, kind, account, hi, lo, booking, position)
    SELECT pool, kind, account, NEW.hi, NEW.lo, NEW.booking, NEW.position
    FROM bookings, (
        SELECT NEW.from_kind AS kind, 0 AS account WHERE NEW.from_kind = 0
        UNION ALL SELECT NEW.to_kind, coalesce(NEW.to_account, 0) WHERE NEW.to_kind <> 0
    )
    WHERE bookings.id = NEW.booking
    ON CONFLICT DO UPDATE SET
        hi = balances.hi + excluded.hi + (balances.lo + excluded.lo) / 1000000000000000000,
        lo = (balances.lo + excluded.lo) % 1000000000000000000,
        booking = excluded.booking, position = excluded.position;
    SELECT RAISE(ABORT, 'an account would go below zero')
    WHERE (NEW.from_kind <> 0 AND NOT EXISTS (
            SELECT 1 FROM balances WHERE pool = (SELECT pool FROM bookings WHERE id = NEW.booking)
            AND kind = NEW.from_kind AND account = coalesce(NEW.from_account, 0)))
        OR (NEW.to_kind = 0 AND NOT EXISTS (
            SELECT 1 FROM balances WHERE pool = (SELECT pool FROM bookings WHERE id = NEW.booking)
            AND kind = 0 AND account = 0));
    UPDATE balances
    SET hi = hi - NEW.hi - (lo < NEW.lo), lo = lo - NEW.lo + (lo < NEW.lo) * 1000000000000000000,
        booking = NEW.booking, position = NEW.position
    WHERE pool = (SELECT pool FROM bookings WHERE id = NEW.booking)
        AND kind = NEW.from_kind AND account = coalesce(NEW.from_account, 0) AND NEW.from_kind <> 0;
    UPDATE balances
    SET hi = hi - NEW.hi - (lo < NEW.lo), lo = lo - NEW.lo + (lo < NEW.lo) * 1000000000000000000,
        booking = NEW.booking, position = NEW.position
    WHERE pool = (SELECT pool FROM bookings WHERE id = NEW.booking)
        AND kind = 0 AND account = 0 AND NEW.to_kind = 0;
END;

-- Nobody but a transfer moves a balance, each of them once, and by its amount.
CREATE TRIGGER balances_begin BEFORE INSERT ON balances
WHEN NOT EXISTS (
    SELECT 1 FROM transfers WHERE booking = NEW.booking AND position = NEW.position AND hi = NEW.hi AND lo = NEW.lo
    AND ((NEW.kind = 0 AND from_kind = 0)
        OR (NEW.kind <> 0 AND to_kind = NEW.kind AND coalesce(to_account, 0) = NEW.account))
)
BEGIN
    SELECT RAISE(ABORT, 'balances follow transfers');
END;

CREATE TRIGGER balances_follow BEFORE UPDATE ON balances
WHEN (NEW.pool, NEW.kind, NEW.account) <> (OLD.pool, OLD.kind, OLD.account)
    OR (NEW.booking, NEW.position) <= (OLD.booking, OLD.position)
    OR NOT EXISTS (
        SELECT 1 FROM transfers WHERE booking = NEW.booking AND position = NEW.position AND (
            (((NEW.kind = 0 AND from_kind = 0)
                OR (NEW.kind <> 0 AND to_kind = NEW.kind AND coalesce(to_account, 0) = NEW.account))
            AND NEW.lo = (OLD.lo + lo) % 1000000000000000000
            AND NEW.hi = OLD.hi + hi + (OLD.lo + lo) / 1000000000000000000)
            OR (((NEW.kind = 0 AND to_kind = 0)
                OR (NEW.kind <> 0 AND from_kind = NEW.kind AND coalesce(from_account, 0) = NEW.account))
            AND OLD.lo = (NEW.lo + lo) % 1000000000000000000
            AND OLD.hi = NEW.hi + hi + (NEW.lo + lo) / 1000000000000000000)
        )
    )
BEGIN
    SELECT RAISE(ABORT, 'balances follow transfers');
END;

-- Shares are appended; they leave only when they are rolled up, the oldest of a pool first.
CREATE TRIGGER segments_grow BEFORE INSERT ON segments
WHEN EXISTS (SELECT 1 FROM segments WHERE life = NEW.life AND last >= NEW.first AND pool = NEW.pool)
BEGIN
    SELECT RAISE(ABORT, 'shares of this life and pool are there that come later');
END;

CREATE TRIGGER lives_only_roll BEFORE UPDATE ON lives
WHEN NEW.rolled < OLD.rolled OR (NEW.id, NEW.node, NEW.boot) <> (OLD.id, OLD.node, OLD.boot)
BEGIN
    SELECT RAISE(ABORT, 'lives do not change');
END;

CREATE TRIGGER totals_grow BEFORE UPDATE ON totals
WHEN NEW.pool <> OLD.pool OR NEW.shares < OLD.shares
BEGIN
    SELECT RAISE(ABORT, 'totals only grow');
END;

CREATE TRIGGER rolled_grow BEFORE UPDATE ON rolled
WHEN (NEW.pool, NEW.day, NEW.account) <> (OLD.pool, OLD.day, OLD.account) OR NEW.shares < OLD.shares
BEGIN
    SELECT RAISE(ABORT, 'sums only grow');
END;

-- What is written stays written.
CREATE TRIGGER pools_stay BEFORE UPDATE ON pools BEGIN SELECT RAISE(ABORT, 'pools do not change'); END;
CREATE TRIGGER accounts_stay BEFORE UPDATE ON accounts BEGIN SELECT RAISE(ABORT, 'accounts do not change'); END;
CREATE TRIGGER workers_stay BEFORE UPDATE ON workers BEGIN SELECT RAISE(ABORT, 'workers do not change'); END;
CREATE TRIGGER segments_stay BEFORE UPDATE ON segments BEGIN SELECT RAISE(ABORT, 'segments do not change'); END;
CREATE TRIGGER credits_stay BEFORE UPDATE ON credits BEGIN SELECT RAISE(ABORT, 'credits do not change'); END;
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events do not change'); END;
CREATE TRIGGER bookings_stay BEFORE UPDATE ON bookings BEGIN SELECT RAISE(ABORT, 'bookings do not change'); END;
CREATE TRIGGER transfers_stay BEFORE UPDATE ON transfers BEGIN SELECT RAISE(ABORT, 'transfers do not change'); END;
CREATE TRIGGER blocks_stay
BEFORE UPDATE OF id, hash, pool, height, finder, reward_hi, reward_lo, fee_hi, fee_lo, paid_by_coinbase, time,
    checksum, raw_checksum ON blocks
BEGIN SELECT RAISE(ABORT, 'blocks do not change'); END;
CREATE TRIGGER lives_remain BEFORE DELETE ON lives BEGIN SELECT RAISE(ABORT, 'lives remain'); END;
CREATE TRIGGER pools_remain BEFORE DELETE ON pools BEGIN SELECT RAISE(ABORT, 'pools remain'); END;
CREATE TRIGGER accounts_remain BEFORE DELETE ON accounts BEGIN SELECT RAISE(ABORT, 'accounts remain'); END;
CREATE TRIGGER workers_remain BEFORE DELETE ON workers BEGIN SELECT RAISE(ABORT, 'workers remain'); END;
CREATE TRIGGER rolled_remain BEFORE DELETE ON rolled BEGIN SELECT RAISE(ABORT, 'rolled remain'); END;
CREATE TRIGGER totals_remain BEFORE DELETE ON totals BEGIN SELECT RAISE(ABORT, 'totals remain'); END;
CREATE TRIGGER blocks_remain BEFORE DELETE ON blocks BEGIN SELECT RAISE(ABORT, 'blocks remain'); END;
CREATE TRIGGER credits_remain BEFORE DELETE ON credits BEGIN SELECT RAISE(ABORT, 'credits remain'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events remain'); END;
CREATE TRIGGER bookings_remain BEFORE DELETE ON bookings BEGIN SELECT RAISE(ABORT, 'bookings remain'); END;
CREATE TRIGGER transfers_remain BEFORE DELETE ON transfers BEGIN SELECT RAISE(ABORT, 'transfers remain'); END;
CREATE TRIGGER balances_remain BEFORE DELETE ON balances BEGIN SELECT RAISE(ABORT, 'balances remain'); END;
