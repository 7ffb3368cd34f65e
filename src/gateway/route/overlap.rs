//! Checks of the map as a whole: every route can be reached, and no path has two meanings.

use http::Method;

use crate::config::{Origin, RouteConfig};
use crate::finding::Finding;
use crate::gateway::route::{Condition, Route};

/// A route with its place in the file.
struct Placed<'r> {
    route: &'r Route,
    config: &'r RouteConfig,
}

/// Checks each route against those before it.
pub(super) fn check(origin: &Origin, configs: &[RouteConfig], routes: &[Option<Route>]) -> Vec<Finding> {
    let placed: Vec<_> = routes
        .iter()
        .zip(configs)
        .filter_map(|(route, config)| Some(Placed { route: route.as_ref()?, config }))
        .collect();
    let pairs =
        placed.iter().enumerate().flat_map(|(at, later)| placed.iter().take(at).map(move |it| (it, later)));
    let mut found: Vec<_> = pairs
        .filter_map(|(earlier, later)| {
            unreachable(origin, earlier, later)
                .or_else(|| head_apart(origin, earlier, later))
                .or_else(|| ambiguous(origin, earlier, later, &placed))
        })
        .collect();
    found.dedup_by(|a, b| a.span == b.span && a.message == b.message);
    found
}

fn line(origin: &Origin, config: &RouteConfig) -> usize {
    origin.error(config.pattern.span(), "").position().map_or(0, |(line, _)| line)
}

fn unreachable(origin: &Origin, earlier: &Placed<'_>, later: &Placed<'_>) -> Option<Finding> {
    let (a, b) = (&earlier.route.pattern, &later.route.pattern);
    if a.method() != b.method() || !a.same_shape(b) || !covers(&earlier.route.when, &later.route.when) {
        return None;
    }
    let message =
        format!("`{b}` is never reached: line {} takes every such request", line(origin, earlier.config));
    let help = "remove it, or tell the two apart with `when`, the one without `when` last";
    Some(origin.error(later.config.pattern.span(), message).with_help(help))
}

/// Whether every request for which `later` holds is one for which `earlier` holds.
fn covers(earlier: &[Condition], later: &[Condition]) -> bool {
    earlier.iter().all(|wide| {
        later.iter().any(|narrow| {
            narrow.source == wide.source && narrow.values.iter().all(|value| wide.values.contains(value))
        })
    })
}

/// HEAD must not be decided otherwise than GET (GitHub's flaw of 2018).
fn head_apart(origin: &Origin, earlier: &Placed<'_>, later: &Placed<'_>) -> Option<Finding> {
    let (a, b) = (&earlier.route.pattern, &later.route.pattern);
    let apart = a.method() != b.method() && follows(a.method(), b.method()) && a.same_shape(b);
    let head = if *a.method() == Method::HEAD { earlier } else { later };
    apart.then(|| {
        let message = format!("`{}` has a GET route already", head.route.pattern);
        origin
            .error(head.config.pattern.span(), message)
            .with_help("remove it: HEAD is decided and forwarded by the GET route")
    })
}

fn follows(a: &Method, b: &Method) -> bool {
    let fold = |method: &Method| if *method == Method::HEAD { Method::GET } else { method.clone() };
    fold(a) == fold(b)
}

fn ambiguous(
    origin: &Origin,
    earlier: &Placed<'_>,
    later: &Placed<'_>,
    all: &[Placed<'_>],
) -> Option<Finding> {
    let (a, b) = (&earlier.route.pattern, &later.route.pattern);
    if !follows(a.method(), b.method()) {
        return None;
    }
    let both = a.crossing(b)?;
    let settled = |it: &Placed<'_>| {
        let pattern = &it.route.pattern;
        [a.method(), b.method()].contains(&pattern.method()) && pattern.same_shape(&both)
    };
    if all.iter().any(settled) {
        return None;
    }
    let message = format!("`{b}` and line {} both match `{both}`", line(origin, earlier.config));
    let help = format!("add a route `{both}` that says what is meant, or make one of the two more exact");
    Some(origin.error(later.config.pattern.span(), message).with_help(help))
}
