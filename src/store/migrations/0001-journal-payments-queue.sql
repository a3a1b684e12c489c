-- Times are wall time in milliseconds since 1970-01-01T00:00:00Z. Amounts are integers of minor units. Names are UUIDs as text, so
-- that a technician with the sqlite3 shell reads what the till reads. Columns beside a body exist to be searched and summed; `audit`
-- proves that they say what the body says.

-- What happened, in order. The only truth: everything else can be made from it.
CREATE TABLE journal (
    seq        INTEGER PRIMARY KEY CHECK (seq > 0),
    at_ms      INTEGER NOT NULL,
    payment_id TEXT,
    body       TEXT NOT NULL,
    kind       TEXT GENERATED ALWAYS AS (body ->> 'fact') VIRTUAL
) STRICT;

CREATE TRIGGER journal_is_never_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_is_never_cut BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_has_no_gap AFTER INSERT ON journal
WHEN NOT EXISTS (SELECT 1 FROM journal WHERE seq = NEW.seq - 1)
 AND EXISTS (SELECT 1 FROM journal WHERE seq <> NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the journal counts without a gap'); END;

-- Payments as they stand. `number` counts them in the order in which they were opened.
CREATE TABLE payment (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    method       TEXT NOT NULL,
    state        TEXT NOT NULL,
    fiscal       TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency     TEXT NOT NULL,
    code         TEXT,
    token        TEXT,
    order_id     TEXT,
    upstream_id  TEXT,
    shift        TEXT,
    attended     INTEGER NOT NULL CHECK (attended IN (0, 1)),
    resident     INTEGER NOT NULL CHECK (resident IN (0, 1)),
    created_ms   INTEGER NOT NULL,
    updated_ms   INTEGER NOT NULL,
    body         TEXT NOT NULL
) STRICT;

CREATE INDEX payment_resident ON payment (number) WHERE resident = 1;
CREATE INDEX payment_state ON payment (state, number) WHERE state <> 'paid';
CREATE INDEX payment_created ON payment (created_ms);
CREATE INDEX payment_code ON payment (code, method) WHERE code IS NOT NULL;
CREATE INDEX payment_upstream ON payment (upstream_id, method) WHERE upstream_id IS NOT NULL;
CREATE INDEX payment_order ON payment (order_id) WHERE order_id IS NOT NULL;

CREATE TRIGGER payment_is_never_deleted BEFORE DELETE ON payment
BEGIN SELECT RAISE(ABORT, 'payments are never deleted'); END;

-- The tills' idempotency tokens; a refund's token leads to its payment.
CREATE TABLE token (
    key        TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL REFERENCES payment (id),
    refund_id  TEXT,
    digest     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Refunds by name, to find their payment.
CREATE TABLE refund (
    id         TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL REFERENCES payment (id)
) STRICT, WITHOUT ROWID;

-- Fiscal receipts on their way to the provider.
CREATE TABLE outbox (
    payment_id TEXT NOT NULL REFERENCES payment (id),
    number     INTEGER NOT NULL CHECK (number > 0),
    method     TEXT NOT NULL,
    state      TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    asked_ms   INTEGER NOT NULL,
    next_ms    INTEGER NOT NULL,
    last_error TEXT,
    PRIMARY KEY (payment_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_due ON outbox (method, next_ms) WHERE state = 'queued';
CREATE INDEX outbox_queued ON outbox (asked_ms) WHERE state = 'queued';
CREATE INDEX outbox_parked ON outbox (asked_ms) WHERE state = 'parked';

CREATE TRIGGER outbox_is_never_deleted BEFORE DELETE ON outbox
BEGIN SELECT RAISE(ABORT, 'the queue is never deleted'); END;

-- How long the queue is, kept by the triggers below so that nobody has to count.
CREATE TABLE depth (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    queued INTEGER NOT NULL CHECK (queued >= 0),
    parked INTEGER NOT NULL CHECK (parked >= 0),
    owed   INTEGER NOT NULL CHECK (owed >= 0)
) STRICT;

INSERT INTO depth (one, queued, parked, owed) VALUES (1, 0, 0, 0);

CREATE TRIGGER outbox_counts_in AFTER INSERT ON outbox WHEN NEW.state IN ('queued', 'parked')
BEGIN UPDATE depth SET queued = queued + (NEW.state = 'queued'), parked = parked + (NEW.state = 'parked'); END;

CREATE TRIGGER outbox_counts_on AFTER UPDATE OF state ON outbox WHEN OLD.state <> NEW.state
BEGIN
    UPDATE depth SET queued = queued + (NEW.state = 'queued') - (OLD.state = 'queued'),
                     parked = parked + (NEW.state = 'parked') - (OLD.state = 'parked');
END;

CREATE TRIGGER payment_counts_in AFTER INSERT ON payment WHEN NEW.fiscal = 'owed'
BEGIN UPDATE depth SET owed = owed + 1; END;

CREATE TRIGGER payment_counts_on AFTER UPDATE OF fiscal ON payment
WHEN OLD.fiscal <> NEW.fiscal AND 'owed' IN (OLD.fiscal, NEW.fiscal)
BEGIN UPDATE depth SET owed = owed + (NEW.fiscal = 'owed') - (OLD.fiscal = 'owed'); END;

-- Closings of the card shift.
CREATE TABLE settlement (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    state      TEXT NOT NULL,
    shift      TEXT,
    token      TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    body       TEXT NOT NULL
) STRICT;

-- Durable odds and ends: one row.
CREATE TABLE register (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    body TEXT NOT NULL
) STRICT;

-- Where the journal begins, if not at its first line: what was known when its earlier lines were exported or lost.
CREATE TABLE cut (
    seq        INTEGER PRIMARY KEY CHECK (seq >= 0),
    at_ms      INTEGER NOT NULL,
    why        TEXT NOT NULL CHECK (why IN ('compacted', 'salvaged')),
    file       TEXT NOT NULL,
    lines      INTEGER NOT NULL,
    sha256     TEXT NOT NULL,
    settlement TEXT,
    register   TEXT NOT NULL
) STRICT;

CREATE TABLE cut_payment (
    payment_id TEXT PRIMARY KEY,
    body       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER cut_is_never_changed BEFORE UPDATE ON cut
BEGIN SELECT RAISE(ABORT, 'a cut is never changed'); END;

CREATE TRIGGER cut_is_never_deleted BEFORE DELETE ON cut
BEGIN SELECT RAISE(ABORT, 'a cut is never changed'); END;

CREATE TRIGGER cut_payment_is_never_changed BEFORE UPDATE ON cut_payment
BEGIN SELECT RAISE(ABORT, 'a cut is never changed'); END;

CREATE TRIGGER cut_payment_is_never_deleted BEFORE DELETE ON cut_payment
BEGIN SELECT RAISE(ABORT, 'a cut is never changed'); END;

-- Odds and ends about the file itself.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
