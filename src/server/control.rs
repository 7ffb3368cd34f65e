//! What the control listener is given: probes, metrics, callers and a place for its records.

use std::sync::Arc;

use axum::Router;
use http::HeaderMap;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::audit::{Decision, Log};
use crate::config::Config;
use crate::control::{
    AskedRecord, Asker, Control, Limits, OperatorToken, Readiness, Soon, SwitchNames, Unidentified,
};
use crate::identity::{Authenticator, Caller, Challenge};
use crate::server::parts::Parts;
use crate::server::reload::Trouble;

/// The control listener's routes over the running parts.
pub(super) fn router(config: &Config, parts: &Parts, metrics: PrometheusHandle, trouble: Trouble) -> Router {
    let gateway = &parts.gateway;
    let control = Control {
        decider: gateway.decider.clone(),
        sharing: Some(parts.sharing.clone()),
        probe: probe(parts, trouble),
        metrics: Arc::new(move || metrics.render()),
        authenticate: authenticate(gateway.authenticator.clone()),
        operator: OperatorToken::new(config.control.operator_token.reveal()),
        recorder: recorder(parts.log.clone()),
        public_url: None,
        log: parts.log.clone(),
        limits: Limits {
            body_bytes_max: config.control.body_max,
            requests_max: config.control.requests_max,
            ..Limits::default()
        },
        switch: SwitchNames {
            header: config.sharing.organization_header.as_ref().map(|it| it.name().clone()),
            query: config.sharing.organization_query.clone(),
        },
    };
    control.router()
}

fn probe(parts: &Parts, trouble: Trouble) -> Arc<dyn Fn() -> Soon<Readiness> + Send + Sync> {
    let (store, gateway, log) = (parts.store.clone(), parts.gateway.clone(), parts.log.clone());
    Arc::new(move || {
        let (store, gateway, log) = (store.clone(), gateway.clone(), log.clone());
        let trouble = trouble.load_full();
        Box::pin(async move {
            let head = store.head().await;
            Readiness {
                store_ok: head.is_ok(),
                store_revision: head.ok(),
                policies_ok: trouble.is_none(),
                policy_error: trouble.map(|why| why.to_string()),
                keys_ok: gateway.authenticator.keys_loaded(),
                records_ok: log.healthy(),
            }
        })
    })
}

type Identified = Soon<Result<Option<Asker>, Unidentified>>;

fn authenticate(authenticator: Arc<Authenticator>) -> Arc<dyn Fn(&HeaderMap) -> Identified + Send + Sync> {
    Arc::new(move |headers| {
        let (authenticator, headers) = (authenticator.clone(), headers.clone());
        Box::pin(async move {
            match authenticator.authenticate(&headers).await {
                Ok(Caller::Anonymous) => Ok(None),
                Ok(Caller::Known(principal)) => {
                    Ok(Some(Asker { uid: principal.uid.clone(), email: principal.email.clone() }))
                }
                Err(error) if error.is_unavailable() => Err(Unidentified::Unavailable),
                Err(_) => Err(Unidentified::Refused(Challenge::Invalid.into())),
            }
        })
    })
}

/// Decisions that were asked for are recorded like those that were enforced, before they are answered.
fn recorder(log: Arc<Log>) -> Arc<dyn Fn(AskedRecord) -> Soon<bool> + Send + Sync> {
    Arc::new(move |asked| {
        let log = log.clone();
        Box::pin(async move {
            let Ok(mut record) = log.open(asked.request_id).await else { return false };
            record.note(|it| {
                it.decision = Some(match (asked.error, asked.allowed) {
                    (Some(_), _) => Decision::Error,
                    (None, true) => Decision::Allow,
                    (None, false) => Decision::Deny,
                });
                it.reason = asked.error.map(Into::into);
                it.principal = Some(asked.principal);
                it.action = Some(asked.action);
                it.resources = vec![asked.resource];
                it.policies = asked.reasons;
                it.policy_revision = Some(asked.policy_revision);
                it.store_revision = asked.store_revision;
                it.route = Some(asked.route);
                it.asked_by =
                    Some(asked.asked_by.map_or_else(|| "operator".into(), |uid| uid.to_string().into()));
            });
            record.finish_after(std::time::Duration::from_micros(asked.latency_us));
            true
        })
    })
}
