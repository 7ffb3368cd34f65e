-- One row: the revision that the last committed transaction got. Its lock orders the writers.
CREATE TABLE feed_head (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    rev BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO feed_head (one, rev) VALUES (1, 0);

-- What each transaction touched; the nonce tells two histories with equal numbers apart.
CREATE TABLE change (
    rev BIGINT NOT NULL,
    n BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    nonce TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (rev, n)
);

-- Processes that answer from memory: what each has seen, and until when it may trust it.
CREATE TABLE replica (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seen BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
