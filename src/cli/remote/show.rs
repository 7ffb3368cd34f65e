//! Answers as people read them: one thing member by member, a list as a table, a refusal as a sentence.

use serde_json::Value as Json;

/// What stands for a value that is not there.
const NOTHING: &str = "-";

/// One line a member; members of members are named with both names.
pub(super) fn members(answer: &Json) -> Vec<String> {
    let mut rows = Vec::new();
    collect(&mut rows, "", answer);
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect()
}

fn collect(rows: &mut Vec<(String, String)>, name: &str, value: &Json) {
    match value {
        Json::Null => {}
        Json::Object(members) => {
            for (member, value) in members {
                let name = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
                collect(rows, &name, value);
            }
        }
        value => rows.push((name.to_owned(), text(value))),
    }
}

/// A line of headings and one line an item.
pub(super) fn table(items: &[Json], columns: &[&str]) -> Vec<String> {
    if items.is_empty() {
        return vec!["there are none".to_owned()];
    }
    let cells = |item: &Json| -> Vec<String> {
        columns.iter().map(|name| item.get(*name).map_or_else(|| NOTHING.to_owned(), text)).collect()
    };
    let headings = columns.iter().map(|name| name.to_uppercase()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(headings).chain(items.iter().map(cells)).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn text(value: &Json) -> String {
    match value {
        Json::Null => NOTHING.to_owned(),
        Json::String(text) if text.is_empty() => NOTHING.to_owned(),
        Json::String(text) => text.clone(),
        Json::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A problem in one line: what is wrong, its code, and the id that finds the record.
pub(super) fn problem(problem: &Json) -> String {
    let member = |name: &str| problem.get(name).map(text).unwrap_or_default();
    let kind = member("type");
    let code = kind.rsplit(':').next().unwrap_or_default();
    format!("{} ({} {code}, request {})", member("detail"), member("status"), member("request_id"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_aligned_and_says_what_is_missing() {
        let items = [json!({ "id": "a", "tags": ["x", "y"] }), json!({ "id": "long one", "tags": null })];
        assert_eq!(table(&items, &["id", "tags"]), ["ID        TAGS", "a         x, y", "long one  -"]);
        assert_eq!(table(&[], &["id"]), ["there are none"]);
    }

    #[test]
    fn members_of_members_have_both_names() {
        let answer = json!({ "admin": { "id": "dad", "name": null }, "id": "a" });
        assert_eq!(members(&answer), ["admin.id  dad", "id        a"]);
    }
}
