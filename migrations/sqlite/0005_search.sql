-- Entities that are listed in the order of their names, inside of what they belong to.
CREATE TABLE listed (
    kind TEXT NOT NULL,
    within TEXT NOT NULL,
    sort TEXT NOT NULL, -- the name in lower case
    id TEXT NOT NULL,
    PRIMARY KEY (kind, within, sort, id)
) WITHOUT ROWID;
CREATE INDEX listed_id ON listed (kind, id);

-- The words that they are found by.
CREATE TABLE word (
    kind TEXT NOT NULL,
    within TEXT NOT NULL,
    word TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, within, word, id)
) WITHOUT ROWID;
CREATE INDEX word_id ON word (kind, id);

-- Which of these tables hold what was stored before they were made.
CREATE TABLE filled (
    name TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);
