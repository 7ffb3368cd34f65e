//! Sharing over the running parts, and the way that its letters take.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::runtime::Handle;

use crate::config::{Config, Mail, MailScheme};
use crate::decision::Decider;
use crate::mail::{self, Encryption, Mailer};
use crate::server::StartError;
use crate::sharing::letters::{Letter, Post, Undelivered};
use crate::sharing::{Limits, PlanBounds, Sharing};
use crate::store::Store;

/// Sharing, with the bounds that are configured, over the running parts.
pub(super) fn sharing(
    config: &Config,
    decider: &Arc<Decider>,
    store: &Arc<dyn Store>,
    runtime: &Handle,
) -> Result<Arc<Sharing>, StartError> {
    let post = config.mail.as_ref().map(post).transpose()?;
    Ok(Sharing::with_post(decider.clone(), store.clone(), runtime.clone(), limits(config), post))
}

fn limits(config: &Config) -> Limits {
    let sharing = &config.sharing;
    let plans = config.plans.0.iter().map(|(name, plan)| {
        let bounds = PlanBounds {
            users: plan.users,
            devices: plan.devices,
            sub_organizations: plan.sub_organizations,
        };
        (name.clone(), bounds)
    });
    Limits {
        depth_max: sharing.depth_max,
        organizations_max: sharing.organizations_max,
        roles_max: sharing.roles_max,
        invitations_per_day_max: sharing.invitations_per_day_max,
        invitation_ms: i64::try_from(sharing.invitation_days).unwrap_or(i64::MAX).saturating_mul(86_400_000),
        plans: plans.collect(),
        require_verified_email: sharing.require_verified_email,
        grants: sharing.grants,
        ..Limits::default()
    }
}

/// What the mailer is told; also a check of the settings.
pub(super) fn mailer(mail: &Mail) -> Result<Mailer, mail::Unusable> {
    let url = mail.url.get_ref();
    let credentials = (mail.username.clone(), mail.password.reveal().to_owned());
    Mailer::new(&mail::Settings {
        host: url.host.clone(),
        port: url.port,
        encryption: match url.scheme {
            MailScheme::Tls => Encryption::Tls,
            MailScheme::StartTls => Encryption::StartTls,
            MailScheme::Plain => Encryption::None,
        },
        credentials: (!mail.username.is_empty()).then_some(credentials),
        from: mail.from.get_ref().clone(),
        timeout: mail.timeout,
    })
}

fn post(mail: &Mail) -> Result<Post, StartError> {
    let mailer = Arc::new(mailer(mail).map_err(|error| StartError::Setting(error.to_string()))?);
    let carrier = move |letter: Letter| {
        let mailer = mailer.clone();
        async move {
            let sent = mailer.send(&letter.to, &letter.subject, &letter.text).await;
            sent.map_err(|error| match error {
                mail::Undelivered::Later(code) => Undelivered::Later(code),
                mail::Undelivered::Never(code) => Undelivered::Never(code),
            })
        }
        .boxed()
    };
    let (link, retry, timeout) = (mail.link.clone(), mail.retry, mail.timeout);
    Ok(Post { carrier: Arc::new(carrier), link, retry, timeout })
}
