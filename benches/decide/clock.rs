//! CPU time, which other programs on the machine disturb less than the time of day.

use cpu_time::ProcessTime;

/// Batches of each figure; their median is reported.
const BATCHES: usize = 9;

/// The median CPU time of one step in all threads of this process, over batches of `steps` steps, in nanoseconds.
pub(crate) fn median(steps: usize, mut step: impl FnMut(usize)) -> f64 {
    let mut number = 0;
    let mut batch = || {
        let start = ProcessTime::now();
        for _ in 0..steps {
            step(number);
            number += 1;
        }
        start.elapsed().as_nanos() as f64 / steps as f64
    };
    batch();
    let mut each: Vec<f64> = (0..BATCHES).map(|_| batch()).collect();
    each.sort_unstable_by(f64::total_cmp);
    each[BATCHES / 2]
}
