//! Finding devices: by their words and their owners', in order, page by page, and never what may not be seen.

use cedargate::domain::Change;
use cedargate::domain::nouns::Device;
use cedargate::sharing::Limits;
use serde_json::{Value, json};

use super::bench::{ANONYMOUS, Bench, OPERATOR, OUTSIDER, STRANGER};
use crate::pack::uid;
use crate::support::postgres::Cluster;

const ALL: &str = "/api/v1/devices";

/// The names of what is found, page by page of two.
async fn names(bench: &Bench, who: &str, query: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = bench.done(who, "GET", &format!("{ALL}?limit=2&{query}{cursor}"), Value::Null).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2, "{page}");
        found.extend(items.iter().map(|it| it["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            None => return found,
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
}

async fn describe(bench: &Bench, device: &str, body: Value) {
    bench.done("dad", "PATCH", &format!("{ALL}/{device}"), body).await;
}

#[tokio::test]
async fn devices_are_found_by_name_tag_metadata_and_owner() {
    finds_everything(Bench::start().await).await;
}

#[tokio::test]
async fn devices_are_found_in_postgresql_too() {
    let cluster = Cluster::start();
    finds_everything(Bench::over(&cluster.database("search"), Limits::default()).await).await;
}

async fn finds_everything(bench: Bench) {
    describe(&bench, "lamp", json!({ "tags": ["ground floor"], "metadata": { "serial": "SN:4711-A" } }))
        .await;
    for (query, expected) in [
        ("query=lamp", vec!["Desk lamp", "Guest room lamp", "Hall lamp", "Spare lamp, owned by nobody"]),
        ("query=LAM%20hal", vec!["Hall lamp"]),
        ("query=amp", vec![]),
        ("query=outside", vec!["Garage door"]),
        ("query=ground", vec!["Hall lamp"]),
        ("query=sn:4711", vec!["Hall lamp"]),
        ("query=4711", vec!["Hall lamp"]),
        ("query=wife", vec!["Garage door"]),
        ("query=wife@exam", vec!["Garage door"]),
        ("query=wife%20garage", vec!["Garage door"]),
        ("query=wife%20lamp", vec![]),
        (
            "query=lamp&sort=-name",
            vec!["Spare lamp, owned by nobody", "Hall lamp", "Guest room lamp", "Desk lamp"],
        ),
    ] {
        assert_eq!(names(&bench, "dad", query).await, expected, "{query}");
    }
    assert_eq!(names(&bench, "dad", "").await.len(), 7);
    assert_eq!(names(&bench, OPERATOR, "organization=home").await.len(), 7);
    describe(&bench, "lamp", json!({ "name": "Stair light", "tags": [] })).await;
    assert_eq!(names(&bench, "dad", "query=ground").await, [""; 0], "what is gone is not found");
    assert_eq!(names(&bench, "dad", "query=stair").await, ["Stair light"]);
    bench.done("dad", "DELETE", &format!("{ALL}/lamp"), Value::Null).await;
    assert_eq!(names(&bench, "dad", "query=stair").await, [""; 0]);
}

#[tokio::test]
async fn nobody_finds_what_he_may_not_see() {
    let bench = Bench::start().await;
    assert_eq!(names(&bench, "wife", "").await, ["Garage door"]);
    assert_eq!(names(&bench, "wife", "query=lamp").await, [""; 0]);
    assert_eq!(names(&bench, "visitor", "").await, [""; 0], "an empty list, and no error");
    // The caretaker sees the villa's devices, and may not see who its people are.
    assert_eq!(names(&bench, "villa-caretaker", "query=drinking").await, ["Drinking machine"]);
    assert_eq!(names(&bench, "villa-caretaker", "query=villa-dad@example.com").await, [""; 0]);
    assert_eq!(names(&bench, "villa-dad", "query=villa-dad@example.com").await, ["Drinking machine"]);
    bench
        .expect(&[
            (ANONYMOUS, "GET", ALL, Value::Null, 401, "unauthenticated"),
            (STRANGER, "GET", ALL, Value::Null, 401, "unauthenticated"),
            (OUTSIDER, "GET", "/api/v1/devices?organization=home", Value::Null, 404, "no-such-resource"),
            ("wife", "GET", "/api/v1/devices?organization=villa", Value::Null, 404, "no-such-resource"),
            ("villa-wife", "GET", "/api/v1/devices?organization=villa", Value::Null, 404, "no-such-resource"),
            (OPERATOR, "GET", ALL, Value::Null, 400, "malformed-request"),
            ("dad", "GET", "/api/v1/devices?query=a&sort=owner", Value::Null, 400, "malformed-request"),
            ("dad", "GET", "/api/v1/devices?query=a&cursor=AAAA", Value::Null, 400, "malformed-request"),
            (
                "dad",
                "GET",
                &format!("{ALL}?query={}", "a".repeat(256)),
                Value::Null,
                400,
                "malformed-request",
            ),
            ("dad", "GET", "/api/v1/devices?query=a%20b%20c%20d%20e%20f%20g%20h%20i", Value::Null, 400, ""),
        ])
        .await;
}

#[tokio::test]
async fn a_search_covers_the_own_organization_or_those_below_too() {
    let bench = Bench::start().await;
    assert_eq!(names(&bench, "villa-dad", "").await, ["Drinking machine"]);
    let all = ["Drinking machine", "Fence, owned by somebody of the villa", "Garage door"];
    assert_eq!(names(&bench, "villa-dad", "scope=all").await, all);
    assert_eq!(names(&bench, "villa-dad", "scope=all&query=villa-wife").await, ["Garage door"]);
    assert_eq!(names(&bench, "villa-dad", "organization=villa-family&query=garage").await, ["Garage door"]);
    // An owner may sit above: the fence is the caretaker's.
    assert_eq!(
        names(&bench, "villa-dad", "organization=villa-family&query=caretaker").await,
        ["Fence, owned by somebody of the villa"]
    );
    assert_eq!(
        names(&bench, "villa-caretaker", "scope=all").await,
        ["Drinking machine"],
        "without ORG_SWITCH"
    );
    assert_eq!(names(&bench, "villa-wife", "scope=all").await.len(), 2);
}

/// More than what is looked up at once, and more than one page looks at.
#[tokio::test]
async fn many_devices_are_found_in_bounded_pages() {
    let bench = Bench::start().await;
    let made = |n: usize, name: String| {
        Device::new(uid("Device", &format!("many-{n:05}")), uid("Organization", "home"), name).write()
    };
    for batch in (0..6_000).collect::<Vec<usize>>().chunks(1_000) {
        let changes = batch.iter().map(|n| Change::Put(made(*n, format!("Sensor {n:05}")))).collect();
        bench.store.apply(changes, None).await.unwrap();
    }
    bench.store.apply(vec![Change::Put(made(6_000, "Sensor 05999 zebra".to_owned()))], None).await.unwrap();
    assert_eq!(names(&bench, "dad", "query=zebra").await, ["Sensor 05999 zebra"], "at once");
    let page = bench.done("dad", "GET", &format!("{ALL}?query=sensor&limit=200"), Value::Null).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 200);
    // Nothing fits, and everything would have to be looked at: each page is short and says so.
    let (mut cursor, mut pages, mut found) = (String::new(), 0, 0);
    loop {
        let path = format!("{ALL}?query=sensor%200&limit=200&sort=-name{cursor}");
        let page = bench.done("wife", "GET", &path, Value::Null).await;
        (pages, found) = (pages + 1, found + page["items"].as_array().unwrap().len());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(found == 0 && pages > 1, "{found} in {pages} pages");
}

#[tokio::test]
async fn organizations_are_found_among_the_own_one_and_those_below() {
    let bench = Bench::start().await;
    let found = async |who: &str, query: &str| bench.ids(who, &format!("/api/v1/organizations{query}")).await;
    let search = async |who: &str, query: &str| {
        let answer = bench.done(who, "GET", &format!("/api/v1/organizations?{query}"), Value::Null).await;
        let items = answer["items"].as_array().unwrap();
        items.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for name in ["Annex", "Tower"] {
        let body = json!({ "parent": "villa", "name": name });
        bench.done("villa-dad", "POST", "/api/v1/organizations", body).await;
    }
    assert_eq!(found("villa-dad", "").await.len(), 4, "page by page");
    assert_eq!(search("villa-dad", "query=FAM").await, ["villa-family"]);
    assert_eq!(search("villa-dad", "query=villa&sort=-name").await, ["villa-family", "villa"]);
    assert_eq!(search("villa-dad", "query=home").await, [""; 0]);
    assert_eq!(search("villa-wife", "").await, ["villa-family"], "nobody looks up");
    assert_eq!(search("wife", "").await, ["home"]);
    bench
        .expect(&[
            ("wife", "GET", "/api/v1/organizations?organization=villa", Value::Null, 404, "no-such-resource"),
            ("villa-wife", "GET", "/api/v1/organizations?organization=villa", Value::Null, 404, ""),
            (OPERATOR, "GET", "/api/v1/organizations", Value::Null, 400, "malformed-request"),
            (OPERATOR, "GET", "/api/v1/organizations?organization=villa", Value::Null, 200, ""),
        ])
        .await;
}
