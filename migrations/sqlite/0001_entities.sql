-- Entities as documents; references are their index in both directions.
CREATE TABLE entity (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL, -- JSON: attrs, parents, tags
    rev BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- The label is '' for a parent and the name of the attribute or tag otherwise.
CREATE TABLE reference (
    from_kind TEXT NOT NULL,
    from_id TEXT NOT NULL,
    label TEXT NOT NULL,
    to_kind TEXT NOT NULL,
    to_id TEXT NOT NULL,
    PRIMARY KEY (from_kind, from_id, label, to_kind, to_id)
) WITHOUT ROWID;
CREATE INDEX reference_to ON reference (to_kind, to_id, label);

-- Names of removed entities, which are never given out again.
CREATE TABLE tombstone (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    rev BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;

-- Attributes whose text belongs to one entity only, such as an e-mail address.
CREATE TABLE text_key (
    kind TEXT NOT NULL,
    attr TEXT NOT NULL,
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, attr, value)
) WITHOUT ROWID;
CREATE INDEX text_key_id ON text_key (kind, id);

CREATE TABLE api_key (
    id TEXT NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    principal_kind TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT
);
