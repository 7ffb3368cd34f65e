//! The shapes of AuthZEN's bodies: what is answered, and what the OpenAPI document says of requests.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoResponses, ToSchema};

/// An entity of a question.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
pub(super) struct EntityBody {
    /// Its type as the schema names it.
    #[schema(min_length = 1)]
    r#type: String,
    /// Its id.
    #[schema(min_length = 1)]
    id: String,
    /// Attributes that count instead of the stored ones, for this question only.
    #[schema(nullable = false)]
    properties: Option<Map<String, Value>>,
}

/// What would be done.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
pub(super) struct ActionBody {
    /// The action as the schema names it.
    name: String,
    /// What policies see as `context.action`.
    #[schema(nullable = false)]
    properties: Option<Map<String, Value>>,
}

/// One question.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
pub(super) struct EvaluationBody {
    /// Who would do it.
    subject: EntityBody,
    /// What would be done.
    action: ActionBody,
    /// To what.
    resource: EntityBody,
    /// Under which circumstances.
    #[schema(nullable = false)]
    context: Option<Map<String, Value>>,
}

/// Many questions, with defaults for what they share.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
pub(super) struct EvaluationsBody {
    /// The default subject.
    #[schema(nullable = false)]
    subject: Option<EntityBody>,
    /// The default action.
    #[schema(nullable = false)]
    action: Option<ActionBody>,
    /// The default resource.
    #[schema(nullable = false)]
    resource: Option<EntityBody>,
    /// The default context.
    #[schema(nullable = false)]
    context: Option<Map<String, Value>>,
    /// The questions: members of one replace the defaults; what is wrong with one is answered in its place.
    #[schema(nullable = false)]
    evaluations: Option<Vec<Value>>,
    /// How the questions are gone through.
    #[schema(nullable = false)]
    options: Option<OptionsBody>,
}

/// How many questions are gone through.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
pub(super) struct OptionsBody {
    /// When the rest of them is left out.
    #[schema(nullable = false)]
    evaluations_semantic: Option<SemanticBody>,
}

/// When the rest of many questions is left out.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
enum SemanticBody {
    /// Never.
    ExecuteAll,
    /// After the first denial.
    DenyOnFirstDeny,
    /// After the first permission.
    PermitOnFirstPermit,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecisionBody {
    /// Whether it is permitted.
    pub(super) decision: bool,
    /// What else can be told.
    pub(super) context: DecisionContextBody,
}

/// What goes with an answer.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct DecisionContextBody {
    /// The id that the decision is recorded under.
    pub(super) id: String,
    /// For the operator: the policies that made the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasons: Option<Vec<String>>,
    /// For the operator: why the question could not be decided and was therefore denied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<String>,
    /// What is wrong with this question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<EvaluationErrorBody>,
}

/// What is wrong with one question of many.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EvaluationErrorBody {
    /// The status that the question alone would have been answered with.
    pub(super) status: u16,
    /// One sentence.
    pub(super) message: String,
}

/// The answers in the order of the questions, up to the one that decided.
#[derive(Serialize, ToSchema)]
pub(super) struct EvaluationsAnswerBody {
    /// The answers.
    pub(super) evaluations: Vec<DecisionBody>,
}

/// The answer to many questions; without any, it is the answer to one.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum AnswerBody {
    /// Many.
    Many(EvaluationsAnswerBody),
    /// One.
    One(DecisionBody),
}

/// Where the endpoints are.
#[derive(Serialize, ToSchema)]
pub(super) struct ConfigurationBody {
    /// The base URL.
    pub(super) policy_decision_point: String,
    /// Where one question is asked.
    pub(super) access_evaluation_endpoint: String,
    /// Where many questions are asked.
    pub(super) access_evaluations_endpoint: String,
}

/// A refusal (RFC 9457).
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `problem` renders")]
pub(in crate::control) struct ProblemBody {
    /// A URN that ends in a stable code.
    r#type: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// One sentence.
    detail: String,
    /// The id of the request.
    request_id: String,
}

/// How a question is refused.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what the error table answers")]
pub(super) enum ErrorBodies {
    /// Malformed.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// Not authenticated.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemBody),
    /// Not about oneself as one is stored.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
    /// The body did not arrive.
    #[response(status = 408, content_type = "application/problem+json")]
    Incomplete(ProblemBody),
    /// The body is too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// A mistake of the gateway's own.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(ProblemBody),
    /// It cannot be decided or recorded now.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
    /// It took too long.
    #[response(status = 504, content_type = "application/problem+json")]
    Late(ProblemBody),
}
