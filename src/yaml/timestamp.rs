//! Dates and times.

use std::fmt;

/// A date, with or without a time: Python's `datetime.date` and `datetime.datetime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// The year, from 1 to 9999.
    pub year: u16,
    /// The month, from 1.
    pub month: u8,
    /// The day, from 1.
    pub day: u8,
    /// The time of day.
    pub time: Option<Time>,
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The hour, from 0 to 23.
    pub hour: u8,
    /// The minute, from 0 to 59.
    pub minute: u8,
    /// The second, from 0 to 59.
    pub second: u8,
    /// The microsecond.
    pub microsecond: u32,
    /// How many minutes the time is ahead of UTC; `None` where no zone was written.
    pub offset_minutes: Option<i16>,
}

impl Timestamp {
    /// Reads a timestamp as PyYAML does. `None` where the text has another form, or where there is
    /// no such day, time or zone.
    pub(super) fn read(text: &str) -> Option<Self> {
        Self::fields(text.strip_suffix('\n').unwrap_or(text)).filter(Self::exists)
    }

    /// Takes the text apart without asking whether there is such a day.
    pub(super) fn fields(text: &str) -> Option<Self> {
        let mut rest = text.as_bytes();
        let year = number(&mut rest, 4, 4)?;
        literal(&mut rest, b'-')?;
        let month = number(&mut rest, 1, 2)?;
        literal(&mut rest, b'-')?;
        let day = number(&mut rest, 1, 2)?;
        let time = match rest {
            [] => None,
            _ => Some(time(rest)?),
        };
        Some(Self {
            year: u16::try_from(year).ok()?,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
            time,
        })
    }

    fn exists(&self) -> bool {
        self.year >= 1
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && self.time.is_none_or(|time| {
                time.hour <= 23
                    && time.minute <= 59
                    && time.second <= 59
                    && time.offset_minutes.is_none_or(|offset| offset.abs() < 24 * 60)
            })
    }

    /// The microseconds from 1 January of the year 0 to the time as written, at UTC where it has a
    /// zone; of a date, to its beginning.
    pub(super) fn microseconds(&self) -> i64 {
        let earlier_years = i64::from(self.year) - 1;
        let leap_days = earlier_years / 4 - earlier_years / 100 + earlier_years / 400;
        let earlier_months: i64 = (1..self.month)
            .map(|month| i64::from(days_in_month(self.year, month)))
            .sum();
        let days = earlier_years * 365 + leap_days + earlier_months + i64::from(self.day);
        let within_day = self.time.map_or(0, |time| {
            let minutes = i64::from(time.hour) * 60 + i64::from(time.minute)
                - i64::from(time.offset_minutes.unwrap_or(0));
            (minutes * 60 + i64::from(time.second)) * 1_000_000 + i64::from(time.microsecond)
        });
        days * 24 * 60 * 60 * 1_000_000 + within_day
    }

    /// What Python's `repr()` prints.
    pub(super) fn python_repr(&self) -> String {
        let Self { year, month, day, .. } = self;
        let Some(time) = self.time else {
            return format!("datetime.date({year}, {month}, {day})");
        };
        let mut text = format!(
            "datetime.datetime({year}, {month}, {day}, {}, {}",
            time.hour, time.minute
        );
        if time.microsecond != 0 {
            text.push_str(&format!(", {}, {}", time.second, time.microsecond));
        } else if time.second != 0 {
            text.push_str(&format!(", {}", time.second));
        }
        match time.offset_minutes {
            None => {}
            Some(0) => text.push_str(", tzinfo=datetime.timezone.utc"),
            Some(offset) => {
                let seconds = i32::from(offset) * 60;
                let delta = match seconds {
                    // A span below zero is a day back and the rest forward.
                    ..0 => format!("days=-1, seconds={}", seconds + 24 * 60 * 60),
                    _ => format!("seconds={seconds}"),
                };
                text.push_str(&format!(
                    ", tzinfo=datetime.timezone(datetime.timedelta({delta}))"
                ));
            }
        }
        text.push(')');
        text
    }
}

/// What Python's `str()` prints.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)?;
        let Some(time) = self.time else {
            return Ok(());
        };
        write!(f, " {:02}:{:02}:{:02}", time.hour, time.minute, time.second)?;
        if time.microsecond != 0 {
            write!(f, ".{:06}", time.microsecond)?;
        }
        match time.offset_minutes {
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
            None => Ok(()),
        }
    }
}

/// What follows the date: a separator, the time, a fraction and a zone.
fn time(mut rest: &[u8]) -> Option<Time> {
    if literal(&mut rest, b'T').is_none() && literal(&mut rest, b't').is_none() && !skip_blanks(&mut rest) {
        return None;
    }
    let hour = number(&mut rest, 1, 2)?;
    literal(&mut rest, b':')?;
    let minute = number(&mut rest, 2, 2)?;
    literal(&mut rest, b':')?;
    let second = number(&mut rest, 2, 2)?;
    let microsecond = match literal(&mut rest, b'.') {
        Some(()) => fraction(&mut rest),
        None => 0,
    };
    let offset_minutes = match rest {
        [] => None,
        _ => {
            skip_blanks(&mut rest);
            Some(zone(rest)?)
        }
    };
    Some(Time {
        hour: u8::try_from(hour).ok()?,
        minute: u8::try_from(minute).ok()?,
        second: u8::try_from(second).ok()?,
        microsecond,
        offset_minutes,
    })
}

/// `Z`, or a sign, hours and perhaps minutes.
fn zone(mut rest: &[u8]) -> Option<i16> {
    if rest == b"Z" {
        return Some(0);
    }
    let is_behind = literal(&mut rest, b'-').is_some();
    if !is_behind {
        literal(&mut rest, b'+')?;
    }
    let hours = number(&mut rest, 1, 2)?;
    let minutes = match literal(&mut rest, b':') {
        Some(()) => number(&mut rest, 2, 2)?,
        None => 0,
    };
    let offset = i16::try_from(hours * 60 + minutes).ok()?;
    rest.is_empty()
        .then_some(if is_behind { -offset } else { offset })
}

/// Digits after the point, as microseconds; more than six are cut.
fn fraction(rest: &mut &[u8]) -> u32 {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at(length);
    *rest = after;
    (0..6).fold(0, |value, place| {
        value * 10 + digits.get(place).map_or(0, |digit| u32::from(digit - b'0'))
    })
}

/// Takes a number of `least` to `most` digits.
fn number(rest: &mut &[u8], least: usize, most: usize) -> Option<u32> {
    let length = rest
        .iter()
        .take(most)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, after) = rest.split_at(length);
    *rest = after;
    (length >= least).then(|| {
        digits
            .iter()
            .fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
    })
}

fn literal(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.strip_prefix(&[byte])?;
    Some(())
}

/// Takes spaces and tabs; whether there were any.
fn skip_blanks(rest: &mut &[u8]) -> bool {
    let length = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    *rest = &rest[length..];
    length > 0
}

fn days_in_month(year: u16, month: u8) -> u8 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn str_and_repr_are_pythons() {
        for (text, str, repr) in [
            ("2020-01-02", "2020-01-02", "datetime.date(2020, 1, 2)"),
            ("0001-1-2\n", "0001-01-02", "datetime.date(1, 1, 2)"),
            (
                "2024-01-02T03:04:05Z",
                "2024-01-02 03:04:05+00:00",
                "datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)",
            ),
            (
                "2024-01-02 \t3:04:00.5",
                "2024-01-02 03:04:00.500000",
                "datetime.datetime(2024, 1, 2, 3, 4, 0, 500000)",
            ),
            (
                "2024-02-29t23:59:00.1234567 -1:30",
                "2024-02-29 23:59:00.123456-01:30",
                "datetime.datetime(2024, 2, 29, 23, 59, 0, 123456, \
                 tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=81000)))",
            ),
            (
                "2024-01-02 00:00:00.+05",
                "2024-01-02 00:00:00+05:00",
                "datetime.datetime(2024, 1, 2, 0, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=18000)))",
            ),
        ] {
            let timestamp = Timestamp::read(text).unwrap();
            assert_eq!(timestamp.to_string(), str, "{text:?}");
            assert_eq!(timestamp.python_repr(), repr, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_timestamp() {
        for text in [
            "",
            "2020",
            "2020-01",
            "2020-01-02 ",
            "2020-01-02T",
            "2020-01-02 03:04",
            "2020-01-02 3:4:05",
            "2020-01-02 03:04:05 ",
            "2020-01-02 03:04:05z",
            "2020-01-02 03:04:05+",
            "2020-01-02 03:04:05+1:2",
            "0000-01-01",
            "2020-00-01",
            "2020-13-01",
            "2021-02-29",
            "1900-02-29",
            "2020-01-02 24:00:00",
            "2020-01-02 03:60:05",
            "2020-01-02 03:04:60",
            "2020-01-02 03:04:05+24:00",
            "٢020-01-02",
        ] {
            assert_eq!(Timestamp::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn zones_do_not_change_the_moment() {
        let microseconds = |text| Timestamp::read(text).unwrap().microseconds();
        assert_eq!(
            microseconds("2020-01-01 00:30:00+01:00"),
            microseconds("2019-12-31 23:30:00Z")
        );
        assert_eq!(
            microseconds("2000-03-01") - microseconds("2000-02-28"),
            2 * 86_400_000_000
        );
        assert_eq!(
            microseconds("2001-01-01") - microseconds("2000-12-31"),
            86_400_000_000
        );
    }
}
