-- Entities that are listed in the order of their names, inside of what they belong to.
CREATE TABLE listed (
    kind TEXT COLLATE "C" NOT NULL,
    within TEXT COLLATE "C" NOT NULL,
    sort TEXT COLLATE "C" NOT NULL, -- the name in lower case
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, within, sort, id)
);
CREATE INDEX listed_id ON listed (kind, id);

-- The words that they are found by.
CREATE TABLE word (
    kind TEXT COLLATE "C" NOT NULL,
    within TEXT COLLATE "C" NOT NULL,
    word TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, within, word, id)
);
CREATE INDEX word_id ON word (kind, id);

-- Which of these tables hold what was stored before they were made.
CREATE TABLE filled (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);
