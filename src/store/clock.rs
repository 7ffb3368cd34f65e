//! A clock that goes on while the host is suspended: other processes stop waiting for us meanwhile.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// The time since the host started, the time that it slept included where the system tells (`CLOCK_BOOTTIME`).
pub(super) fn since_start() -> Duration {
    let now = clock_gettime(CLOCK);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    Duration::from_secs(part(now.tv_sec)) + Duration::from_nanos(part(now.tv_nsec))
}
