//! What the OpenAPI document says of answers.
#![expect(dead_code, reason = "describes what `sharing` answers as JSON")]

use std::collections::BTreeMap;

use utoipa::{IntoResponses, ToSchema};

use crate::control::access::ProblemBody;

/// An organization.
#[derive(ToSchema)]
pub(super) struct OrganizationBody {
    id: String,
    name: String,
    /// The organization above it; a root has none.
    parent: Option<String>,
    plan: Option<String>,
    /// After a write: the revision from which on it counts.
    revision: Option<u64>,
}

/// A role.
#[derive(ToSchema)]
pub(super) struct RoleBody {
    id: String,
    organization: String,
    name: String,
    /// What its holders may do in the organization.
    permissions: Vec<String>,
    /// After a write: the revision from which on it counts.
    revision: Option<u64>,
}

/// A person.
#[derive(ToSchema)]
pub(super) struct UserBody {
    id: String,
    organization: String,
    role: String,
    /// `pending`, `active`, `inactive` or `suspended`.
    status: String,
    email: Option<String>,
    name: Option<String>,
    /// After a write: the revision from which on it counts.
    revision: Option<u64>,
}

/// An invitation.
#[derive(ToSchema)]
pub(super) struct InvitationBody {
    id: String,
    organization: String,
    role: String,
    email: String,
    inviter: String,
    /// The person that it brings to life.
    user: String,
    /// `open`, `accepted` or `withdrawn`.
    status: String,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    expires: String,
    /// How far the letter with the link has come; null where the inviter hands the link over.
    delivery: Option<DeliveryBody>,
    /// What the link is made of, unless it is mailed: shown once; a repeated request does not show it again.
    token: Option<String>,
    /// After a write: the revision from which on it counts.
    revision: Option<u64>,
}

/// The way of a letter.
#[derive(ToSchema)]
pub(super) struct DeliveryBody {
    /// `queued`, `delayed` (it is tried again), `sent` or `refused` (it is not).
    state: String,
    /// How often it was tried.
    attempts: i64,
}

/// A device.
#[derive(ToSchema)]
pub(super) struct DeviceBody {
    id: String,
    organization: String,
    owner: Option<String>,
    name: String,
    template: Option<String>,
    tags: Vec<String>,
    metadata: BTreeMap<String, String>,
    /// After a write: the revision from which on it counts.
    revision: Option<u64>,
}

/// A grant.
#[derive(ToSchema)]
pub(super) struct GrantBody {
    id: String,
    device: String,
    organization: String,
    grantee: String,
    granter: String,
    /// `offered`, `accepted`, `declined`, `revoked`, or `expired` once its time is over.
    status: String,
    control: bool,
    datastreams: Option<Vec<String>>,
    #[schema(format = DateTime)]
    from: Option<String>,
    #[schema(format = DateTime)]
    until: Option<String>,
    /// The quarters of an hour of the week in which it counts; Monday at midnight is 0.
    quarters: Option<Vec<i64>>,
    zone: Option<String>,
    /// Whether the person may lend it on.
    may_lend_on: bool,
    /// Who lent it on, in the granter's name.
    lent_on_by: Option<String>,
    note: Option<String>,
    /// After a write: the revision from which on it counts.
    revision: Option<u64>,
}

/// What one request lent.
#[derive(ToSchema)]
pub(super) struct GrantsBody {
    items: Vec<GrantBody>,
    /// The revision from which on it counts.
    revision: u64,
}

/// An API key, without the key itself.
#[derive(ToSchema)]
pub(super) struct KeyBody {
    id: String,
    name: String,
    /// Whom it speaks for, as `Type::"id"`.
    principal: String,
    #[schema(format = DateTime)]
    created: String,
    #[schema(format = DateTime)]
    expires: Option<String>,
    #[schema(format = DateTime)]
    revoked: Option<String>,
    /// The key: shown once, when it is made.
    key: Option<String>,
}

/// Who is asking.
#[derive(ToSchema)]
pub(super) struct MeBody {
    /// `Type::"id"`; the operator has none.
    principal: Option<String>,
    user: Option<UserBody>,
    /// The organization that was switched to, or the own one.
    organization: Option<OrganizationBody>,
    role: Option<RoleBody>,
    /// What the actions are about, as `Type::"id"`.
    resource: Option<String>,
    /// What may be done there.
    actions: Vec<String>,
}

/// A page of a list.
#[derive(ToSchema)]
pub(super) struct PageBody<T> {
    items: Vec<T>,
    /// The cursor of the next page.
    next: Option<String>,
}

/// How a request is refused.
#[derive(IntoResponses)]
pub(super) enum Refusals {
    /// Malformed, or it contradicts what is stored.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// Not authenticated, or without an account.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemBody),
    /// Visible, but not permitted.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
    /// There is no such thing, or the caller may not know of it.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
    /// An id is taken, or the store has not reached the revision that was asked for.
    #[response(status = 409, content_type = "application/problem+json")]
    Taken(ProblemBody),
    /// It was changed since the version in `If-Match`.
    #[response(status = 412, content_type = "application/problem+json")]
    Outdated(ProblemBody),
    /// The body did not arrive.
    #[response(status = 408, content_type = "application/problem+json")]
    Incomplete(ProblemBody),
    /// The body is too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// The idempotency key belongs to another request.
    #[response(status = 422, content_type = "application/problem+json")]
    KeyReused(ProblemBody),
    /// A mistake of the gateway's own.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(ProblemBody),
    /// The store is not available, the listener is busy, or nothing can be recorded.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
    /// It took too long; what was under way is still done.
    #[response(status = 504, content_type = "application/problem+json")]
    Late(ProblemBody),
}
