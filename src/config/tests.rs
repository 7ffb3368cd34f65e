//! Tests of the whole tree: the example, and a bad file for each rule with its caret.

use super::*;

const MINIMAL: &str = "[upstream]\nurl = \"http://127.0.0.1:9000\"\n";
const EXAMPLE: &str = include_str!("../../cedargate.example.toml");

fn parse(text: &str) -> Result<Config, Vec<Finding>> {
    Config::parse("cedargate.toml", text, &|name| (name == "SET").then(|| "value".to_owned()))
}

fn parsed(text: &str) -> Config {
    parse(text)
        .unwrap_or_else(|found| panic!("{}", found.iter().map(|it| it.render(false)).collect::<String>()))
}

/// Lines that begin with `#` and no space are settings without a default, or examples.
fn uncommented() -> String {
    EXAMPLE
        .lines()
        .map(|line| line.strip_prefix('#').filter(|it| !it.starts_with(' ')).unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn the_example_shows_the_defaults() {
    let (example, minimal) = (parsed(EXAMPLE), parsed(MINIMAL));
    assert_eq!(example.gateway, minimal.gateway);
    assert_eq!(example.control, minimal.control);
    assert_eq!(example.upstream, minimal.upstream);
    assert_eq!(example.sharing, minimal.sharing);
    assert_eq!(example.plans, minimal.plans);
    assert_eq!(example.mail, minimal.mail);
    assert_eq!(example.secrets, minimal.secrets);
    assert_eq!(example.policies, minimal.policies);
    assert_eq!(example.entities, minimal.entities);
    assert_eq!(example.store, minimal.store);
    assert_eq!(example.authentication, minimal.authentication);
    assert_eq!(example.records, minimal.records);
    assert_eq!(example.cache, minimal.cache);
    assert_eq!(example.limits, minimal.limits);
    assert_eq!(example.routes, minimal.routes);
}

#[test]
fn the_examples_comments_are_a_configuration_too() {
    let text = uncommented().replace("${ISSUER}", "https://login.example.com");
    let config = parsed(&text);
    assert_eq!(config.authentication.jwt.len(), 1);
    assert_eq!(config.authentication.api_key, Some(ApiKeyConfig::default()));
    crate::gateway::route::Routes::compile(&config.origin, &config.routes, None).unwrap();
}

/// The message for an unknown key lists the known ones; each must stand in the example.
#[test]
fn the_example_shows_every_key() {
    let tables = [
        "gateway",
        "control",
        "upstream",
        "sharing",
        "mail",
        "secrets",
        "policies",
        "entities",
        "store",
        "authentication",
    ];
    let tables = tables.into_iter().chain(["records", "cache", "limits"]).map(|table| format!("[{table}]"));
    let nested =
        ["[[authentication.jwt]]", "[authentication.api_key]", "[[route]]", "[[route]]\n[[route.message]]"];
    let text = uncommented();
    for table in tables.chain(nested.map(str::to_owned)) {
        let found = parse(&format!("{table}\nzzz = 1\n")).unwrap_err();
        assert_eq!(found[0].message, "unknown key `zzz`", "{table}");
        for key in found[0].help.as_ref().unwrap().split('`').skip(1).step_by(2) {
            let shown = [
                format!("\n{key} = "),
                format!("\n# {key} = "),
                format!("authentication.{key}]"),
                format!("route.{key}]"),
            ];
            assert!(shown.iter().any(|it| text.contains(it.as_str())), "{table} {key} is not in the example");
        }
    }
}

/// A bad file, the text under its caret, and a part of the message.
fn refused(text: &str, caret: &str, message: &str) {
    let found = parse(text).expect_err(text);
    let [one] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(&one.source[one.span.clone().unwrap()], caret, "{}", one.render(false));
    assert!(one.message.contains(message), "`{}` is not: {message}", one.message);
}

#[test]
fn a_bad_setting_is_refused_at_its_place() {
    let with = |more: &str| format!("{MINIMAL}{more}");
    refused(&with("[gateway]\nlisten = \"8080\""), "\"8080\"", "not an address");
    refused(&with("[gateway]\nworkers = \"2\""), "\"2\"", "not a whole number");
    refused(&with("[gateway]\nworkers = -1"), "-1", "below zero");
    refused(&with("[gateway]\nlisen = \"a\""), "lisen", "unknown key `lisen`");
    refused(&with("[gatewy]\nlisten = \"a\""), "gatewy", "unknown table `gatewy`");
    refused(&with("[gateway]\nheader_timeout = \"10\""), "\"10\"", "is not a time");
    refused(&with("[gateway]\nheader_timeout = \"0s\""), "\"0s\"", "shortest time");
    refused(&with("[gateway]\nbody_timeout = \"2days\""), "\"2days\"", "too long");
    refused(&with("[gateway]\nbody_max = \"1MB\""), "\"1MB\"", "is not a size");
    refused(&with("[gateway]\nbody_max = \"2GiB\""), "\"2GiB\"", "out of range");
    refused(&with("[limits]\nbatch_ids_max = 1000000"), "1000000", "out of range");
    refused(&with("[store]\nurl = \"mysql://a:b@c\""), "\"mysql://a:b@c\"", "not a store");
    refused(&with("[records]\noverflow = \"drop\""), "\"drop\"", "unknown value `drop`");
    refused(&with("[control]\nlisten = \"127.0.0.1:8080\""), "\"127.0.0.1:8080\"", "gateway's address");
    refused(&with("[authentication]\nprincipal = { type = \"a b\" }"), "\"a b\"", "entity type");
    refused(&with("[authentication.api_key]\nheader = \"X_Key\""), "\"X_Key\"", "ambiguous");
    refused(
        &with("[authentication.api_key]\nheader = \"x-auth-subject\""),
        "\"x-auth-subject\"",
        "identity header",
    );
    refused(&format!("route = 1\n{MINIMAL}"), "1", "`route` is a list");
    refused("", "", "no `[upstream]`");
    refused("[upstream]\nurl = \"http://u:p@a\"", "\"http://u:p@a\"", "no user or password");
    refused("[upstream]\nurl = \"http://a/b\"", "\"http://a/b\"", "no path");
    refused("[upstream", "", "");
}

#[test]
fn a_token_without_issuer_or_audience_is_never_believed() {
    let jwt = |rest: &str| format!("{MINIMAL}[[authentication.jwt]]\n{rest}");
    refused(&jwt("issuer = \"https://a\""), "[[authentication.jwt]]", "`audience` is missing");
    refused(&jwt("audience = \"a\""), "[[authentication.jwt]]", "`issuer` is missing");
    refused(&jwt("issuer = \"https://a\"\naudience = \"\""), "\"\"", "audience is empty");
    refused(&jwt("issuer = \"https://a\"\naudience = []"), "[]", "audience is empty");
    refused(&jwt("issuer = \" \"\naudience = \"a\""), "\" \"", "issuer is empty");
    refused(&jwt("issuer = \"me\"\naudience = \"a\""), "\"me\"", "cannot be discovered");
    let two = "issuer = \"https://a\"\naudience = \"a\"\njwks_url = \"https://a/k\"\njwks_file = \"k\"";
    refused(&jwt(two), "\"https://a\"", "two sources");
}

#[test]
fn contradictions_about_the_upstream_are_refused() {
    let with = |more: &str| format!("{MINIMAL}{more}");
    refused(&with("headers = [\"x-auth-subject\"]"), "\"x-auth-subject\"", "identity header");
    refused(&with("headers = [\"X-Forwarded-For\"]"), "\"X-Forwarded-For\"", "another one");
    refused(&with("headers = [\"X-HTTP-Method-Override\"]"), "\"X-HTTP-Method-Override\"", "another one");
    refused(&with("headers = [\"Connection\"]"), "[\"Connection\"]", "belongs to the connection");
    refused(&with("headers = [\"X-A\"]\ninject = { \"header:X-A\" = \"b\" }"), "\"X-A\"", "injects it");
    let identity = "identity_header = \"X-A\"\ninject = { \"header:X-A\" = \"b\" }";
    refused(&with(identity), "\"X-A\"", "injected too");
    let route = "[[route]]\nmatch = \"GET /\"\npublic = true\ninject = { \"header:X-Auth-Subject\" = \"a\" }";
    refused(&with(route), "\"header:X-Auth-Subject\"", "identity header");
    let keep = "credentials = \"keep\"\ninject = { \"header:Authorization\" = \"b\" }";
    refused(&with(keep), "\"keep\"", "would meet");
    refused(&with("host = \"a b\""), "\"a b\"", "not a host");
}

#[test]
fn every_mistake_is_found_at_once() {
    let found =
        parse("[gateway]\nworkers = -1\n[store]\nurl = \"x\"\n[[route]]\nmatch = 1\n[[route]]\na = 1")
            .unwrap_err();
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn the_environment_fills_strings_and_adds_no_keys() {
    let env = |name: &str| (name == "T").then(|| "a\"\nidentity_header = \"x".to_owned());
    let text = format!("{MINIMAL}[control]\noperator_token = \"${{T}}\"\n");
    let config = Config::parse("a", &text, &env).unwrap();
    assert_eq!(config.control.operator_token.reveal(), "a\"\nidentity_header = \"x");
    assert!(!format!("{config:?}").contains("identity_header = \\\"x"));
    refused(&text, "${T}", "no variable `T`");
    assert!(
        parsed(&format!("{MINIMAL}inject = {{ \"header:A\" = \"${{NO:-}}\" }}")).upstream.inject.is_empty()
    );
}

#[test]
fn paths_start_at_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, MINIMAL).unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.policies.dir, folder.path().join("policies"));
    assert_eq!(
        config.store.url.reveal(),
        format!("sqlite://{}", folder.path().join("cedargate.db").display())
    );
    let found = Config::load(&folder.path().join("none.toml")).unwrap_err();
    assert!(found[0].message.contains("cannot be read"));
}
