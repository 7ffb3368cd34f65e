//! Checks of one route: its parts must fit together.

use http::Method;

use crate::config::{Origin, Place, RouteConfig};
use crate::domain::nouns::Organization;
use crate::finding::Finding;
use crate::gateway::route::pattern::Segment;
use crate::gateway::route::{IdSource, Injection, Route};

/// Adds what does not fit together.
pub(super) fn check(origin: &Origin, config: &RouteConfig, route: &Route, found: &mut Vec<Finding>) {
    let mut fail = |message: String, help: &str| {
        found.push(origin.error(config.pattern.span(), message).with_help(help));
    };
    for complaint in [public, decided, body, batch, effects, injected, messages] {
        if let Some((message, help)) = complaint(config, route) {
            fail(message, help);
        }
    }
}

type Complaint = Option<(String, &'static str)>;

fn complain(route: &Route, what: &str, help: &'static str) -> Complaint {
    Some((format!("`{}` {what}", route.pattern()), help))
}

fn public(config: &RouteConfig, route: &Route) -> Complaint {
    if !config.public {
        return None;
    }
    let decided = config.action.is_some() || config.resource.is_some() || config.filter.is_some();
    let effects = config.creates.is_some() || config.removes || config.per_item || !config.message.is_empty();
    let changed = !config.drop.is_empty() || !config.refuse.is_empty() || !config.redact.is_empty();
    if decided || effects || changed || !config.context.is_empty() {
        return complain(
            route,
            "is public and decided",
            "leave out `public`, or all but `match`, `when` and `inject`",
        );
    }
    if matches!(route.pattern.segments().first(), Some(Segment::Param(_))) {
        return complain(route, "makes any first segment public", "name the public paths one by one");
    }
    None
}

fn decided(config: &RouteConfig, route: &Route) -> Complaint {
    let asked = config.action.is_some() || config.resource.is_some() || config.filter.is_some();
    if config.public || asked {
        return None;
    }
    complain(route, "decides nothing", "add `action` and `resource`, or `filter`; or `public = true`")
}

fn body(_: &RouteConfig, route: &Route) -> Complaint {
    let method = route.method();
    let bodiless = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    (bodiless && route.reads_body()).then(|| {
        complain(route, "reads a body that such a request does not have", "use path, query or header")
    })?
}

fn batch(config: &RouteConfig, route: &Route) -> Complaint {
    let resources = route.rule().map_or(&[][..], |rule| &rule.resources);
    let single = matches!(resources, [one] if one.id.has_each());
    if config.per_item && !single {
        return complain(
            route,
            "has no batch to answer item by item",
            "give it one resource with `body:/…/*`",
        );
    }
    None
}

fn effects(config: &RouteConfig, route: &Route) -> Complaint {
    let ruled = config.action.is_some();
    if config.creates.is_some() && config.removes {
        return complain(route, "both creates and removes", "leave one of them out");
    }
    if (config.creates.is_some() || config.removes) && !ruled {
        return complain(route, "changes the store undecided", "add `action` and `resource`");
    }
    let resources = route.rule().map_or(&[][..], |rule| &rule.resources);
    let single = matches!(resources, [one] if !one.id.has_each() && *one.kind == *Organization::KIND);
    if route.creates().is_some() && ruled && !single {
        return complain(
            route,
            "creates a device in no single organization",
            "give it one `Organization` as resource",
        );
    }
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(route.method());
    if (config.creates.is_some() || config.removes) && reads {
        return complain(route, "changes the store by a request that only reads", "use POST, PUT or DELETE");
    }
    if config.filter.is_some() && ![Method::GET, Method::HEAD, Method::POST].contains(route.method()) {
        return complain(route, "filters the answer of a change", "use `filter` with GET or POST");
    }
    if config.filter.is_some() && (config.creates.is_some() || config.removes || config.per_item) {
        return complain(route, "filters the answer of a change", "leave out `filter`");
    }
    None
}

fn injected(config: &RouteConfig, route: &Route) -> Complaint {
    let secret = route.inject().iter().any(|(_, what)| matches!(what, Injection::DeviceSecret(_)));
    let resources = route.rule().map_or(&[][..], |rule| &rule.resources);
    let single = matches!(resources, [one] if !one.id.has_each());
    if secret && !single {
        return complain(route, "injects the secret of no single device", "give it exactly one resource");
    }
    if secret && !config.message.is_empty() {
        return complain(route, "injects a secret into a socket", "inject it where the answer can be read");
    }
    let read = |place: &Place| {
        route.sources().any(|source| match (source, place) {
            (IdSource::Query(name), Place::Query(written)) => **name == **written,
            (IdSource::Header(name), Place::Header(written)) => name.as_str() == written,
            _ => false,
        })
    };
    if route.inject().iter().any(|(place, _)| read(place)) {
        return complain(route, "overwrites what it decides on", "inject under another name");
    }
    None
}

fn messages(config: &RouteConfig, route: &Route) -> Complaint {
    if config.message.is_empty() {
        return None;
    }
    if *route.method() != Method::GET {
        return complain(route, "has messages, but a socket is opened by GET", "use `match = \"GET …\"`");
    }
    if !config.public && config.action.is_none() {
        return complain(route, "opens a socket undecided", "add `action` and `resource`");
    }
    None
}
