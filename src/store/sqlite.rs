//! SQLite's spelling. `CROSS JOIN` fixes the order of a join, so that tables are probed, not read.

use crate::store::Options;
use crate::store::dialect::Dialect;

pub(super) const DIALECT: Dialect = Dialect {
    begin: "BEGIN IMMEDIATE",
    lock_head: "SELECT rev FROM feed_head WHERE one = 1",
    facts: "
WITH RECURSIVE
reach (kind, id, level) AS (
    SELECT value ->> 0, value ->> 1, 0 FROM json_each($1)
    UNION
    SELECT r.to_kind, r.to_id, reach.level + 1
    FROM reach CROSS JOIN reference AS r
    WHERE reach.level + 1 < $2 AND r.from_kind = reach.kind AND r.from_id = reach.id AND r.label <> ''
),
inside (kind, id) AS (
    SELECT kind, id FROM reach
    UNION
    SELECT r.to_kind, r.to_id
    FROM inside CROSS JOIN reference AS r
    WHERE r.from_kind = inside.kind AND r.from_id = inside.id AND r.label = ''
)
SELECT '' AS kind, '' AS id, '' AS body, rev FROM feed_head WHERE one = 1
UNION ALL
SELECT * FROM (
    SELECT e.kind, e.id, e.body, 0 AS rev
    FROM inside CROSS JOIN entity AS e
    WHERE e.kind = inside.kind AND e.id = inside.id
    LIMIT $3
)",
    count_inside: "
WITH RECURSIVE inside (kind, id) AS (
    SELECT value ->> 0, value ->> 1 FROM json_each($1)
    UNION
    SELECT r.to_kind, r.to_id
    FROM inside CROSS JOIN reference AS r
    WHERE r.from_kind = inside.kind AND r.from_id = inside.id AND r.label = ''
)
SELECT COUNT(*) FROM inside WHERE kind = $2 AND id = $3",
    add_references: "
INSERT INTO reference (from_kind, from_id, label, to_kind, to_id)
SELECT $1, $2, value ->> 0, value ->> 1, value ->> 2 FROM json_each($3)",
    add_words: "
INSERT INTO word (kind, id, within, word) SELECT $1, $2, $3, value ->> 0 FROM json_each($4)",
    add_changes: "
INSERT INTO change (rev, n, kind, id, nonce)
SELECT $1, CAST(value ->> 0 AS BIGINT), value ->> 1, value ->> 2, $2 FROM json_each($3)",
    renew: "
INSERT INTO replica (id, seen, until_ms)
SELECT $1,
    CASE WHEN EXISTS (SELECT 1 FROM change WHERE rev = $2 AND n = 0 AND nonce = $3) THEN $2 ELSE 0 END,
    CAST(unixepoch('subsec') * 1000 AS BIGINT) + $4
WHERE true
ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, until_ms = excluded.until_ms",
    count_behind: "
SELECT COUNT(*) FROM replica
WHERE id <> $1 AND seen < $2 AND until_ms >= CAST(unixepoch('subsec') * 1000 AS BIGINT)",
    reap: "DELETE FROM replica WHERE until_ms < CAST(unixepoch('subsec') * 1000 AS BIGINT) - 60000",
    migrations: &[
        ("entities", include_str!("../../migrations/sqlite/0001_entities.sql")),
        ("feed", include_str!("../../migrations/sqlite/0002_feed.sql")),
        ("referring", include_str!("../../migrations/sqlite/0003_referring.sql")),
        ("secrets", include_str!("../../migrations/sqlite/0004_secrets.sql")),
        ("search", include_str!("../../migrations/sqlite/0005_search.sql")),
    ],
    session,
};

/// The wait for the lock comes first: turning the journal on needs the lock.
fn session(options: &Options) -> String {
    format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON",
        options.timeout.as_millis()
    )
}

/// Whether the database lives and dies with its one connection.
pub(super) fn is_memory(url: &str) -> bool {
    url.starts_with("sqlite:") && (url.contains(":memory:") || url.contains("mode=memory"))
}

/// The address, with leave to create the file when it says nothing about that.
pub(super) fn address(url: &str) -> String {
    match url {
        _ if !url.starts_with("sqlite:") || is_memory(url) || url.contains("mode=") => url.to_owned(),
        _ if url.contains('?') => format!("{url}&mode=rwc"),
        _ => format!("{url}?mode=rwc"),
    }
}
