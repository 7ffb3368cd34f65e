//! Points in time between Unix milliseconds and Cedar's `datetime`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

const DAY_MS: i64 = 86_400_000;

/// The present, in Unix milliseconds.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The moment as a `datetime` in Cedar's JSON format.
#[must_use]
pub fn datetime(at_ms: i64) -> Json {
    json!({ "__extn": { "fn": "datetime", "arg": rfc3339(at_ms) } })
}

/// The moment that a `datetime` in Cedar's JSON format is about: one that [`datetime`] wrote, or Cedar
/// itself, which counts from 1970.
#[must_use]
pub fn millis(value: &Json) -> Option<i64> {
    let call = value.get("__extn")?;
    match call.get("fn")?.as_str()? {
        "datetime" => parse(call.get("arg")?.as_str()?),
        "duration" => call.get("arg")?.as_str()?.strip_suffix("ms")?.parse().ok(),
        "offset" => {
            let [from, by] = call.get("args")?.as_array()?.as_slice() else { return None };
            millis(from)?.checked_add(millis(by)?)
        }
        _ => None,
    }
}

/// Whether something issued then, in seconds since 1970, counts no more after all was ended at `out_ms`.
///
/// What does not say when it was issued counts no more either.
#[must_use]
pub fn is_before(issued_at: Option<u64>, out_ms: i64) -> bool {
    let issued_ms = issued_at.and_then(|at| i64::try_from(at.saturating_mul(1000)).ok());
    issued_ms.is_none_or(|at| at <= out_ms)
}

/// The moment as people read it, in UTC.
#[must_use]
pub fn rfc3339(at_ms: i64) -> String {
    let (day, rest) = (at_ms.div_euclid(DAY_MS), at_ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(day);
    let (seconds, ms) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Reads a moment as [`rfc3339`] writes it, also without milliseconds, or a whole day.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if text.len() == 10 {
        return Some(days * DAY_MS);
    }
    let ms = match text.len() {
        20 => 0,
        24 => number(20, 23)?,
        _ => return None,
    };
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    text.ends_with('Z').then_some(days * DAY_MS + seconds * 1000 + ms)
}

/// Year, month and day of a day since 1970 (H. Hinnant, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// The day since 1970 of a date (H. Hinnant, `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (year.div_euclid(400), year.rem_euclid(400));
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + (153 * mp + 2) / 5 + day - 1;
    era * 146_097 + doe - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_written() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_123, "2000-02-29T00:00:00.123Z"),
            (1_767_268_800_000, "2026-01-01T12:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(at), text);
            assert_eq!(millis(&datetime(at)), Some(at));
        }
        for day in (0..60_000).step_by(13) {
            let at = day * DAY_MS + day;
            assert_eq!(parse(&rfc3339(at)), Some(at));
        }
        assert_eq!(parse("2026-01-01"), Some(1_767_225_600_000));
        assert_eq!(parse("2026-01-01T12:00:00Z"), Some(1_767_268_800_000));
        let cedars = json!({ "__extn": { "fn": "offset", "args": [
            { "__extn": { "fn": "datetime", "arg": "1970-01-01" } },
            { "__extn": { "fn": "duration", "arg": "-5ms" } },
        ] } });
        assert_eq!(millis(&cedars), Some(-5));
        for bad in ["", "soon", "2026-01-01T12:00:00+0100", "2026-01-01T12:00", "é026-01-01"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
