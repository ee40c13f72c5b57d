//! Values of the `Authorization` header, marked as sensitive. `None` for a text that no header can carry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

/// A user and a password.
pub(crate) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let pair = STANDARD.encode(format!("{user}:{password}"));
    sensitive(&format!("Basic {pair}"))
}

/// An access token.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
