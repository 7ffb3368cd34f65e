//! What was lent is lent on where the grant says so: once, within what was lent, in the granter's name.

use serde_json::{Value, json};

use super::bench::Bench;

const ALL: &str = "/api/v1/grants";
const SOON: &str = "2099-01-01T00:00:00Z";
const LATER: &str = "2099-02-01T00:00:00Z";

/// Until soon, with what `more` says.
fn lend(email: &str, more: &Value) -> Value {
    let mut body = json!({ "device": "garage", "emails": [format!("{email}@example.com")], "until": SOON });
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

async fn taken(bench: &Bench, who: &str, by: &str, more: &Value) -> String {
    let made = bench.done(who, "POST", ALL, lend(by, more)).await;
    let path = format!("{ALL}/{}", made["items"][0]["id"].as_str().unwrap());
    bench.done(by, "POST", &format!("{path}/accept"), Value::Null).await;
    path
}

#[tokio::test]
async fn only_what_may_be_lent_on_and_no_more_of_it() {
    let bench = Bench::start().await;
    let on = |more: Value| {
        let mut more = more;
        more["lend_on"] = true.into();
        lend("cabin-dad", &more)
    };
    bench.expect(&[("cabin-wife", "POST", ALL, on(json!({})), 404, "no-such-resource")]).await;
    taken(&bench, "wife", "cabin-wife", &json!({})).await;
    bench.expect(&[("cabin-wife", "POST", ALL, on(json!({})), 403, "forbidden")]).await;
    let terms = json!({ "may_lend_on": true });
    let first = taken(&bench, "wife", "cabin-wife", &terms).await;
    let mut endless = on(json!({}));
    endless.as_object_mut().unwrap().remove("until");
    let mut elsewhere = on(json!({}));
    elsewhere["device"] = "lamp".into();
    bench
        .expect(&[
            ("cabin-wife", "POST", ALL, lend("cabin-dad", &json!({})), 403, "forbidden"),
            ("cabin-wife", "POST", ALL, on(json!({ "control": true })), 403, "forbidden"),
            ("cabin-wife", "POST", ALL, on(json!({ "until": LATER })), 403, "forbidden"),
            ("cabin-wife", "POST", ALL, endless, 403, "forbidden"),
            ("cabin-wife", "POST", ALL, on(json!({ "may_lend_on": true })), 403, "forbidden"),
            ("cabin-wife", "POST", ALL, elsewhere, 404, "no-such-resource"),
            ("cabin-wife", "POST", ALL, lend("wife", &json!({ "lend_on": true })), 400, "own-device"),
            ("wife", "POST", ALL, lend("son", &json!({ "lend_on": true })), 400, "not-lent"),
            ("wife", "POST", ALL, lend("son", &json!({})), 201, ""),
            ("cabin-wife", "POST", ALL, lend("son", &json!({ "lend_on": true })), 400, "lent-already"),
        ])
        .await;
    let made = bench.done("cabin-wife", "POST", ALL, on(json!({}))).await["items"][0].clone();
    let parties = ["grantee", "granter", "lent_on_by"].map(|it| made[it].as_str().unwrap().to_owned());
    assert_eq!(parties, ["cabin-dad", "wife", "cabin-wife"]);
    let second = format!("{ALL}/{}", made["id"].as_str().unwrap());
    assert!(!bench.may("cabin-dad", "view", "garage").await);
    bench.done("cabin-dad", "POST", &format!("{second}/accept"), Value::Null).await;
    assert!(
        bench.may("cabin-dad", "view", "garage").await && !bench.may("cabin-dad", "control", "garage").await
    );
    let third = lend("villa-dad", &json!({ "lend_on": true }));
    bench.expect(&[("cabin-dad", "POST", ALL, third, 403, "forbidden")]).await;
    bench.done("cabin-wife", "DELETE", &second, Value::Null).await;
    assert!(
        !bench.may("cabin-dad", "view", "garage").await && bench.may("cabin-wife", "view", "garage").await
    );
    bench.expect(&[("cabin-dad", "DELETE", &first, Value::Null, 404, "no-such-resource")]).await;
}

#[tokio::test]
async fn it_ends_with_what_it_came_from_and_does_not_come_back() {
    let bench = Bench::start().await;
    let terms = json!({ "may_lend_on": true });
    let first = taken(&bench, "wife", "cabin-wife", &terms).await;
    let second = taken(&bench, "cabin-wife", "cabin-dad", &json!({ "lend_on": true })).await;
    assert!(bench.may("cabin-dad", "view", "garage").await);
    bench.done("wife", "DELETE", &first, Value::Null).await;
    assert!(!bench.may("cabin-dad", "view", "garage").await);
    taken(&bench, "wife", "cabin-wife", &terms).await;
    assert!(!bench.may("cabin-dad", "view", "garage").await);
    assert_eq!(bench.done("cabin-dad", "GET", &second, Value::Null).await["status"], "revoked");
    // Whoever lent it on may do so anew, and takes it along when the account goes.
    taken(&bench, "cabin-wife", "cabin-dad", &json!({ "lend_on": true })).await;
    assert!(bench.may("cabin-dad", "view", "garage").await);
    bench.done("cabin-dad", "POST", "/api/v1/users/cabin-wife/suspend", Value::Null).await;
    assert!(!bench.may("cabin-dad", "view", "garage").await);
    bench.done("cabin-dad", "POST", "/api/v1/users/cabin-wife/activate", Value::Null).await;
    assert!(bench.may("cabin-dad", "view", "garage").await);
    bench.done("cabin-dad", "DELETE", "/api/v1/users/cabin-wife", Value::Null).await;
    assert!(!bench.may("cabin-dad", "view", "garage").await);
    assert_eq!(bench.done("cabin-dad", "GET", &second, Value::Null).await["status"], "revoked");
}
