//! What a person is shown of an answer that nobody expected, and of one that refuses.

use reqwest::StatusCode;
use serde_json::Value;

/// Longer texts are cut for a person.
const LONGEST_EXCERPT: usize = 200;

/// Longer messages are cut for a person.
const LONGEST_MESSAGE: usize = 1500;

/// The error code and the message of a refusal by MLflow's REST API, by Databricks' or by an OAuth service
/// (RFC 6749, section 5.2), if the body holds them.
pub(crate) fn code_and_message(body: &[u8]) -> Option<(String, String)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let (code, message) = match &body["error_description"] {
        Value::String(said) if body["error_code"].is_null() => (text(&body["error"]), said.clone()),
        _ => (text(&body["error_code"]), text(&body["message"])),
    };
    // Some codes come with the code once more before the message.
    let message = message
        .strip_prefix(&code)
        .and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(&message);
    (!code.is_empty()).then(|| (code.clone(), cut(message.trim(), LONGEST_MESSAGE)))
}

/// The status with its usual words.
pub(crate) fn shown_status(status: u16) -> String {
    let known = StatusCode::from_u16(status).ok();
    match known.and_then(|code| code.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

/// How often it was tried, where that was more than once.
pub(super) fn after_tries(tries: u32) -> String {
    match tries {
        0 | 1 => String::new(),
        tries => format!(" (after {tries} tries)"),
    }
}

/// The title of a page, or the beginning of another text in one line.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let beginning = &body[..body.len().min(64 * 1024)];
    let text = String::from_utf8_lossy(beginning);
    // Not by its type: some servers call a plain sentence a page.
    let is_page = text.trim_start().starts_with('<');
    let shown = match (is_page, page_title(&text)) {
        (false, _) => one_line(&text),
        (true, Some(title)) => format!("a page titled '{title}'"),
        (true, None) => "a page".to_owned(),
    };
    cut(&shown, LONGEST_EXCERPT)
}

fn page_title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    Some(one_line(&page[start..end])).filter(|title| !title.is_empty())
}

/// The text without line breaks and other control characters, which could move a terminal's cursor.
fn one_line(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let words = words.filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// The text with no more than so many characters.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
