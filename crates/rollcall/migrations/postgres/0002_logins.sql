-- Logins and what ends them, names of devices, API keys, what webhooks are owed, who did what. Times are milliseconds
-- since 1970-01-01T00:00:00Z unless the column says seconds. The same tables as in ../sqlite; keep the two alike.

ALTER TABLE accounts ADD COLUMN password_version BIGINT NOT NULL DEFAULT 0; -- counts changes, not better hashes
ALTER TABLE accounts ADD COLUMN last_login_at    BIGINT NOT NULL DEFAULT 0;

-- Numbers in the order in which transactions end: the row stays locked until its transaction does, so whoever has read
-- up to a number has missed none before it.
CREATE TABLE sequences (
    name  TEXT    PRIMARY KEY NOT NULL,
    value BIGINT NOT NULL
);
INSERT INTO sequences (name, value) VALUES ('revocations', 0), ('labels', 0);

CREATE TABLE logins (
    id             TEXT    PRIMARY KEY NOT NULL, -- 128 random bits: the sid of its tokens
    account        TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at     BIGINT NOT NULL,
    used_at        BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,             -- of its newest refresh token
    access_seconds BIGINT NOT NULL              -- exp of its newest access token, in seconds
);
CREATE INDEX logins_account ON logins (account);
CREATE INDEX logins_expires_at ON logins (expires_at);

CREATE TABLE refresh_tokens (
    hash       BYTEA   PRIMARY KEY NOT NULL, -- SHA-256 of 256 random bits: no token can be had from it
    login      TEXT    NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    spent_at   BIGINT,
    successor  BYTEA                         -- the hash of the token that it was spent for
);
CREATE INDEX refresh_tokens_login ON refresh_tokens (login);
CREATE INDEX refresh_tokens_expires_at ON refresh_tokens (expires_at);

CREATE TABLE revocations (
    seq            BIGINT PRIMARY KEY NOT NULL,
    at             BIGINT NOT NULL,
    issuer         TEXT,             -- name of the issuer entry; NULL: every user of every issuer
    subject        TEXT,             -- NULL: whoever has the login
    login          TEXT,             -- NULL: all logins of the user
    issued_seconds BIGINT,          -- without a login: iat of the last tokens that are refused
    except_login   TEXT,             -- that stays
    until_seconds  BIGINT NOT NULL  -- when the last token that it refuses has expired
);
CREATE INDEX revocations_until ON revocations (until_seconds);
CREATE INDEX revocations_user ON revocations (issuer, subject);

CREATE TABLE used_logout_tokens (
    issuer        TEXT    NOT NULL,
    jti           TEXT    NOT NULL,
    until_seconds BIGINT NOT NULL,
    PRIMARY KEY (issuer, jti)
);
CREATE INDEX used_logout_tokens_until ON used_logout_tokens (until_seconds);

CREATE TABLE first_seen (
    issuer  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    login   TEXT    NOT NULL,
    at      BIGINT NOT NULL,
    last_at BIGINT NOT NULL, -- to the day
    PRIMARY KEY (issuer, subject, login)
);
CREATE INDEX first_seen_last_at ON first_seen (last_at);

CREATE TABLE labels (
    issuer  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    device  TEXT    NOT NULL, -- a deviceId or a login
    label   TEXT    NOT NULL,
    at      BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject, device)
);
CREATE INDEX labels_seq ON labels (seq);

CREATE TABLE api_keys (
    name       TEXT    PRIMARY KEY NOT NULL,
    hash       BYTEA   NOT NULL UNIQUE, -- SHA-256 of 256 random bits
    issuer     TEXT,                    -- name of the issuer entry; NULL: all
    scopes     TEXT    NOT NULL,        -- words with commas between them
    created_at BIGINT NOT NULL
);

CREATE TABLE outbox (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    event   TEXT    NOT NULL,
    issuer  TEXT,
    subject TEXT,
    body    TEXT    NOT NULL -- JSON
);
CREATE INDEX outbox_at ON outbox (at);
CREATE INDEX outbox_user ON outbox (issuer, subject);

CREATE TABLE audit (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    action  TEXT    NOT NULL,
    actor   TEXT    NOT NULL,
    issuer  TEXT,
    subject TEXT,
    detail  TEXT,
    address TEXT
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_user ON audit (issuer, subject);

UPDATE rollcall_schema SET schema = 2 WHERE schema < 2;
