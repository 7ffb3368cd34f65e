//! Decisions that outlive their request: made anew whenever something may have changed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::decision::{Decider, Refused};
use crate::domain::Query;

/// The longest time between two decisions of one stream: what no change announces (a time that has come,
/// other policies, a store that went away) is noticed after this long.
const RECHECK: Duration = Duration::from_millis(500);

/// Why a stream must end.
#[derive(Debug)]
pub enum Ended {
    /// The credential that opened it has expired.
    Expired,
    /// One of its queries is not permitted any more, or cannot be decided.
    Refused(Refused),
}

impl Decider {
    /// Waits until the queries are not permitted any more, or the credential ends.
    ///
    /// `expires_at` is in seconds since 1970.
    pub async fn ended(self: Arc<Self>, queries: Vec<Query>, expires_at: Option<u64>) -> Ended {
        let mut news = self.feed().subscribe();
        loop {
            news.mark_unchanged();
            let left = match expires_at.map(left) {
                Some(None) => return Ended::Expired,
                Some(Some(left)) => left,
                None => RECHECK,
            };
            if let Err(refused) = self.pin().permits(&queries).await {
                return Ended::Refused(refused);
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

/// The time until an instant in seconds since 1970; `None` once it has come.
fn left(expires_at: u64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(expires_at).checked_sub(now).filter(|left| !left.is_zero())
}
