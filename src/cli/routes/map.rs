//! The route map as text.

use crate::cli::routes::guess::{Placed, Proposal};

/// TOML of what was placed, and remarks about the rest.
pub(super) fn written(placed: &[Placed]) -> String {
    let mut text = String::from(
        "# Made by `cedargate routes import`: a proposal. Read each route; `cedargate check` reads them too.\n\
         # What has no route is refused.\n",
    );
    for (placed, route) in placed.iter().filter_map(|it| Some((it, it.route.as_ref().ok()?))) {
        text.push('\n');
        placed.summary.iter().for_each(|it| text.push_str(&format!("# {it}\n")));
        route.remarks.iter().for_each(|it| text.push_str(&format!("# guessed: {it}\n")));
        lines(&placed.operation, route).iter().for_each(|it| text.push_str(&format!("{it}\n")));
    }
    let left = placed.iter().filter_map(|it| Some((it, it.route.as_ref().err()?)));
    for (n, (placed, why)) in left.enumerate() {
        let operation: String = placed.operation.chars().filter(|it| !it.is_control()).collect();
        text.push_str(if n == 0 { "\n# Not placed, so refused:\n" } else { "" });
        text.push_str(&format!("# {operation}: {why}\n"));
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn entity((kind, id): &(String, String)) -> String {
    format!("{{ type = {}, id = {} }}", quoted(kind), quoted(id))
}

fn lines(operation: &str, route: &Proposal) -> Vec<String> {
    let mut lines = vec!["[[route]]".to_owned(), format!("match = {}", quoted(operation))];
    lines.extend(route.action.map(|it| format!("action = {}", quoted(it))));
    match route.resources.as_slice() {
        [] => {}
        [only] => lines.push(format!("resource = {}", entity(only))),
        several => {
            let several: Vec<String> = several.iter().map(entity).collect();
            lines.push(format!("resource = [{}]", several.join(", ")));
        }
    }
    if let Some(it) = &route.filter {
        let total = it.total.as_ref().map(|it| format!(", total = {}", quoted(it))).unwrap_or_default();
        lines.push(format!(
            "filter = {{ action = \"view\", type = {}, items = {}, id = {}{total} }}",
            quoted(&it.kind),
            quoted(&it.items),
            quoted(&it.id)
        ));
    }
    lines.extend(route.creates.as_ref().map(|it| format!("creates = {}", entity(it))));
    lines.extend(route.removes.then(|| "removes = true".to_owned()));
    lines
}
