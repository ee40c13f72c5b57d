//! Numbers and booleans in environment variables.

/// A variable has a value that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is '{value}', but must be {expected}")]
pub struct VariableError {
    /// The variable.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it may be.
    pub expected: String,
}

impl VariableError {
    /// What the person can do about it.
    pub(crate) fn hint(&self) -> String {
        format!("correct {}, or unset it", self.name)
    }
}

/// A boolean as MLflow spells it; anything else is an error there too.
pub(crate) fn boolean(
    variable: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    default: bool,
) -> Result<bool, VariableError> {
    match variable(name) {
        None => Ok(default),
        Some(value) => match value.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(VariableError {
                name,
                value,
                expected: "true, false, 1 or 0".to_owned(),
            }),
        },
    }
}

pub(crate) fn whole_number(
    variable: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    default: i64,
    range: std::ops::RangeInclusive<i64>,
) -> Result<i64, VariableError> {
    let Some(value) = variable(name) else {
        // A lowered limit is an error for the default too, as it is in MLflow.
        return if range.contains(&default) {
            Ok(default)
        } else {
            Err(out_of_range(name, default.to_string(), &range))
        };
    };
    match value.trim().parse::<i64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(out_of_range(name, value, &range)),
    }
}

fn out_of_range(name: &'static str, value: String, range: &std::ops::RangeInclusive<i64>) -> VariableError {
    let (start, end) = (range.start(), range.end());
    let expected = if *end >= i64::from(u32::MAX) {
        format!("a whole number from {start} up")
    } else {
        format!("a whole number from {start} to {end}")
    };
    VariableError {
        name,
        value,
        expected,
    }
}

pub(crate) fn seconds(
    variable: &dyn Fn(&str) -> Option<String>,
    name: &'static str,
    default: f64,
) -> Result<f64, VariableError> {
    let Some(value) = variable(name) else {
        return Ok(default);
    };
    match value.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(VariableError {
            name,
            value,
            expected: "a number of seconds, not negative".to_owned(),
        }),
    }
}
