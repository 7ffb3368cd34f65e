//! Invitations: one address, one role, one use, thirty days.

use cedargate::sharing::{Limits, PlanBounds};
use serde_json::{Value, json};

use super::bench::{ANONYMOUS, Bench, OUTSIDER, STRANGER};

const ALL: &str = "/api/v1/invitations";
const ACCEPT: &str = "/api/v1/invitations/accept";

fn invite(email: &str) -> Value {
    json!({ "organization": "home", "role": "home/user", "email": email, "name": "Guest" })
}

fn token(answer: &Value) -> Value {
    json!({ "token": answer["token"] })
}

#[tokio::test]
async fn whoever_has_the_link_becomes_a_member_once() {
    let bench = Bench::start().await;
    bench
        .expect(&[
            ("wife", "POST", ALL, invite("x@example.com"), 403, "forbidden"),
            (OUTSIDER, "POST", ALL, invite("x@example.com"), 404, "no-such-resource"),
            (ANONYMOUS, "POST", ALL, invite("x@example.com"), 401, "unauthenticated"),
        ])
        .await;
    let made = bench.done("dad", "POST", ALL, invite("Mother@Example.com")).await;
    assert_eq!((&made["email"], &made["status"]), (&json!("mother@example.com"), &json!("open")));
    let pending = bench
        .done("dad", "GET", &format!("/api/v1/users/{}", made["user"].as_str().unwrap()), Value::Null)
        .await;
    assert_eq!(pending["status"], "pending");
    bench
        .expect(&[
            (ANONYMOUS, "POST", ACCEPT, token(&made), 401, "unauthenticated"),
            ("son", "POST", ACCEPT, token(&made), 400, "has-account"),
            ("mother", "POST", ACCEPT, json!({ "token": "cgi_nothing" }), 404, "no-such-resource"),
        ])
        .await;
    let member = bench.done("mother", "POST", ACCEPT, token(&made)).await;
    assert_eq!((&member["id"], &member["status"]), (&json!("mother"), &json!("active")));
    bench
        .expect(&[
            ("mother", "POST", ACCEPT, token(&made), 404, "no-such-resource"),
            (STRANGER, "POST", ACCEPT, token(&made), 404, "no-such-resource"),
            ("mother", "GET", "/api/v1/me", Value::Null, 200, ""),
            (
                "dad",
                "GET",
                &format!("/api/v1/users/{}", made["user"].as_str().unwrap()),
                Value::Null,
                404,
                "no-such-resource",
            ),
            (
                "dad",
                "DELETE",
                &format!("{ALL}/{}", made["id"].as_str().unwrap()),
                Value::Null,
                400,
                "answered",
            ),
        ])
        .await;
}

/// Where the issuer's tokens name the pending person already, as with a claim that is an address.
#[tokio::test]
async fn the_pending_person_may_be_the_one_that_accepts() {
    let bench = Bench::start().await;
    let made = bench.done("dad", "POST", ALL, invite("mother@example.com")).await;
    let user = made["user"].as_str().unwrap();
    let member = bench.done(user, "POST", ACCEPT, token(&made)).await;
    assert_eq!((&member["id"], &member["status"]), (&json!(user), &json!("active")));
}

#[tokio::test]
async fn an_account_that_exists_is_not_invited() {
    let bench = Bench::start().await;
    bench
        .expect(&[
            ("dad", "POST", ALL, invite("son@example.com"), 400, "address-taken"),
            ("dad", "POST", ALL, invite("CABIN-dad@example.com"), 400, "address-taken"),
            ("dad", "POST", ALL, invite("newcomer@example.com"), 400, "address-taken"),
            ("dad", "POST", ALL, invite("s\u{131}n@example.com"), 400, "malformed-request"),
            ("dad", "POST", ALL, invite("a@b@example.com"), 400, "malformed-request"),
            ("dad", "POST", ALL, invite("a b@example.com"), 400, "malformed-request"),
            ("dad", "POST", ALL, invite(""), 400, "malformed-request"),
        ])
        .await;
}

#[tokio::test]
async fn a_new_link_ends_the_old_one_and_withdrawing_ends_both() {
    let bench = Bench::start().await;
    let made = bench.done("dad", "POST", ALL, invite("mother@example.com")).await;
    let path = format!("{ALL}/{}", made["id"].as_str().unwrap());
    bench.expect(&[("wife", "POST", &format!("{path}/resend"), Value::Null, 404, "no-such-resource")]).await;
    let again = bench.done("dad", "POST", &format!("{path}/resend"), Value::Null).await;
    bench.expect(&[("mother", "POST", ACCEPT, token(&made), 404, "no-such-resource")]).await;
    let shown = bench.done("dad", "GET", &path, Value::Null).await;
    assert_eq!((&shown["status"], &shown["token"]), (&json!("open"), &Value::Null));
    assert_eq!(bench.ids("dad", "/api/v1/organizations/home/invitations").await.len(), 1);
    bench
        .expect(&[
            ("wife", "DELETE", &path, Value::Null, 404, "no-such-resource"),
            ("dad", "DELETE", &path, Value::Null, 204, ""),
            ("mother", "POST", ACCEPT, token(&again), 404, "no-such-resource"),
            ("dad", "POST", &format!("{path}/resend"), Value::Null, 400, "answered"),
            ("dad", "POST", ALL, invite("mother@example.com"), 201, ""),
        ])
        .await;
}

#[tokio::test]
async fn a_link_ends_by_itself() {
    let bench = Bench::over("sqlite::memory:", Limits { invitation_ms: 0, ..Limits::default() }).await;
    let made = bench.done("dad", "POST", ALL, invite("mother@example.com")).await;
    bench.expect(&[("mother", "POST", ACCEPT, token(&made), 404, "no-such-resource")]).await;
}

#[tokio::test]
async fn a_day_has_twenty_five_invitations() {
    let bench = Bench::start().await;
    for n in 0..25 {
        bench.done("dad", "POST", ALL, invite(&format!("guest{n}@example.com"))).await;
    }
    bench.expect(&[("dad", "POST", ALL, invite("one-more@example.com"), 400, "too-many-invitations")]).await;
}

/// The token is nowhere in the store.
#[tokio::test]
async fn of_a_token_only_the_hash_is_kept() {
    let bench = Bench::start().await;
    let request = bench.request("dad", "POST", ALL).header("idempotency-key", "k1");
    let (status, made) =
        super::bench::read(super::bench::with(request, &invite("mother@example.com")).send().await.unwrap())
            .await;
    assert_eq!(status, 201);
    let token = made["token"].as_str().unwrap();
    let secret = token.rsplit_once('.').unwrap().1;
    assert!(secret.len() >= 43, "{token}");
    let stored = format!("{:?}", bench.store.page(None, None, 1_000).await.unwrap());
    assert!(stored.contains("mother@example.com") && !stored.contains(secret));
}

/// A deleted person may be invited again, keeps the issuer's name for him, and finds nothing of before.
#[tokio::test]
async fn whoever_was_deleted_may_come_back_with_nothing() {
    let bench = Bench::start().await;
    let offer = json!({ "device": "lamp", "emails": ["wife@example.com"] });
    let grant = bench.done("dad", "POST", "/api/v1/grants", offer.clone()).await;
    let grant = format!("/api/v1/grants/{}", grant["items"][0]["id"].as_str().unwrap());
    bench.done("wife", "POST", &format!("{grant}/accept"), Value::Null).await;
    let key = bench.done("wife", "POST", "/api/v1/keys", json!({ "name": "mine" })).await;
    let key = key["key"].as_str().unwrap().to_owned();
    assert!(bench.may("wife", "view", "lamp").await && bench.may("wife", "view", "garage").await);
    bench.done("dad", "DELETE", "/api/v1/users/wife", Value::Null).await;
    let made = bench.done("dad", "POST", ALL, invite("wife@example.com")).await;
    let member = bench.done("wife", "POST", ACCEPT, token(&made)).await;
    assert_eq!((&member["id"], &member["status"]), (&json!("wife"), &json!("active")));
    assert!(!bench.may("wife", "view", "lamp").await && !bench.may("wife", "view", "garage").await);
    assert_eq!(bench.get(&key, "/api/v1/me").await.0, 401);
    bench.expect(&[("wife", "GET", &grant, Value::Null, 404, "no-such-resource")]).await;
    bench.done("dad", "POST", "/api/v1/grants", offer).await;
    assert!(!bench.may("wife", "view", "lamp").await);
    bench.done("wife", "POST", &format!("{grant}/accept"), Value::Null).await;
    assert!(bench.may("wife", "view", "lamp").await);
}

#[tokio::test]
async fn a_new_link_counts_like_an_invitation() {
    let bench =
        Bench::over("sqlite::memory:", Limits { invitations_per_day_max: 3, ..Limits::default() }).await;
    let made = bench.done("dad", "POST", ALL, invite("mother@example.com")).await;
    let path = format!("{ALL}/{}", made["id"].as_str().unwrap());
    for _ in 0..2 {
        bench.done("dad", "POST", &format!("{path}/resend"), Value::Null).await;
    }
    bench
        .expect(&[
            ("dad", "POST", &format!("{path}/resend"), Value::Null, 400, "too-many-invitations"),
            ("dad", "POST", ALL, invite("aunt@example.com"), 400, "too-many-invitations"),
            ("dad", "DELETE", &path, Value::Null, 204, ""),
            ("dad", "POST", ALL, invite("aunt@example.com"), 400, "too-many-invitations"),
        ])
        .await;
}

/// The family has eight people and seven devices at home.
#[tokio::test]
async fn a_plan_has_room_for_so_many_people_and_devices() {
    let plan = PlanBounds { users: Some(9), devices: Some(8), sub_organizations: Some(1) };
    let plans = [("PRO".to_owned(), plan)].into();
    let bench = Bench::over("sqlite::memory:", Limits { plans, ..Limits::default() }).await;
    let device = |name: &str| json!({ "id": name, "organization": "home", "name": name });
    let below = |name: &str| json!({ "parent": "home", "name": name });
    bench
        .expect(&[
            ("dad", "POST", ALL, invite("aunt@example.com"), 201, ""),
            ("dad", "POST", ALL, invite("uncle@example.com"), 400, "plan-limit"),
            ("dad", "POST", "/api/v1/devices", device("fridge"), 201, ""),
            ("dad", "POST", "/api/v1/devices", device("oven"), 400, "plan-limit"),
            ("dad", "DELETE", "/api/v1/devices/fridge", Value::Null, 204, ""),
            ("dad", "POST", "/api/v1/devices", device("oven"), 201, ""),
            ("dad", "POST", "/api/v1/organizations", below("Hut"), 201, ""),
            ("dad", "POST", "/api/v1/organizations", below("Tent"), 400, "too-many-organizations"),
            ("dad", "DELETE", "/api/v1/users/visitor", Value::Null, 204, ""),
            ("dad", "POST", ALL, invite("uncle@example.com"), 201, ""),
        ])
        .await;
}

#[tokio::test]
async fn who_moves_needs_room_where_he_goes() {
    let plan = PlanBounds { users: Some(5), devices: Some(2), ..PlanBounds::default() };
    let plans = [("PRO".to_owned(), plan)].into();
    let bench = Bench::over("sqlite::memory:", Limits { plans, ..Limits::default() }).await;
    let to = |with_devices: bool| json!({ "organization": "villa-family", "role": "villa-family/user", "with_devices": with_devices });
    let path = "/api/v1/users/villa-caretaker/transfer";
    bench
        .expect(&[
            // The family of the villa has four people and two devices, one of them the caretaker's already.
            ("villa-dad", "POST", path, to(true), 200, ""),
            (
                "villa-dad",
                "POST",
                "/api/v1/devices/villa-drinking/transfer",
                json!({ "organization": "villa-family" }),
                400,
                "template",
            ),
            (
                "villa-dad",
                "POST",
                "/api/v1/devices/villa-garage/transfer",
                json!({ "email": "villa-dad@example.com" }),
                200,
                "",
            ),
            (
                "villa-dad",
                "POST",
                "/api/v1/devices/villa-fence/transfer",
                json!({ "email": "villa-dad@example.com" }),
                400,
                "plan-limit",
            ),
        ])
        .await;
}
