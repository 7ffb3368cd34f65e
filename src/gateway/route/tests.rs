//! Tests of the compiled map: the matcher against a naive one, and a bad map for each check.

use proptest::prelude::*;

use super::*;
use crate::config::Config;

fn config(routes: &str) -> Config {
    let text = format!("[upstream]\nurl = \"http://127.0.0.1:9000\"\n{routes}");
    Config::parse("a.toml", &text, &|_| None).unwrap_or_else(|found| panic!("{found:#?}"))
}

fn compile(routes: &str) -> Result<Routes, Vec<Finding>> {
    let config = config(routes);
    Routes::compile(&config.origin, &config.routes, None)
}

fn compiled(routes: &str) -> Routes {
    compile(routes).unwrap_or_else(|found| panic!("{found:#?}"))
}

const VIEW: &str = "action = \"view\"\nresource = { type = \"Device\", id = \"query:id\" }";

/// A decided route for each pattern, or none if the map is refused.
fn map(patterns: &[String]) -> Result<Routes, Vec<Finding>> {
    compile(&patterns.iter().map(|it| format!("[[route]]\nmatch = \"{it}\"\n{VIEW}\n")).collect::<String>())
}

/// The first pattern that is more exact than every other that matches; slow and plain.
fn naive(patterns: &[String], method: &str, segments: &[String]) -> Option<String> {
    let parts = |pattern: &str| -> (String, Vec<String>) {
        let (method, path) = pattern.split_once(" /").unwrap();
        let path = path.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        (method.to_owned(), path)
    };
    let literals = |pattern: &&String| parts(pattern).1.iter().filter(|it| !it.starts_with('{')).count();
    let fits = |pattern: &&String| {
        let (of, path) = parts(pattern);
        let method = of == method || (method == "HEAD" && of == "GET");
        let equal = |(a, b): (&String, &String)| a.starts_with('{') || a == b;
        method && path.len() == segments.len() && path.iter().zip(segments).all(equal)
    };
    patterns.iter().filter(fits).max_by_key(literals).cloned()
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "{}", "{}"]);
    let method = prop::sample::select(vec!["GET", "HEAD", "POST"]);
    (method, prop::collection::vec(segment, 0..4)).prop_map(|(method, segments)| {
        let name = |(at, segment): (usize, &&str)| segment.replace("{}", &format!("{{p{at}}}"));
        let path: Vec<_> = segments.iter().enumerate().map(name).collect();
        format!("{method} /{}", path.join("/"))
    })
}

proptest! {
    #[test]
    fn find_agrees_with_a_naive_matcher(
        patterns in prop::collection::vec(pattern(), 1..7),
        requests in prop::collection::vec(
            (prop::sample::select(vec!["GET", "HEAD", "POST", "PUT"]), prop::collection::vec("[abc]", 0..4)), 20),
    ) {
        let Ok(routes) = map(&patterns) else { return Ok(()) };
        for (method, segments) in requests {
            let found = routes.find(&method.parse().unwrap(), &segments);
            let found = found.map(|it| it.candidates[0].pattern().to_string());
            prop_assert_eq!(found, naive(&patterns, method, &segments), "{} {:?}", method, segments);
        }
    }

    #[test]
    fn compiling_never_panics(pattern in "(GET|POST|X)? ?/?([a-z{}/.*]|é){0,12}", id in "(path|body|query|header|principal)?[:.]?.{0,8}") {
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let routes = format!(
            "[[route]]\nmatch = {}\naction = \"view\"\nresource = {{ type = \"Device\", id = {} }}", quote(&pattern), quote(&id));
        let text = format!("[upstream]\nurl = \"http://127.0.0.1:9000\"\n{routes}");
        if let Ok(config) = Config::parse("a.toml", &text, &|_| None) {
            let _ = Routes::compile(&config.origin, &config.routes, None).map_err(|found| {
                found.iter().map(|it| it.render(false)).collect::<String>()
            });
        }
    }
}

#[test]
fn paths_are_compared_whole_and_exactly() {
    let routes = compiled(
        "[[route]]\nmatch = \"GET /\"\npublic = true\n[[route]]\nmatch = \"GET /d/{x}\"\npublic = true",
    );
    let find = |segments: &[&str]| routes.find(&Method::GET, segments).is_some();
    assert!(find(&[]) && find(&["d", "1"]));
    for miss in [&["d"][..], &["D", "1"], &["d", "1", ""], &["d", ""], &[""], &["d", "1", "2"]] {
        assert!(!find(miss), "{miss:?}");
    }
    assert_eq!(routes.methods(&["d", "1"]), vec![Method::GET]);
    assert!(routes.find(&Method::POST, &["d", "1"]).is_none());
}

/// The contract's own map.
const CONTRACT: &str = include_str!("tests/contract.toml");

#[test]
fn the_contracts_map_compiles() {
    let routes = compiled(CONTRACT);
    let found = routes.find(&Method::POST, &["api", "printer", "p1"]).unwrap();
    let [printer] = found.candidates else { panic!("{found:?}") };
    assert!(printer.when()[0].holds(&"jog".into()) && !printer.when()[0].holds(&"off".into()));
    assert!(printer.reads_body());
    let stream = routes.find(&Method::GET, &["api", "v1", "devices", "d", "stream"]).unwrap();
    let messages = stream.candidates[0].messages();
    assert_eq!(messages.rules[0].rule.as_ref().unwrap().resources[0].kind.as_ref(), "Device");
    assert!(!messages.pass);
    let names: Vec<&str> = routes.known_id_names().iter().map(|name| &**name).collect();
    assert_eq!(names, ["device", "deviceid", "id", "ids"]);
    assert_eq!(routes.all().len(), 11);
}

#[test]
fn names_are_folded_as_upstreams_confuse_them() {
    for name in ["deviceId", "device_id", "Device-ID", "deviceid[]"] {
        assert_eq!(fold_name(name), "deviceid");
    }
}

#[test]
fn conditions_are_tried_in_the_order_of_the_file() {
    let route = |when: &str| format!("[[route]]\nmatch = \"POST /p\"\n{when}\n{VIEW}\n");
    let a = route("when = { \"body:/a\" = [\"x\", 1, true] }");
    let routes = compiled(&format!("{a}{}{}", route("when = { \"query:b\" = \"y\" }"), route("")));
    assert_eq!(routes.find(&Method::POST, &["p"]).unwrap().candidates.len(), 3);
    let narrower = route("when = { \"body:/a\" = \"x\", \"query:b\" = \"y\" }");
    let found = compile(&format!("{a}{narrower}")).unwrap_err();
    assert!(found[0].message.contains("never reached: line 4"), "{found:?}");
}

/// A bad map, the text under its caret, and a part of the message.
fn refused(routes: &str, caret: &str, message: &str) {
    let found = compile(routes).expect_err(routes);
    let [one] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(&one.source[one.span.clone().unwrap()], caret, "{}", one.render(false));
    assert!(one.message.contains(message), "{} is not: {message}", one.message);
    assert!(one.help.as_ref().is_some_and(|help| !help.is_empty()), "no help: {one:?}");
}

#[test]
fn a_bad_part_is_refused_at_its_place() {
    let id = |id: &str| {
        format!(
            "[[route]]\nmatch = \"POST /d/{{d}}\"\naction = \"view\"\nresource = {{ type = \"Device\", id = \"{id}\" }}"
        )
    };
    refused("[[route]]\nmatch = \"GET d\"\npublic = true", "\"GET d\"", "does not begin with `/`");
    refused("[[route]]\nmatch = \"/d\"\npublic = true", "\"/d\"", "names no method");
    refused(&id("path:x"), "\"path:x\"", "has no `{x}`");
    refused(&id("response:/id"), "\"response:/id\"", "not known before");
    refused(&id("body:"), "\"body:\"", "not a JSON pointer");
    refused(&id("header:X_A"), "\"header:X_A\"", "not a header");
    refused(&id("cookie:a"), "\"cookie:a\"", "not a source");
    let more = |more: &str| format!("{}\n{more}", id("path:d"));
    refused(&more("context = { a = \"body:/*\" }"), "\"body:/*\"", "several values");
    refused(&more("when = { \"body:/a\" = [] }"), "[]", "cannot have these values");
    refused(&more("when = { \"principal.a\" = \"x\" }"), "\"principal.a\"", "cannot tell");
    refused(&more("creates = { type = \"Device\", id = \"query:id\" }"), "\"query:id\"", "what was created");
    refused(&more("creates = { type = \"Pet\", id = \"response:/id\" }"), "\"Pet\"", "cannot be registered");
    let secret = "creates = { type = \"Device\", id = \"response:/id\", secrets = { t = \"body:/t\" } }";
    refused(&more(secret), "\"body:/t\"", "where a secret is");
    refused(&more("drop = [\"header:X-A\"]"), "\"header:X-A\"", "cannot be dropped");
    refused(&more("refuse = [\"path:d\"]"), "\"path:d\"", "cannot be refused");
    refused(&more("redact = [\"token\"]"), "\"token\"", "not a JSON pointer");
    refused(&more("inject = { \"cookie:a\" = \"b\" }"), "\"cookie:a\"", "not a place");
    refused(&more("inject = { \"query:a\" = \"secret:\" }"), "\"secret:\"", "not the name of a secret");
    let filter = "[[route]]\nmatch = \"GET /d\"\nfilter = { action = \"view\", type = \"Device\", items = \"devices\", id = \"/id\" }";
    refused(filter, "\"devices\"", "not a JSON pointer");
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    let route = |method: &str, rest: &str| format!("[[route]]\nmatch = \"{method} /d/{{d}}\"\n{rest}");
    let device = "resource = { type = \"Device\", id = \"path:d\" }";
    let post = "\"POST /d/{d}\"";
    refused(&route("POST", ""), post, "decides nothing");
    refused(&route("POST", "action = \"view\""), "\"view\"", "no resource");
    refused(&route("POST", device), device.strip_prefix("resource = ").unwrap(), "no action");
    refused("[[route]]\nmatch = \"GET /{x}/a\"\npublic = true", "\"GET /{x}/a\"", "first segment");
    let full = format!("action = \"view\"\n{device}");
    refused(&route("POST", &format!("{full}\npublic = true")), post, "is public and decided");
    refused(&route("POST", &format!("{full}\nper_item = true")), post, "no batch");
    let both = "removes = true\ncreates = { type = \"Device\", id = \"response:/id\" }";
    refused(&route("POST", &format!("{full}\n{both}")), post, "creates and removes");
    refused(&route("GET", &format!("{full}\nremoves = true")), "\"GET /d/{d}\"", "only reads");
    let made = "creates = { type = \"Device\", id = \"response:/id\" }";
    refused(&route("POST", &format!("{full}\n{made}")), post, "no single organization");
    let socket =
        format!("{full}\ninject = {{ \"query:t\" = \"secret:t\" }}\n[[route.message]]\naction = \"view\"");
    refused(&route("GET", &socket), "\"GET /d/{d}\"", "secret into a socket");
    let body = "action = \"view\"\nresource = { type = \"Device\", id = \"body:/id\" }";
    refused(&route("GET", body), "\"GET /d/{d}\"", "reads a body");
    let query = "action = \"view\"\nresource = { type = \"Device\", id = \"query:q\" }\ninject = { \"query:q\" = \"x\" }";
    refused(&route("POST", query), post, "overwrites");
    let many = "action = \"view\"\nresource = { type = \"Device\", id = \"body:/*\" }\ninject = { \"query:t\" = \"secret:t\" }";
    refused(&route("POST", many), post, "no single device");
    refused(&route("POST", &format!("{full}\n[[route.message]]\naction = \"view\"")), post, "opened by GET");
}

#[test]
fn maps_with_two_meanings_are_refused() {
    let map = |patterns: &[&str]| map(&patterns.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    let message = |patterns: &[&str]| map(patterns).expect_err("refused")[0].message.clone();
    assert!(message(&["GET /a/{x}", "GET /a/{y}"]).contains("never reached"));
    assert!(message(&["GET /a/{x}/c", "GET /a/b/{y}"]).contains("both match `GET /a/b/c`"));
    assert!(map(&["GET /a/{x}/c", "GET /a/b/{y}", "GET /a/b/c"]).is_ok());
    assert!(map(&["GET /a/{x}/c", "POST /a/b/{y}", "GET /a/b/{y}/d", "GET /a/b", "GET /a/{x}"]).is_ok());
    assert!(message(&["GET /a", "HEAD /a"]).contains("has a GET route already"));
    assert!(message(&["HEAD /a", "GET /a"]).contains("`HEAD /a`"));
    assert!(message(&["HEAD /a/{x}/c", "GET /a/b/{y}"]).contains("both match"));
}

#[test]
fn names_are_checked_against_the_schema() {
    let config = config(&format!("[[route]]\nmatch = \"GET /d\"\n{VIEW}"));
    let mut known = Vocabulary::default();
    let found = Routes::compile(&config.origin, &config.routes, Some(&known)).unwrap_err();
    assert_eq!(found.len(), 2, "{found:?}");
    known.actions.insert("view".into());
    known.types.insert("Device".into());
    assert!(Routes::compile(&config.origin, &config.routes, Some(&known)).is_ok());
}

#[test]
fn frames_that_no_rule_names_pass_only_when_said() {
    let stream = |rules: &str| {
        compiled(&format!("[[route]]\nmatch = \"GET /s\"\n{VIEW}\n{rules}")).all()[0].messages().clone()
    };
    let rule = "[[route.message]]\nwhen = { \"body:/t\" = \"a\" }\naction = \"control\"\n";
    assert!(!stream(rule).pass);
    assert!(stream(&format!("{rule}pass = true")).pass);
    assert!(stream(&format!("{rule}[[route.message]]\npass = true")).pass);
    let ping = stream("[[route.message]]\nwhen = { \"body:/t\" = \"ping\" }\npass = true");
    assert!(!ping.pass && ping.rules[0].rule.is_none());
}
