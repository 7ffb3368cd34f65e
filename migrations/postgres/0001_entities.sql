-- Entities as documents; references are their index in both directions.
CREATE TABLE entity (
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL, -- JSON: attrs, parents, tags
    rev BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- The label is '' for a parent and the name of the attribute or tag otherwise.
CREATE TABLE reference (
    from_kind TEXT COLLATE "C" NOT NULL,
    from_id TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    to_kind TEXT COLLATE "C" NOT NULL,
    to_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (from_kind, from_id, label, to_kind, to_id)
);
CREATE INDEX reference_to ON reference (to_kind, to_id, label);

-- Names of removed entities, which are never given out again.
CREATE TABLE tombstone (
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    rev BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Attributes whose text belongs to one entity only, such as an e-mail address.
CREATE TABLE text_key (
    kind TEXT COLLATE "C" NOT NULL,
    attr TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, attr, value)
);
CREATE INDEX text_key_id ON text_key (kind, id);

CREATE TABLE api_key (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    principal_kind TEXT COLLATE "C" NOT NULL,
    principal_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT
);
