//! Credentials in netrc files.

use std::fs;
use std::path::PathBuf;

use crate::env_vars;

/// The places where a netrc file may be: the one that `NETRC` names, or the usual two.
pub(crate) fn files(variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    if let Some(file) = variable(env_vars::NETRC) {
        return vec![PathBuf::from(file)];
    }
    let home = variable(env_vars::HOME).map(PathBuf::from);
    home.iter()
        .flat_map(|home| [".netrc", "_netrc"].map(|name| home.join(name)))
        .collect()
}

/// The user, the password and the name of the file, from the entry for `host` in the first of these files that
/// exists, or from its default entry. As in Python's `requests` a file that cannot be read or understood counts for nothing.
pub(crate) fn login(files: &[PathBuf], host: &str) -> Option<(String, String, String)> {
    let file = files.iter().find(|file| file.exists())?;
    // The default entry has no machine.
    let mut entries: Vec<(Option<String>, String, String)> = Vec::new();
    let mut words = tokens(&fs::read_to_string(file).ok()?).into_iter();
    while let Some(token) = words.next() {
        match token.as_str() {
            "machine" => entries.push((Some(words.next()?), String::new(), String::new())),
            "default" => entries.push((None, String::new(), String::new())),
            "login" | "user" => entries.last_mut()?.1 = words.next()?,
            "password" => entries.last_mut()?.2 = words.next()?,
            "account" => drop(words.next()?),
            _ => return None,
        }
    }
    let of = |machine: Option<&str>| entries.iter().rfind(|entry| entry.0.as_deref() == machine);
    let (_, user, password) = of(Some(host)).or_else(|| of(None))?;
    let is_empty = user.is_empty() && password.is_empty();
    (!is_empty).then(|| (user.clone(), password.clone(), file.display().to_string()))
}

/// The words of a netrc file without comments and macros; a word may stand in double quotes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut in_macro = false;
    for line in text.lines().map(str::trim) {
        if in_macro {
            in_macro = !line.is_empty();
            continue;
        }
        let mut rest = line;
        while !rest.is_empty() {
            // A password may begin with '#', so only elsewhere does it begin a comment.
            let is_value = matches!(tokens.last().map(String::as_str), Some("password"));
            if rest.starts_with('#') && !is_value {
                break;
            }
            let (token, after) = match rest.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
                Some((token, after)) => (token, after),
                None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            };
            if token == "macdef" && !is_value {
                in_macro = true;
                break;
            }
            tokens.push(token.to_owned());
            rest = after.trim_start();
        }
    }
    tokens
}
