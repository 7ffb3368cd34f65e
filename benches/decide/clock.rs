//! CPU time, which other programs on the machine disturb less than the time of day.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Batches of each figure; their median is reported.
const BATCHES: usize = 9;

/// The CPU time that all threads of this process have used.
fn used() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// The median CPU time of one step, over batches of `steps` steps, in nanoseconds.
pub(crate) fn median(steps: usize, mut step: impl FnMut(usize)) -> f64 {
    let mut number = 0;
    let mut batch = || {
        let start = used();
        for _ in 0..steps {
            step(number);
            number += 1;
        }
        (used() - start).as_nanos() as f64 / steps as f64
    };
    batch();
    let mut each: Vec<f64> = (0..BATCHES).map(|_| batch()).collect();
    each.sort_unstable_by(f64::total_cmp);
    each[BATCHES / 2]
}
