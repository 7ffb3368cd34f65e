//! The entities that are decided about: a chain of organizations, users at its top, devices at its end.

use cedargate::domain::{Change, Entity, Query, Uid};
use cedargate::store::Store;
use serde_json::{Map, Value as Json, json};
use sqlx::AnyConnection;
use sqlx::Connection;

/// Users, and devices that are decided about again and again.
pub(crate) const WARM: usize = 1_000;
/// Changes in one transaction.
const BATCH: usize = 1_000;

/// An entity's name.
pub(crate) fn uid(kind: &str, id: impl std::fmt::Display) -> Uid {
    Uid::new(kind, id.to_string()).unwrap()
}

/// May the user with this number see the device with that number?
pub(crate) fn view(user: usize, device: usize) -> Query {
    Query::new(uid("User", format!("u{user}")), "view", uid("Device", format!("d{device}")))
}

fn named(uid: &Uid) -> Json {
    json!({ "__entity": { "type": uid.kind(), "id": uid.id() } })
}

fn put(uid: Uid, attrs: Json, parents: impl IntoIterator<Item = Uid>) -> Change {
    let Json::Object(attrs) = attrs else { unreachable!("attributes are an object") };
    Change::Put(Entity { uid, attrs, parents: parents.into_iter().collect(), tags: Map::new() })
}

/// A chain of `depth` organizations; the users' is the first, the devices' the last.
pub(crate) async fn fill(store: &dyn Store, depth: usize) {
    let organization = |level: usize| uid("Organization", format!("o{level}"));
    let mut changes: Vec<Change> = (1..=depth)
        .map(|level| {
            let above = (level > 1).then(|| organization(level - 1));
            put(organization(level), json!({ "name": "organization" }), above)
        })
        .collect();
    let permissions =
        ["ORG_DEVICES_VIEW", "ORG_DEVICES_CONTROL", "ORG_SWITCH"].map(|id| uid("Permission", id));
    let role = uid("Role", "o1/admin");
    let top = named(&organization(1));
    changes.push(put(role.clone(), json!({ "organization": top, "name": "admin" }), permissions));
    changes.extend((0..WARM).map(|n| {
        let attrs = json!({ "organization": top, "status": "active", "name": "someone" });
        put(uid("User", format!("u{n}")), attrs, [role.clone()])
    }));
    let end = named(&organization(depth));
    changes.extend((0..WARM).map(|n| {
        let owner = named(&uid("User", format!("u{n}")));
        let attrs = json!({ "organization": end, "owner": owner, "name": "lamp" });
        put(uid("Device", format!("d{n}")), attrs, [])
    }));
    for batch in changes.chunks(BATCH) {
        store.apply(batch.to_vec(), None).await.unwrap();
    }
}

/// Fills the database up to `devices` devices, behind the closed store's back: a million by `apply` takes minutes.
pub(crate) async fn fill_up(url: &str, depth: usize, devices: usize) {
    let numbers = if url.starts_with("sqlite:") {
        "WITH RECURSIVE many (n) AS (VALUES (1000) UNION ALL SELECT n + 1 FROM many WHERE n + 1 < MAX)"
    } else {
        "WITH many (n) AS (SELECT generate_series(1000, MAX - 1))"
    };
    let numbers = numbers.replace("MAX", &devices.to_string());
    let body = json!({
        "attrs": {
            "organization": named(&uid("Organization", format!("o{depth}"))),
            "owner": named(&uid("User", "OWNER")),
            "name": "lamp",
        },
        "parents": [],
        "tags": {},
    });
    let body = format!("'{}'", body.to_string().replace("OWNER", "u' || (n % 1000) || '"));
    let statements = [
        format!("INSERT INTO entity {numbers} SELECT 'Device', 'd' || n, {body}, 1 FROM many"),
        format!(
            "INSERT INTO reference {numbers} \
             SELECT 'Device', 'd' || n, 'organization', 'Organization', 'o{depth}' FROM many"
        ),
        format!(
            "INSERT INTO reference {numbers} \
             SELECT 'Device', 'd' || n, 'owner', 'User', 'u' || (n % 1000) FROM many"
        ),
        "ANALYZE".to_owned(),
    ];
    let mut connection = AnyConnection::connect(url).await.unwrap();
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// Lends the first device to so many strangers; the first of them exists.
pub(crate) async fn lend(store: &dyn Store, grants: usize) {
    let (home, owner, device) = (uid("Organization", "elsewhere"), uid("User", "u0"), uid("Device", "d0"));
    let role = uid("Role", "elsewhere/guest");
    let mut changes = vec![
        put(home.clone(), json!({ "name": "elsewhere" }), []),
        put(role.clone(), json!({ "organization": named(&home), "name": "guest" }), []),
        put(
            uid("User", "guest0"),
            json!({ "organization": named(&home), "status": "active", "name": "someone" }),
            [role],
        ),
    ];
    changes.extend((0..grants).map(|n| {
        let grantee = uid("User", format!("guest{n}"));
        let attrs = json!({
            "organization": named(&uid("Organization", "o3")),
            "device": named(&device),
            "grantee": named(&grantee),
            "granter": named(&owner),
            "status": "accepted",
            "control": false,
        });
        put(Uid::of_grant(&device, &grantee), attrs, [])
    }));
    for batch in changes.chunks(BATCH) {
        store.apply(batch.to_vec(), None).await.unwrap();
    }
}
