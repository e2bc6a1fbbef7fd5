-- Events owed to endpoints. A delivery is written in the transaction of its event and is unsettled until it is done with.

CREATE TABLE deliveries (
    number              INTEGER PRIMARY KEY,    -- order of being owed
    id                  TEXT NOT NULL UNIQUE,   -- `msg_` and 32 hex digits: the `webhook-id` of every attempt
    tenant              TEXT NOT NULL,
    endpoint            TEXT NOT NULL,
    seq                 INTEGER NOT NULL,       -- the event
    state               TEXT NOT NULL,
    attempts            INTEGER NOT NULL DEFAULT 0,
    next_at             INTEGER NOT NULL,       -- when it may be taken: next attempt, or end of the lease
    created_at          INTEGER NOT NULL,
    first_attempt_at    INTEGER,
    settled_at          INTEGER,                -- NULL until it is done with
    last_status         INTEGER,
    last_error          TEXT,
    content_type        TEXT,                   -- the body's four are there together, once they are decided
    headers             TEXT,                   -- JSON: an array of [name, value]
    body                BLOB,                   -- `${VAR}` not filled in
    transform           TEXT                    -- `name@sha256:…`, or empty
) STRICT;
-- What a worker looks for; settled deliveries are in neither.
CREATE INDEX deliveries_due ON deliveries (tenant, endpoint, next_at) WHERE settled_at IS NULL;
CREATE INDEX deliveries_open ON deliveries (tenant, endpoint) WHERE settled_at IS NULL;    -- each entry ends with the number
CREATE INDEX deliveries_settled ON deliveries (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE attempts (
    number      INTEGER PRIMARY KEY,
    delivery    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    status      INTEGER,
    error       TEXT,
    excerpt     TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_by_delivery ON attempts (delivery);

-- Endpoints that are not well; one that nothing is kept of is.
CREATE TABLE endpoint_health (
    tenant          TEXT NOT NULL,
    endpoint        TEXT NOT NULL,
    failing_since   INTEGER,
    disabled_at     INTEGER,
    reason          TEXT,                       -- with `disabled_at`
    PRIMARY KEY (tenant, endpoint)
) STRICT, WITHOUT ROWID;
