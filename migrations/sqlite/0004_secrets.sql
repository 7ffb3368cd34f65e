-- Secrets of entities, sealed; apart from them, so that no list, slice or export ever reads one.
CREATE TABLE secret (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    key_id TEXT NOT NULL, -- which key opens it
    sealed BLOB NOT NULL, -- nonce, text and tag
    PRIMARY KEY (kind, id, name)
) WITHOUT ROWID;
CREATE INDEX secret_key ON secret (key_id);
