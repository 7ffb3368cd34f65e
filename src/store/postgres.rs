//! PostgreSQL's spelling. `LATERAL … OFFSET 0` makes each step an index look-up, whatever the
//! planner believes about the number of rows.

use crate::store::Options;
use crate::store::dialect::Dialect;

pub(super) const DIALECT: Dialect = Dialect {
    begin: "BEGIN ISOLATION LEVEL READ COMMITTED",
    lock_head: "SELECT rev FROM feed_head WHERE one = 1 FOR UPDATE",
    facts: r#"
WITH RECURSIVE
reach (kind, id, level) AS (
    SELECT (value ->> 0) COLLATE "C", (value ->> 1) COLLATE "C", 0 FROM json_array_elements($1::json)
    UNION
    SELECT r.to_kind, r.to_id, reach.level + 1
    FROM reach CROSS JOIN LATERAL (
        SELECT to_kind, to_id FROM reference
        WHERE from_kind = reach.kind AND from_id = reach.id AND label <> '' OFFSET 0
    ) AS r
    WHERE reach.level + 1 < $2
),
inside (kind, id) AS (
    SELECT kind, id FROM reach
    UNION
    SELECT r.to_kind, r.to_id
    FROM inside CROSS JOIN LATERAL (
        SELECT to_kind, to_id FROM reference
        WHERE from_kind = inside.kind AND from_id = inside.id AND label = '' OFFSET 0
    ) AS r
)
SELECT '' AS kind, '' AS id, '' AS body, rev FROM feed_head WHERE one = 1
UNION ALL
SELECT * FROM (
    SELECT inside.kind, inside.id, e.body, 0 AS rev
    FROM inside CROSS JOIN LATERAL (
        SELECT body FROM entity WHERE kind = inside.kind AND id = inside.id OFFSET 0
    ) AS e
    LIMIT $3
) AS found"#,
    count_inside: r#"
WITH RECURSIVE inside (kind, id) AS (
    SELECT (value ->> 0) COLLATE "C", (value ->> 1) COLLATE "C" FROM json_array_elements($1::json)
    UNION
    SELECT r.to_kind, r.to_id
    FROM inside CROSS JOIN LATERAL (
        SELECT to_kind, to_id FROM reference
        WHERE from_kind = inside.kind AND from_id = inside.id AND label = '' OFFSET 0
    ) AS r
)
SELECT COUNT(*) FROM inside WHERE kind = $2 AND id = $3"#,
    add_references: "
INSERT INTO reference (from_kind, from_id, label, to_kind, to_id)
SELECT $1, $2, value ->> 0, value ->> 1, value ->> 2 FROM json_array_elements($3::json)",
    add_words: "
INSERT INTO word (kind, id, within, word) SELECT $1, $2, $3, value ->> 0 FROM json_array_elements($4::json)",
    add_changes: "
INSERT INTO change (rev, n, kind, id, nonce)
SELECT $1, CAST(value ->> 0 AS BIGINT), value ->> 1, value ->> 2, $2 FROM json_array_elements($3::json)",
    renew: "
INSERT INTO replica (id, seen, until_ms)
SELECT $1,
    CASE WHEN EXISTS (SELECT 1 FROM change WHERE rev = $2 AND n = 0 AND nonce = $3) THEN $2 ELSE 0 END,
    CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + $4
ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, until_ms = excluded.until_ms",
    count_behind: "
SELECT COUNT(*) FROM replica
WHERE id <> $1 AND seen < $2
    AND until_ms >= CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    reap: "
DELETE FROM replica
WHERE until_ms < CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) - 60000",
    migrations: &[
        ("entities", include_str!("../../migrations/postgres/0001_entities.sql")),
        ("feed", include_str!("../../migrations/postgres/0002_feed.sql")),
        ("referring", include_str!("../../migrations/postgres/0003_referring.sql")),
        ("secrets", include_str!("../../migrations/postgres/0004_secrets.sql")),
        ("search", include_str!("../../migrations/postgres/0005_search.sql")),
    ],
    session,
};

/// The server gives up too, so that a writer that was stopped does not keep the others out.
/// Compiling a slice's plan would take a hundred times as long as the look-ups.
fn session(options: &Options) -> String {
    let ms = options.timeout.as_millis();
    format!(
        "SET jit = off; SET statement_timeout = {ms}; SET lock_timeout = {ms}; \
         SET idle_in_transaction_session_timeout = {ms}"
    )
}
