//! Decisions that outlive their request: made anew whenever something may have changed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::decision::{Decider, Refused, Session};
use crate::domain::moment::is_before;
use crate::domain::{Query, Uid};

/// The longest time between two decisions of one stream: what no change announces (a time that has come,
/// other policies, a store that went away) is noticed after this long.
const RECHECK: Duration = Duration::from_millis(500);

/// What opened a stream, in seconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credential {
    /// When it was issued, if it says so.
    pub issued_at: Option<u64>,
    /// When it ends.
    pub expires_at: Option<u64>,
}

/// Why a stream must end.
#[derive(Debug)]
pub enum Ended {
    /// The principal was signed out after the credential was issued.
    SignedOut,
    /// The credential that opened it has expired.
    Expired,
    /// One of its queries is not permitted any more, or cannot be decided.
    Refused(Refused),
}

impl Decider {
    /// Waits until the queries are not permitted any more, or the credential ends.
    pub async fn ended(self: Arc<Self>, queries: Vec<Query>, credential: Credential) -> Ended {
        let mut news = self.feed().subscribe();
        loop {
            news.mark_unchanged();
            let left = match credential.expires_at.map(left) {
                Some(None) => return Ended::Expired,
                Some(Some(left)) => left,
                None => RECHECK,
            };
            let session = self.pin();
            if let Err(refused) = session.permits(&queries).await {
                return Ended::Refused(refused);
            }
            match session.is_signed_out(&queries, credential).await {
                Ok(false) => {}
                Ok(true) => return Ended::SignedOut,
                Err(refused) => return Ended::Refused(refused),
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() {
                    tokio::time::sleep(RECHECK.min(left)).await;
                },
                () = tokio::time::sleep(RECHECK.min(left)) => {}
            }
        }
    }
}

impl Session {
    /// When the principal was signed out everywhere, in Unix milliseconds.
    pub async fn signed_out_ms(&self, principal: &Uid) -> Result<Option<i64>, Refused> {
        self.attribute_ms(principal, "signed_out").await
    }

    /// No policy reads when somebody was signed out: it is about credentials, and so is this.
    async fn is_signed_out(&self, queries: &[Query], credential: Credential) -> Result<bool, Refused> {
        let Some(query) = queries.first() else { return Ok(false) };
        let out_ms = self.signed_out_ms(&query.principal).await?;
        Ok(out_ms.is_some_and(|out_ms| is_before(credential.issued_at, out_ms)))
    }
}

/// The time until an instant in seconds since 1970; `None` once it has come.
fn left(expires_at: u64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(expires_at).checked_sub(now).filter(|left| !left.is_zero())
}
