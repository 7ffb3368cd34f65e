-- Secrets of entities, sealed; apart from them, so that no list, slice or export ever reads one.
CREATE TABLE secret (
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL, -- which key opens it
    sealed BYTEA NOT NULL, -- nonce, text and tag
    PRIMARY KEY (kind, id, name)
);
CREATE INDEX secret_key ON secret (key_id);
