-- Sessions that have ended, what webhooks are owed by whom, who has revoked. Times are milliseconds since
-- 1970-01-01T00:00:00Z. The same tables as in ../postgres; keep the two alike.

-- What is written of sessions that have ended is held against an erasure by this row's lock.
INSERT INTO sequences (name, value) VALUES ('erasures', 0);

ALTER TABLE revocations ADD COLUMN actor TEXT; -- as in the audit; NULL: written by an earlier release

-- The newest spent tokens of a login.
CREATE INDEX refresh_tokens_spent ON refresh_tokens (login, spent_at);

CREATE TABLE history (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    socket_id    TEXT    UNIQUE,           -- NULL: this row stands for sessions of which nothing else is known
    issuer       TEXT,
    subject      TEXT,
    connected_at INTEGER NOT NULL,
    ended_at     INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    detail       TEXT,                     -- the reason as the metric has it
    actor        TEXT,                     -- who has revoked it, as in the audit
    item         TEXT,                     -- the session as lists showed it last, JSON
    sessions     INTEGER NOT NULL DEFAULT 1 -- how many this row stands for
) STRICT;
CREATE INDEX history_ended ON history (ended_at);
CREATE INDEX history_user ON history (issuer, subject, ended_at, id);

-- One row is owed to one webhook. Rows of an earlier release name none and are delivered to nobody.
ALTER TABLE outbox ADD COLUMN endpoint TEXT;
ALTER TABLE outbox ADD COLUMN message  TEXT;                       -- webhook-id, the same with each try
ALTER TABLE outbox ADD COLUMN due_at   INTEGER NOT NULL DEFAULT 0; -- of the next try; later while somebody tries
ALTER TABLE outbox ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX outbox_message ON outbox (message);
CREATE INDEX outbox_due ON outbox (endpoint, due_at);

UPDATE rollcall_schema SET schema = 3 WHERE schema < 3;
