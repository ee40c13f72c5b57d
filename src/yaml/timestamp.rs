//! Dates and times.

use std::fmt;

use jiff::civil;

/// A date, with or without a time: Python's `datetime.date` and `datetime.datetime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// The date, in the years from 1 to 9999.
    pub date: civil::Date,
    /// The time of day.
    pub time: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The time as written, in whole microseconds.
    pub clock: civil::Time,
    /// How many minutes the time is ahead of UTC; `None` if no zone was written.
    pub offset_minutes: Option<i16>,
}

impl Timestamp {
    /// Reads a timestamp as PyYAML does. `None` if the text has another form, or if there is
    /// no such day, time or zone.
    pub(super) fn read(text: &str) -> Option<Self> {
        let written = Written::read(text.strip_suffix('\n').unwrap_or(text))?;
        let exists = !written.has_time || written.time.is_some();
        let date = written.date.filter(|date| date.year() >= 1 && exists)?;
        Some(Self {
            date,
            time: written.time,
        })
    }

    /// The microseconds from 1 January 1970 to the time as written, at UTC if it has a zone; of a date, to
    /// its beginning.
    pub(super) fn microseconds(&self) -> i128 {
        let clock = self.time.map_or(civil::Time::midnight(), |time| time.clock);
        let offset = self.time.and_then(|time| time.offset_minutes).unwrap_or(0);
        let since_1970 = self
            .date
            .to_datetime(clock)
            .duration_since(civil::date(1970, 1, 1).into());
        since_1970.as_micros() - i128::from(offset) * 60_000_000
    }

    /// What Python's `repr()` prints.
    pub(super) fn python_repr(&self) -> String {
        let (year, month, day) = (self.date.year(), self.date.month(), self.date.day());
        let Some(Time {
            clock,
            offset_minutes,
        }) = self.time
        else {
            return format!("datetime.date({year}, {month}, {day})");
        };
        let mut text = format!(
            "datetime.datetime({year}, {month}, {day}, {}, {}",
            clock.hour(),
            clock.minute()
        );
        let microsecond = clock.subsec_nanosecond() / 1000;
        if microsecond != 0 {
            text.push_str(&format!(", {}, {microsecond}", clock.second()));
        } else if clock.second() != 0 {
            text.push_str(&format!(", {}", clock.second()));
        }
        match offset_minutes {
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
        write!(f, "{}", self.date)?;
        let Some(Time {
            clock,
            offset_minutes,
        }) = self.time
        else {
            return Ok(());
        };
        match clock.subsec_nanosecond() {
            0 => write!(f, " {clock}")?,
            _ => write!(f, " {clock:.6}")?,
        }
        match offset_minutes {
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
            None => Ok(()),
        }
    }
}

/// A text in the form of a timestamp.
pub(super) struct Written {
    /// The date, if there is such a day.
    date: Option<civil::Date>,
    /// Whether there is more than a date.
    pub(super) has_time: bool,
    /// The time, if there is such a one.
    time: Option<Time>,
}

impl Written {
    /// Takes the text apart as PyYAML's pattern does.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut rest = text.as_bytes();
        let year = i16::try_from(number(&mut rest, 4, 4)?).ok()?;
        literal(&mut rest, b'-')?;
        let month = two_digits(&mut rest, 1)?;
        literal(&mut rest, b'-')?;
        let day = two_digits(&mut rest, 1)?;
        Some(Self {
            date: civil::Date::new(year, month, day).ok(),
            has_time: !rest.is_empty(),
            time: match rest {
                [] => None,
                _ => time(rest)?,
            },
        })
    }
}

/// What follows the date: a separator, the time, a fraction and a zone. `Some(None)` if there is no such
/// time.
fn time(mut rest: &[u8]) -> Option<Option<Time>> {
    if literal(&mut rest, b'T').is_none() && literal(&mut rest, b't').is_none() && !skip_blanks(&mut rest) {
        return None;
    }
    let hour = two_digits(&mut rest, 1)?;
    literal(&mut rest, b':')?;
    let minute = two_digits(&mut rest, 2)?;
    literal(&mut rest, b':')?;
    let second = two_digits(&mut rest, 2)?;
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
    let is_zone = offset_minutes.is_none_or(|offset| offset.abs() < 24 * 60);
    let clock = civil::Time::new(hour, minute, second, microsecond * 1000).ok();
    Some(clock.filter(|_| is_zone).map(|clock| Time {
        clock,
        offset_minutes,
    }))
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
fn fraction(rest: &mut &[u8]) -> i32 {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at(length);
    *rest = after;
    (0..6).fold(0, |value, place| {
        value * 10 + digits.get(place).map_or(0, |digit| i32::from(digit - b'0'))
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

/// Takes a number of `least` to two digits.
fn two_digits(rest: &mut &[u8], least: usize) -> Option<i8> {
    i8::try_from(number(rest, least, 2)?).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

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
