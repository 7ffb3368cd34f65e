//! Lists in the order of names, and what is found by words: both are kept beside the documents.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row, Transaction};

use crate::domain::nouns::named;
use crate::domain::{Entity, Uid};
use crate::store::sql::Core;
use crate::store::{StoreError, rows, write};

/// The longest word and the longest name in the order, in bytes.
const WORD_BYTES_MAX: usize = 64;
const SORT_BYTES_MAX: usize = 256;
/// The most words that one entity is found by.
const WORDS_MAX: usize = 400;
/// What an entity belongs to.
const WITHIN: &str = "organization";
/// Containers of one statement.
const CHUNK: usize = 100;
/// Entities that are filled in at once, after an update of the program.
const BATCH: i64 = 500;
/// Raised when other words are kept: everything is filled in anew then.
const VERSION: i64 = 1;

/// Where a list goes on: a name in the order, and an id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The name in the order.
    pub sort: String,
    /// The id.
    pub id: String,
}

impl Place {
    /// The place of an entity.
    #[must_use]
    pub fn of(entity: &Entity) -> Self {
        let text = |name: &str| entity.attrs.get(name).and_then(Json::as_str);
        let name = text("name").or_else(|| text("email")).unwrap_or_default();
        let sort = cut(&name.to_lowercase().replace('\0', " "), SORT_BYTES_MAX).to_owned();
        Self { sort, id: entity.uid.id().to_owned() }
    }
}

/// The words that an entity is found by: of its id, name, address and tags.
#[must_use]
pub fn words(entity: &Entity) -> BTreeSet<String> {
    let listed = entity.attrs.get("tags").and_then(Json::as_array).into_iter().flatten();
    let texts = ["name", "email"].into_iter().filter_map(|name| entity.attrs.get(name));
    let texts = texts.chain(listed).chain(entity.tags.values()).filter_map(Json::as_str);
    let mut found = BTreeSet::new();
    for text in std::iter::once(entity.uid.id()).chain(texts) {
        found.extend(words_of(text));
        if found.len() > WORDS_MAX {
            break;
        }
    }
    found.into_iter().take(WORDS_MAX).collect()
}

/// A text's words in lower case: what stands between spaces, whole and in its parts.
#[must_use]
pub fn words_of(text: &str) -> BTreeSet<String> {
    let text = text.to_lowercase();
    let whole = text.split_whitespace();
    let parts = text.split(|c: char| !c.is_alphanumeric());
    let usable = whole.chain(parts).filter(|word| !word.is_empty() && !word.contains('\0'));
    usable.map(|word| cut(word, WORD_BYTES_MAX).to_owned()).collect()
}

fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

impl Core {
    /// Whether entities of this type are listed and found.
    fn is_listed(&self, kind: &str) -> bool {
        self.options.listed.iter().any(|it| it == kind)
    }

    /// Takes an entity out of the order and the words.
    pub(super) async fn unlist(&self, connection: &mut AnyConnection, uid: &Uid) -> Result<(), StoreError> {
        if self.is_listed(uid.kind()) {
            for text in [
                "DELETE FROM listed WHERE kind = $1 AND id = $2",
                "DELETE FROM word WHERE kind = $1 AND id = $2",
            ] {
                write::named(text, uid).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// Puts an entity that is not there into the order and the words.
    pub(super) async fn list(
        &self,
        connection: &mut AnyConnection,
        entity: &Entity,
    ) -> Result<(), StoreError> {
        let uid = &entity.uid;
        let Some(within) = named(entity, WITHIN).filter(|_| self.is_listed(uid.kind())) else {
            return Ok(());
        };
        let add = "INSERT INTO listed (kind, id, within, sort) VALUES ($1, $2, $3, $4)";
        let query = write::named(add, uid).bind(within.id().to_owned()).bind(Place::of(entity).sort);
        query.execute(&mut *connection).await?;
        let words = rows::list(words(entity).into_iter().map(|word| json!([word])));
        let query = write::named(self.dialect.add_words, uid).bind(within.id().to_owned());
        query.bind(words).execute(connection).await?;
        Ok(())
    }

    /// A page of a type inside of some organizations, in the order of names.
    pub(super) async fn in_order(
        &self,
        kind: &str,
        within: &[String],
        after: Option<&Place>,
        is_backwards: bool,
        limit: u32,
    ) -> Result<Vec<Entity>, StoreError> {
        let mut found: Vec<(Place, Entity)> = Vec::new();
        for some in within.chunks(CHUNK) {
            let text = AssertSqlSafe(page_text(some.len(), after.is_some(), is_backwards));
            let place = after.cloned().unwrap_or(Place { sort: String::new(), id: String::new() });
            let query = sqlx::query(text).bind(kind.to_owned()).bind(i64::from(limit));
            let query = query.bind(place.sort).bind(place.id);
            let query = some.iter().fold(query, |query, it| query.bind(it.clone()));
            for row in query.fetch_all(&self.pool).await? {
                let entity = rows::entity_of(&row)?;
                let sort: String = row.try_get(3)?;
                found.push((Place { sort, id: entity.uid.id().to_owned() }, entity));
            }
        }
        found.sort_by(|(a, _), (b, _)| if is_backwards { b.cmp(a) } else { a.cmp(b) });
        found.truncate(limit as usize);
        Ok(found.into_iter().map(|(_, entity)| entity).collect())
    }

    /// Names of a type inside of some organizations with a word that begins so.
    pub(super) async fn with_word(
        &self,
        kind: &str,
        within: &[String],
        begins: &str,
        limit: u32,
    ) -> Result<Vec<Uid>, StoreError> {
        let mut found = Vec::new();
        for some in within.chunks(CHUNK) {
            let places = (5..).take(some.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
            let text = AssertSqlSafe(format!(
                "SELECT DISTINCT id FROM word WHERE kind = $1 AND word >= $2 AND word < $3 \
                 AND within IN ({places}) LIMIT $4"
            ));
            let query = sqlx::query(text).bind(kind.to_owned()).bind(begins.to_owned());
            let query = query.bind(format!("{begins}\u{10ffff}")).bind(i64::from(limit));
            let query = some.iter().fold(query, |query, it| query.bind(it.clone()));
            for row in query.fetch_all(&self.pool).await? {
                found.push(rows::uid(kind.to_owned(), row.try_get(0)?)?);
            }
        }
        found.truncate(limit as usize);
        Ok(found)
    }

    /// Fills in what was stored before there was an order: once, when the store is opened.
    pub(super) async fn fill(&self) -> Result<(), StoreError> {
        let text = "SELECT version FROM filled WHERE name = 'search'";
        let version: Option<i64> = sqlx::query_scalar(text).fetch_optional(&self.pool).await?;
        if version == Some(VERSION) {
            return Ok(());
        }
        for kind in &self.options.listed {
            let mut after = String::new();
            while let Some(last) = self.fill_some(kind, &after).await? {
                after = last;
            }
        }
        let done = "INSERT INTO filled (name, version) VALUES ('search', $1) \
                    ON CONFLICT (name) DO UPDATE SET version = excluded.version";
        sqlx::query(done).bind(VERSION).execute(&self.pool).await?;
        Ok(())
    }

    async fn fill_some(&self, kind: &str, after: &str) -> Result<Option<String>, StoreError> {
        let mut transaction: Transaction<'static, Any> = self.pool.begin_with(self.dialect.begin).await?;
        let _head: i64 = sqlx::query_scalar(self.dialect.lock_head).fetch_one(&mut *transaction).await?;
        let text = "SELECT kind, id, body FROM entity WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3";
        let query = sqlx::query(text).bind(kind.to_owned()).bind(after.to_owned()).bind(BATCH);
        let found = query.fetch_all(&mut *transaction).await?;
        let found: Vec<Entity> = found.iter().map(rows::entity_of).collect::<Result<_, _>>()?;
        for entity in &found {
            self.unlist(&mut transaction, &entity.uid).await?;
            self.list(&mut transaction, entity).await?;
        }
        transaction.commit().await?;
        Ok(found.last().map(|it| it.uid.id().to_owned()))
    }
}

/// Each organization gives at most one page, so a page costs the same wherever it is.
fn page_text(organizations: usize, has_place: bool, is_backwards: bool) -> String {
    let (sign, order) = if is_backwards { ("<", "DESC") } else { (">", "ASC") };
    // Without a place both parameters are still there, and everything fits.
    let behind = if has_place { format!("AND (sort, id) {sign} ($3, $4)") } else { "AND $3 = $4".to_owned() };
    let one = |n: usize| {
        format!(
            "SELECT * FROM (SELECT sort, id FROM listed WHERE kind = $1 AND within = ${} {behind} \
             ORDER BY sort {order}, id {order} LIMIT $2) AS some{n}",
            n + 5
        )
    };
    let all = (0..organizations).map(one).collect::<Vec<_>>().join(" UNION ALL ");
    format!(
        "SELECT e.kind, e.id, e.body, l.sort FROM ({all}) AS l \
         JOIN entity AS e ON e.kind = $1 AND e.id = l.id ORDER BY l.sort {order}, l.id {order} LIMIT $2"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_and_in_parts() {
        let expected = ["anna", "com", "example", "anna@example.com", "front", "door"];
        assert_eq!(words_of("Front  Anna@Example.com DOOR"), expected.map(str::to_owned).into());
        assert_eq!(words_of(" \0 \t"), BTreeSet::new());
        assert!(words_of(&"é".repeat(100)).iter().all(|it| it.len() <= WORD_BYTES_MAX));
    }
}
