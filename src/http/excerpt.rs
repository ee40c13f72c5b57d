//! What a person is shown of an answer that nobody expected.

/// Longer texts are cut for a person.
const LONGEST_EXCERPT: usize = 200;

/// The title of a page, or the beginning of another text in one line.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let beginning = &body[..body.len().min(64 * 1024)];
    let text = String::from_utf8_lossy(beginning);
    // Not by its type: some servers call a plain sentence a page.
    let is_page = text.trim_start().starts_with('<');
    let shown = if is_page {
        match page_title(&text) {
            Some(title) => format!("a page titled '{title}'"),
            None => "a page".to_owned(),
        }
    } else {
        one_line(&text)
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
    let plain: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text with no more than so many characters.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
