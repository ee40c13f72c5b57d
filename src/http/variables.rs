//! Numbers and booleans in environment variables.

use std::ops::RangeInclusive;

/// A variable has a value that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is '{value}', but must be {expected}")]
pub struct VariableError {
    pub name: &'static str,
    pub value: String,
    pub expected: String,
}

impl VariableError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> String {
        format!("correct {}, or unset it", self.name)
    }
}

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;
type Read<T> = Result<T, VariableError>;

/// What the variable's value, or the default in its place, means to `read`.
fn value<T>(
    variable: Variables<'_>,
    name: &'static str,
    default: impl ToString,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Read<T> {
    let value = variable(name).unwrap_or_else(|| default.to_string());
    read(&value).ok_or_else(|| VariableError {
        name,
        value,
        expected: expected.to_owned(),
    })
}

/// A boolean as MLflow spells it; anything else is an error there too.
pub(crate) fn boolean(variable: Variables<'_>, name: &'static str, default: bool) -> Read<bool> {
    let read = |value: &str| match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    };
    value(variable, name, default, "true, false, 1 or 0", read)
}

/// A number in this range. A lowered limit is an error for the default too, as it is in MLflow.
pub(crate) fn whole_number(
    variable: Variables<'_>,
    name: &'static str,
    default: i64,
    range: RangeInclusive<i64>,
) -> Read<i64> {
    let (start, end) = (range.start(), range.end());
    let expected = if *end >= i64::from(u32::MAX) {
        format!("a whole number from {start} up")
    } else {
        format!("a whole number from {start} to {end}")
    };
    let read = |value: &str| value.trim().parse().ok().filter(|number| range.contains(number));
    value(variable, name, default, &expected, read)
}

pub(crate) fn seconds(variable: Variables<'_>, name: &'static str, default: f64) -> Read<f64> {
    let is_time = |number: &f64| number.is_finite() && *number >= 0.0;
    let read = |value: &str| value.trim().parse().ok().filter(is_time);
    value(variable, name, default, "a number of seconds, not negative", read)
}
