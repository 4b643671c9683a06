-- One row: what this database is, and the oldest program that can still work with it. A migration that an older
-- program cannot live with raises readable_from.
CREATE TABLE rollcall_schema (
    only_row      BIGINT PRIMARY KEY NOT NULL CHECK (only_row = 1),
    schema        BIGINT NOT NULL,
    readable_from BIGINT NOT NULL
);
INSERT INTO rollcall_schema (only_row, schema, readable_from) VALUES (1, 1, 1);

CREATE TABLE accounts (
    id         TEXT    PRIMARY KEY NOT NULL, -- acc_ and 128 random bits: the sub of its tokens
    email      TEXT    NOT NULL,             -- as it was typed, without blanks around it
    email_key  TEXT    NOT NULL UNIQUE,      -- the same in lower case: what is compared
    name       TEXT,
    password   TEXT    NOT NULL,             -- Argon2id as a PHC string
    created_at BIGINT NOT NULL              -- milliseconds since 1970-01-01T00:00:00Z
);
