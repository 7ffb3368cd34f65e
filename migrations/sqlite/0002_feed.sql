-- One row: the revision that the last committed transaction got. Its lock orders the writers.
CREATE TABLE feed_head (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    rev BIGINT NOT NULL
);
INSERT INTO feed_head (one, rev) VALUES (1, 0);

-- What each transaction touched; the nonce tells two histories with equal numbers apart.
CREATE TABLE change (
    rev BIGINT NOT NULL,
    n BIGINT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    nonce TEXT NOT NULL,
    PRIMARY KEY (rev, n)
) WITHOUT ROWID;

-- Processes that answer from memory: what each has seen, and until when it may trust it.
CREATE TABLE replica (
    id TEXT NOT NULL PRIMARY KEY,
    seen BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
