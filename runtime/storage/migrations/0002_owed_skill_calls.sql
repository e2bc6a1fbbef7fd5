-- A webhook request may owe a skill call: its transform asked for it, and the sender was told 200 before it ran.
-- Requests accepted before this migration owe nothing: their calls were run then or are not known to be missing.

ALTER TABLE inbox ADD COLUMN owed INTEGER NOT NULL DEFAULT 0;   -- 1 until the call has run
ALTER TABLE inbox ADD COLUMN settled_at INTEGER;                -- when it had run, if it was owed
CREATE INDEX inbox_owed ON inbox (number) WHERE owed = 1;
