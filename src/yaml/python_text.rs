//! How Python prints values: `str()` and `repr()`.

use super::node::{Node, Value};

impl Value {
    /// What Python's `str()` prints. Text is itself; dates print as such, but for those in a
    /// collection, which prints the `repr()` of what it holds.
    pub fn to_python_str(&self) -> String {
        match self {
            Self::Str(text) => text.clone(),
            Self::Timestamp(timestamp) => timestamp.to_string(),
            _ => self.to_python_repr(),
        }
    }

    /// What Python's `repr()` prints.
    pub fn to_python_repr(&self) -> String {
        let mut out = String::new();
        write_repr(self, &mut out);
        out
    }

    /// What Python's `ascii()` prints: as `repr()`, with everything beyond ASCII escaped.
    pub fn to_python_ascii(&self) -> String {
        let mut out = String::new();
        for character in self.to_python_repr().chars() {
            match character {
                '\0'..='\x7f' => out.push(character),
                _ => out.push_str(&escape(character)),
            }
        }
        out
    }
}

fn write_repr(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) => write_float(*value, out),
        Value::Str(text) => write_text(text, out),
        Value::Bytes(bytes) => write_bytes(bytes, out),
        Value::Timestamp(timestamp) => out.push_str(&timestamp.python_repr()),
        Value::List(items) => write_items("[", items, "]", out),
        Value::Pairs(pairs) => {
            write_separated("[", pairs.iter(), "]", out, |(first, second), out| {
                write_separated("(", [first, second].into_iter(), ")", out, |node, out| {
                    write_repr(&node.value, out);
                });
            });
        }
        Value::Set(values) if values.is_empty() => out.push_str("set()"),
        Value::Set(values) => write_items("{", values, "}", out),
        Value::Map(mapping) => write_separated("{", mapping.iter(), "}", out, |(key, value), out| {
            write_repr(&key.value, out);
            out.push_str(": ");
            write_repr(&value.value, out);
        }),
    }
}

fn write_items(open: &str, items: &[Node], close: &str, out: &mut String) {
    write_separated(open, items.iter(), close, out, |item, out| {
        write_repr(&item.value, out);
    });
}

fn write_separated<T>(
    open: &str,
    items: impl Iterator<Item = T>,
    close: &str,
    out: &mut String,
    write: impl Fn(T, &mut String),
) {
    out.push_str(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
    out.push_str(close);
}

/// The shortest digits that read back as the same float, with an exponent below 1e-4 and from 1e16.
fn write_float(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("nan");
        return;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        out.push_str("inf");
        return;
    }
    let scientific = shortest_digits(magnitude);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("{mantissa}e{sign}{:02}", exponent.abs()));
        return;
    }
    let digits = mantissa.replace('.', "");
    match usize::try_from(exponent) {
        Ok(exponent) => {
            let (whole, fraction) = digits.split_at_checked(exponent + 1).unwrap_or((&digits, ""));
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            out.push_str(&format!("{whole:0<width$}.{fraction}", width = exponent + 1));
        }
        Err(_) => {
            let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
            out.push_str(&format!("0.{zeros}{digits}"));
        }
    }
}

/// The shortest digits, as `d.ddde-x`. Where two of the same length are as near, Rust takes the
/// greater and Python the even one.
fn shortest_digits(magnitude: f64) -> String {
    let shortest = format!("{magnitude:e}");
    let mantissa_length = shortest.find('e').unwrap_or(shortest.len());
    let places = mantissa_length.saturating_sub("d.".len());
    let nearest = format!("{magnitude:.places$e}");
    if nearest.parse() == Ok(magnitude) {
        nearest
    } else {
        shortest
    }
}

fn write_text(text: &str, out: &mut String) {
    write_quoted(text.chars(), out, |character| {
        if is_printable(character) {
            character.to_string()
        } else {
            escape(character)
        }
    });
}

fn escape(character: char) -> String {
    match u32::from(character) {
        code @ ..0x100 => format!("\\x{code:02x}"),
        code @ 0x100..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

fn write_bytes(bytes: &[u8], out: &mut String) {
    out.push('b');
    write_quoted(bytes.iter().map(|&byte| char::from(byte)), out, escape);
}

/// Writes what texts and bytes have in common; `other` formats anything but printable ASCII.
fn write_quoted(
    characters: impl Iterator<Item = char> + Clone,
    out: &mut String,
    other: impl Fn(char) -> String,
) {
    let holds = |quote| characters.clone().any(|character| character == quote);
    // Double quotes only to save escaping single ones.
    let quote = if holds('\'') && !holds('"') { '"' } else { '\'' };
    out.push(quote);
    for character in characters {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote || character == '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            _ => out.push_str(&other(character)),
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable()` of a character outside ASCII: no control, format, private,
/// unassigned or separating one.
///
/// `str::escape_debug` escapes by the same categories, and also characters that extend a grapheme,
/// but those only at the beginning. Both tables are as new as their Unicode version.
fn is_printable(character: char) -> bool {
    let mut buffer = [b' '; 5];
    let length = character.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..=length]).is_ok_and(|text| text.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repr(value: Value) -> String {
        value.to_python_repr()
    }

    #[test]
    fn floats() {
        for (value, expected) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (0.00001, "1e-05"),
            (0.000012345, "1.2345e-05"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e100, "1e+100"),
            (-1.5e-300, "-1.5e-300"),
            (5e-324, "5e-324"),
            (12.5, "12.5"),
            (120.0, "120.0"),
            (0.00123, "0.00123"),
            (123452344576789.0 + 0.125, "123452344576789.12"),
            (123452344576789.0 + 0.375, "123452344576789.38"),
            (5.684341886080802e-14, "5.684341886080802e-14"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(repr(Value::Float(value)), expected);
        }
    }

    #[test]
    fn texts() {
        for (text, expected) in [
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r#""it's""#),
            (r#"say "x""#, r#"'say "x"'"#),
            (r#"'""#, r#"'\'"'"#),
            ("\\\n\r\t\0\u{1b}\u{7f}", r"'\\\n\r\t\x00\x1b\x7f'"),
            ("é\u{a0}\u{ad}\u{301}", "'é\\xa0\\xad\u{301}'"),
            ("\u{200b}\u{2028}\u{e000}\u{feff}", r"'\u200b\u2028\ue000\ufeff'"),
            (
                "\u{1f600}\u{e0001}\u{10ffff}",
                "'\u{1f600}\\U000e0001\\U0010ffff'",
            ),
        ] {
            assert_eq!(repr(Value::Str(text.to_owned())), expected, "{text:?}");
        }
    }

    #[test]
    fn bytes() {
        for (bytes, expected) in [
            (&b""[..], "b''"),
            (b"a'b", r#"b"a'b""#),
            (b"'\"\\\n\x00\xff~", r#"b'\'"\\\n\x00\xff~'"#),
        ] {
            assert_eq!(repr(Value::Bytes(bytes.to_vec())), expected);
        }
    }
}
