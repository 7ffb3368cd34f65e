//! Everything that is tested from outside of the crate, in one binary; this is its table of contents.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should stop where it fails; the allowances for tests do not reach helpers"
)]

/// What the tests share: the shipped policies and the named worlds.
mod pack;
/// Real neighbours: a PostgreSQL cluster, upstreams that behave and that do not.
mod support;

/// The walls between modules, as ARCHITECTURE.md draws them.
mod architecture;
/// The corpus of attacks, run from outside.
mod attacks;
/// The OpenID Authorization API as its certification scenario asks for it, and where it is silent.
mod authzen;
/// Blynk's two HTTP APIs behind the gateway.
mod blynk;
/// The program as people and scripts run it.
mod cli;
/// Cached decisions are those of the newest facts, whatever happens at the same time.
mod decision;
/// The demo's device API, alone.
mod demo_api;
/// Links, lengths and keys of what is written about Cedargate.
mod documents;
/// What fails is refused and recorded, and what comes after it works.
mod faults;
/// A whole gateway: real listeners, a real upstream, a real store.
mod gateway;
/// Lending one device to one person.
mod grants;
/// Who is asking: real keys, real key servers, and every way we know to cheat with a token.
mod identity;
/// Invitations by mail: a real mail server that takes, refuses, is slow, is away, and comes back.
mod mail;
/// Role × relation × action as one table, reviewed as a diff.
mod matrix;
/// The decided cases of the sharing model.
mod model;
/// The README's commands run as they stand.
mod readme;
/// The log of records: nothing is lost without being counted, and nothing can be forged.
mod records;
/// Policies that change while the gateway runs.
mod reload;
/// Route maps proposed from descriptions of APIs.
mod routes_import;
/// Secrets of devices: sealed, injected, and seen by nobody.
mod secrets;
/// The sharing API: each operation allowed, refused, hidden, in conflict; the seed documents' examples.
mod sharing;
/// Sockets and event streams, which outlive the decision that opened them.
mod sockets;
/// One conformance suite for every database, and what happens between two processes.
mod store;
/// Every story holds, and together they reach every policy and action.
mod stories;
/// Lists in the view of one organization, and lending switched off.
mod switch;
/// A real device API behind the gateway: a W3C Web of Things server, driven by programs of others.
mod things;
/// The upstreams of the tests do what they say.
mod upstream;
