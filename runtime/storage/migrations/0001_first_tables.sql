-- The first tables. Every key that leads to a tenant's data begins with the tenant.
-- Times are milliseconds since 1970-01-01T00:00:00Z; JSON is kept as text, exactly as it was given.

-- Single values of the database itself, for example `seq_floor`: no event `seq` above it was ever given out.
CREATE TABLE meta (
    key     TEXT PRIMARY KEY NOT NULL,
    value   ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- Accepted webhook requests with what was decided about them and what the sender was answered.
CREATE TABLE inbox (
    number          INTEGER PRIMARY KEY,    -- order of acceptance
    id              TEXT NOT NULL,          -- `wh_` and 32 hex digits
    tenant          TEXT NOT NULL,
    path            TEXT NOT NULL,
    key             TEXT,                   -- the sender's own id, if it sent one
    method          TEXT NOT NULL,
    query           TEXT NOT NULL,
    headers         TEXT NOT NULL,          -- JSON: an array of [name, value], without credentials
    body            BLOB NOT NULL,          -- as it was received
    received_at     INTEGER NOT NULL,
    trace           TEXT NOT NULL,
    outcome         TEXT NOT NULL,
    detail          TEXT NOT NULL,          -- JSON
    transform       TEXT NOT NULL,          -- `name@sha256:…`
    duration_us     INTEGER NOT NULL,
    status          INTEGER NOT NULL,
    response_type   TEXT,                   -- both or neither
    response_body   BLOB
) STRICT;
-- One request a key: a resent one finds the first here, also when both arrive at the same moment.
CREATE UNIQUE INDEX inbox_by_key ON inbox (tenant, path, key) WHERE key IS NOT NULL;
CREATE INDEX inbox_by_trace ON inbox (tenant, trace);

-- Facts, in the one order in which everybody hears of them.
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,                  -- `evt_` and 32 hex digits
    tenant  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    data    TEXT NOT NULL,                  -- JSON: an object
    trace   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    session INTEGER                         -- bits of an unsigned number
) STRICT;
CREATE INDEX events_by_tenant ON events (tenant);       -- each entry ends with the rowid: (tenant, seq)
CREATE INDEX events_by_trace ON events (tenant, trace);

-- What operators and guards did.
CREATE TABLE audit (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    tenant  TEXT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL                   -- JSON: an object
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant);

-- Named tokens, as SHA-256: the tokens themselves are kept nowhere.
CREATE TABLE tokens (
    number      INTEGER PRIMARY KEY,
    tenant      TEXT NOT NULL,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    hash        BLOB NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER,
    UNIQUE (tenant, name)
) STRICT;

-- What is installed; the bytes are in `components/<digest>.wasm`.
CREATE TABLE installed (
    tenant          TEXT NOT NULL,
    name            TEXT NOT NULL,
    digest          TEXT NOT NULL,          -- 64 hex digits
    version         TEXT NOT NULL,
    description     TEXT NOT NULL,
    world           TEXT NOT NULL,
    imports         TEXT NOT NULL,          -- JSON: an array of strings
    tools           TEXT NOT NULL,          -- JSON: an array of objects
    enabled         INTEGER NOT NULL,
    bundled         INTEGER NOT NULL,
    size            INTEGER NOT NULL,
    installed_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX installed_by_digest ON installed (digest);
