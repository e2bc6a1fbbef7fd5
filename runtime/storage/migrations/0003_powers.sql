-- What skills ask for, keep and use, and what an operator added, paused or has yet to decide.

ALTER TABLE installed ADD COLUMN requests TEXT NOT NULL DEFAULT '[]';   -- JSON: an array of {capability, reason, wants}
ALTER TABLE installed ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';   -- JSON: an object

-- Upgrades that ask for more than what is installed, until an operator decides. Their files are kept, too.
CREATE TABLE held (
    tenant          TEXT NOT NULL,
    name            TEXT NOT NULL,
    digest          TEXT NOT NULL,
    version         TEXT NOT NULL,
    description     TEXT NOT NULL,
    world           TEXT NOT NULL,
    imports         TEXT NOT NULL,
    tools           TEXT NOT NULL,
    enabled         INTEGER NOT NULL,
    bundled         INTEGER NOT NULL,
    size            INTEGER NOT NULL,
    installed_at    INTEGER NOT NULL,
    requests        TEXT NOT NULL,
    settings        TEXT NOT NULL,
    new_imports     TEXT NOT NULL,          -- JSON: an array of strings
    new_requests    TEXT NOT NULL,          -- JSON: an array of strings
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX held_by_digest ON held (digest);

-- What skills remember. With rowids: a value may be a mebibyte, which has no place in the inner pages of a tree.
CREATE TABLE kv (
    tenant  TEXT NOT NULL,
    skill   TEXT NOT NULL,
    bucket  TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   BLOB NOT NULL,
    PRIMARY KEY (tenant, skill, bucket, key)
) STRICT;

-- How much of it each skill has, kept by the statements that change `kv`: a quota is checked without counting.
CREATE TABLE kv_use (
    tenant  TEXT NOT NULL,
    skill   TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    keys    INTEGER NOT NULL,
    PRIMARY KEY (tenant, skill)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER kv_added AFTER INSERT ON kv BEGIN
    INSERT INTO kv_use (tenant, skill, bytes, keys)
    VALUES (new.tenant, new.skill, octet_length(new.key) + octet_length(new.value), 1)
    ON CONFLICT (tenant, skill) DO UPDATE SET bytes = bytes + excluded.bytes, keys = keys + 1;
END;
CREATE TRIGGER kv_changed AFTER UPDATE OF value ON kv BEGIN
    UPDATE kv_use SET bytes = bytes + octet_length(new.value) - octet_length(old.value)
    WHERE tenant = new.tenant AND skill = new.skill;
END;
CREATE TRIGGER kv_removed AFTER DELETE ON kv BEGIN
    UPDATE kv_use SET bytes = bytes - octet_length(old.key) - octet_length(old.value), keys = keys - 1
    WHERE tenant = old.tenant AND skill = old.skill;
END;

-- Secrets, sealed under a key of this machine that is not in the database.
CREATE TABLE secrets (
    tenant      TEXT NOT NULL,
    name        TEXT NOT NULL,
    key_id      BLOB NOT NULL,              -- which machine's key sealed it; tells nothing of the key
    nonce       BLOB NOT NULL,
    sealed      BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- Tenants an operator added; those of the configuration file are not here.
CREATE TABLE tenants (
    tenant      TEXT PRIMARY KEY NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is paused: no tenant is everything, no skill is the whole tenant.
CREATE TABLE pauses (
    tenant      TEXT NOT NULL,
    skill       TEXT NOT NULL,
    PRIMARY KEY (tenant, skill)
) STRICT, WITHOUT ROWID;

-- Requests that were accepted while their tenant was paused wait for their transform. Ids are in order of time.
CREATE INDEX inbox_queued ON inbox (tenant, id) WHERE outcome = 'queued';
