//! The shapes of AuthZEN's bodies: what is answered, and what the OpenAPI document says of requests.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// An entity of a question.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
pub(super) struct EntityBody {
    /// Its type as the schema names it.
    r#type: String,
    /// Its id.
    id: String,
    /// Attributes that count instead of the stored ones, for this question only.
    properties: Option<Map<String, Value>>,
}

/// What would be done.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
pub(super) struct ActionBody {
    /// The action as the schema names it.
    name: String,
    /// What policies see as `context.action`.
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
    context: Option<Map<String, Value>>,
}

/// Many questions, with defaults for what they share.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
pub(super) struct EvaluationsBody {
    /// The default subject.
    subject: Option<EntityBody>,
    /// The default action.
    action: Option<ActionBody>,
    /// The default resource.
    resource: Option<EntityBody>,
    /// The default context.
    context: Option<Map<String, Value>>,
    /// The questions; each member replaces the default of its name.
    evaluations: Option<Vec<EvaluationBody>>,
    /// How the questions are gone through.
    options: Option<OptionsBody>,
}

/// How many questions are gone through.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `request` reads with defaults that serde cannot express")]
pub(super) struct OptionsBody {
    /// `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`.
    evaluations_semantic: Option<String>,
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
pub(super) struct ProblemBody {
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
