//! Words for a shell.

use std::borrow::Cow;

/// The word quoted for a POSIX shell, exactly as by Python's `shlex.quote`: anything but ASCII letters, digits and a
/// few harmless signs, even a letter such as `ü`, puts the whole word into single quotes.
pub(crate) fn quote(word: &str) -> Cow<'_, str> {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if word.is_empty() {
        Cow::Borrowed("''")
    } else if word.bytes().all(is_safe) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r#"'"'"'"#)))
    }
}
