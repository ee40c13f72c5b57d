//! Quotes a word for a POSIX shell, exactly as Python's `shlex.quote` does.

use std::borrow::Cow;

/// The word as a shell reads it back unchanged.
///
/// Only ASCII letters, digits and a few harmless signs stay bare; everything else, also a letter
/// such as `ü`, puts the whole word into single quotes.
pub(crate) fn quote(word: &str) -> Cow<'_, str> {
    if word.is_empty() {
        Cow::Borrowed("''")
    } else if word.bytes().all(is_safe) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r#"'"'"'"#)))
    }
}

fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_shlex_does() {
        for (word, expected) in [
            ("", "''"),
            ("plain", "plain"),
            ("A1_@%+=:,./-", "A1_@%+=:,./-"),
            ("two words", "'two words'"),
            ("it's", r#"'it'"'"'s'"#),
            ("'", r#"''"'"''"#),
            ("ü", "'ü'"),
            ("~/x", "'~/x'"),
            ("#", "'#'"),
            ("a\nb", "'a\nb'"),
            ("$HOME", "'$HOME'"),
            ("a{b}", "'a{b}'"),
            ("٣", "'٣'"),
        ] {
            assert_eq!(quote(word), expected, "{word}");
        }
    }
}
