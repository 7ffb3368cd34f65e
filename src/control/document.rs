//! The head of the OpenAPI document, and the headers that all operations of the sharing API share.

use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{HeaderBuilder, OpenApi as Described, RefOr};

use crate::control::caller::Security;

/// What the paths of the sharing API begin with.
const SHARING: &str = "/api/v1/";
/// The one write whose answer cannot be repeated: the key in it is shown once and kept by nobody.
const NOT_REPEATED: &str = "/api/v1/keys";

/// The head of the OpenAPI document; its paths come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(title = "Cedargate control API"),
    modifiers(&Security),
    tags(
        (name = "health", description = "Whether the process can serve"),
        (name = "access", description = "OpenID AuthZEN Authorization API 1.0"),
        (name = "sharing", description = "Organizations, roles, people, invitations, devices, grants and keys"),
    )
)]
pub(super) struct Document;

/// Describes the headers that `incoming` reads and `outgoing` writes, in one place: no handler can forget them.
pub(super) fn headers(document: &mut Described) {
    let sharing = document.paths.paths.iter_mut().filter(|(path, _)| path.starts_with(SHARING));
    for (path, item) in sharing {
        if let Some(reads) = &mut item.get {
            take(reads, "Cedargate-Revision", "The answer is at least as new as this revision.", number());
            answer(reads, "ETag", "The version, where the answer is one thing.", text());
        }
        let writes = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for write in writes.into_iter().flatten() {
            if path != NOT_REPEATED {
                let what = "Does the same request under the same key once; its answer is kept for a day.";
                take(write, "Idempotency-Key", what, text().pattern(Some("^[!-~]{1,255}$")));
            }
            if path.contains("{id}") && !path.starts_with(NOT_REPEATED) {
                take(write, "If-Match", "The version that was read; 412 when there is a newer one.", text());
            }
            answer(write, "Cedargate-Revision", "The revision from which on it counts.", number());
        }
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(i64::MAX))
}

fn take(operation: &mut Operation, name: &str, what: &str, schema: ObjectBuilder) {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(what))
        .schema(Some(schema.build()));
    operation.parameters.get_or_insert_default().push(parameter.build().into());
}

fn answer(operation: &mut Operation, name: &str, what: &str, schema: ObjectBuilder) {
    let header = HeaderBuilder::new().schema(Some(schema.build())).description(Some(what)).build();
    let done = operation.responses.responses.iter_mut().filter(|(status, _)| status.starts_with('2'));
    for (_, response) in done {
        if let RefOr::T(response) = response {
            response.headers.insert(name.to_owned(), header.clone().into());
        }
    }
}
