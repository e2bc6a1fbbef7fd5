-- What was said, and what models used.

CREATE TABLE conversations (
    number  INTEGER PRIMARY KEY,
    tenant  TEXT NOT NULL,
    door    TEXT NOT NULL,
    channel TEXT NOT NULL,
    user    TEXT NOT NULL,
    speaker TEXT NOT NULL,          -- 'user' or 'agent'
    text    TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX conversations_by_key ON conversations (tenant, door, channel, user, number);

-- One row a tenant, day and model: a budget is checked without counting requests.
CREATE TABLE model_use (
    tenant          TEXT NOT NULL,
    day             INTEGER NOT NULL,       -- in UTC, from 1970-01-01
    model           TEXT NOT NULL,
    requests        INTEGER NOT NULL,
    input_tokens    INTEGER NOT NULL,
    output_tokens   INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, model)
) STRICT, WITHOUT ROWID;
