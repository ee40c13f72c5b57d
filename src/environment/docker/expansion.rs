//! What a shell would make of a volume or of an argument for `docker run`.
//!
//! `mlflow run` puts them into a command line for bash, and projects rely on it: `$(pwd)`, `${PWD}`,
//! `$HOME` and `~` stand for directories, quotes are taken away. That much is done here, and all else
//! that bash would do is an error instead of a surprise.

use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

/// Stands for a colon in a path that was put in the place of `$(pwd)` or `~`, so that it is known from one
/// that separates the parts of a volume. Unicode has no such character.
pub(super) const PATH_COLON: char = '\u{fdd0}';

/// What is wrong with a volume or an argument.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExpansionProblem {
    #[error("the command '{0}' is not supported; only pwd is")]
    Command(String),
    #[error("the variable {0} is not set")]
    NotSet(String),
    #[error("'{0}' is not supported; use $NAME, ${{NAME}}, $(pwd) or ~")]
    Unknown(String),
    #[error("a {0} is not closed")]
    Unclosed(char),
    #[error("'{0}' must be quoted")]
    Operator(char),
}

impl ExpansionProblem {
    pub(super) fn hint(&self) -> String {
        match self {
            Self::NotSet(name) => format!("export {name}=…"),
            Self::Command(_) | Self::Unknown(_) => {
                "set a variable to the value and write its name, as in $NAME".to_owned()
            }
            Self::Unclosed(_) | Self::Operator(_) => "put single quotes around the text".to_owned(),
        }
    }
}

pub(super) struct Surroundings<'a> {
    /// The directory that `pwd` prints.
    pub(super) directory: &'a Path,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Surroundings<'_> {
    /// The arguments that `text` stands for, with everything expanded: one, unless there are more options
    /// after white space (`1g --shm-size=2g`), as a shell would split it. White space before anything but
    /// an option belongs to the value: split there, it could not be used at all. A colon of a path that was
    /// put in is a [`PATH_COLON`].
    pub(super) fn arguments(&self, text: &str) -> Result<Vec<String>, ExpansionProblem> {
        let words = self.read(text, true)?;
        if words.iter().skip(1).any(|word| word.starts_with('-')) {
            Ok(words)
        } else {
            self.read(text, false)
        }
    }

    fn read(&self, text: &str, is_split: bool) -> Result<Vec<String>, ExpansionProblem> {
        let mut reader = Reader {
            surroundings: self,
            rest: text.chars().peekable(),
            is_split,
            words: Vec::new(),
            word: None,
        };
        reader.read()?;
        Ok(reader.words)
    }

    fn value(&self, name: &str) -> Result<String, ExpansionProblem> {
        match name {
            "PWD" => Some(marked(self.directory)),
            "HOME" => (self.variable)(name).map(|home| marked(Path::new(&home))),
            _ => (self.variable)(name),
        }
        .ok_or_else(|| ExpansionProblem::NotSet(name.to_owned()))
    }
}

struct Reader<'a> {
    surroundings: &'a Surroundings<'a>,
    rest: Peekable<Chars<'a>>,
    /// White space outside of quotes separates words.
    is_split: bool,
    words: Vec<String>,
    /// The word that is being read; an empty pair of quotes makes one too.
    word: Option<String>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), ExpansionProblem> {
        while let Some(character) = self.rest.next() {
            match character {
                '\'' => {
                    let text = self.until('\'')?;
                    self.push(&text);
                }
                '"' => self.double_quoted()?,
                '\\' => {
                    let escaped = self.rest.next();
                    self.push(&escaped.map_or("\\".to_owned(), String::from));
                }
                '$' | '`' => {
                    let value = self.expansion(character)?;
                    self.push(&value);
                }
                '~' if self.word.is_none() && matches!(self.rest.peek(), None | Some('/' | ':')) => {
                    let home = self.surroundings.value("HOME")?;
                    self.push(&home);
                }
                '|' | '&' | ';' | '<' | '>' | '(' | ')' => return Err(ExpansionProblem::Operator(character)),
                _ if self.is_split && character.is_ascii_whitespace() => self.words.extend(self.word.take()),
                _ => self.push(&character.to_string()),
            }
        }
        self.words.extend(self.word.take());
        Ok(())
    }

    fn push(&mut self, text: &str) {
        self.word.get_or_insert_default().push_str(text);
    }

    fn double_quoted(&mut self) -> Result<(), ExpansionProblem> {
        self.push("");
        loop {
            match self.rest.next() {
                None => return Err(ExpansionProblem::Unclosed('"')),
                Some('"') => return Ok(()),
                Some('\\') => match self.rest.next_if(|next| ['"', '\\', '$', '`'].contains(next)) {
                    Some(escaped) => self.push(&escaped.to_string()),
                    None => self.push("\\"),
                },
                Some(sign @ ('$' | '`')) => {
                    let value = self.expansion(sign)?;
                    self.push(&value);
                }
                Some(other) => self.push(&other.to_string()),
            }
        }
    }

    /// What follows a `$` or a backtick.
    fn expansion(&mut self, sign: char) -> Result<String, ExpansionProblem> {
        if sign == '`' {
            let command = self.until('`')?;
            return self.substituted(&command);
        }
        match self.rest.peek() {
            Some('(') => {
                self.rest.next();
                let command = self.until(')')?;
                self.substituted(&command)
            }
            Some('{') => {
                self.rest.next();
                let name = self.until('}')?;
                if !is_name(&name) {
                    return Err(ExpansionProblem::Unknown(format!("${{{name}}}")));
                }
                self.surroundings.value(&name)
            }
            Some(first) if first.is_ascii_alphabetic() || *first == '_' => {
                let mut name = String::new();
                let is_in_name = |next: &char| next.is_ascii_alphanumeric() || *next == '_';
                while let Some(character) = self.rest.next_if(is_in_name) {
                    name.push(character);
                }
                self.surroundings.value(&name)
            }
            Some(other) if !other.is_ascii_whitespace() && !matches!(other, '"' | '/' | ':') => {
                Err(ExpansionProblem::Unknown(format!("${other}")))
            }
            _ => Ok("$".to_owned()),
        }
    }

    fn substituted(&self, command: &str) -> Result<String, ExpansionProblem> {
        match command.trim() {
            "pwd" => self.surroundings.value("PWD"),
            other => Err(ExpansionProblem::Command(other.to_owned())),
        }
    }

    fn until(&mut self, end: char) -> Result<String, ExpansionProblem> {
        let mut text = String::new();
        for character in self.rest.by_ref() {
            if character == end {
                return Ok(text);
            }
            text.push(character);
        }
        Err(ExpansionProblem::Unclosed(match end {
            ')' => '(',
            '}' => '{',
            quote => quote,
        }))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// A path in which every colon is a [`PATH_COLON`].
fn marked(path: &Path) -> String {
    path.to_string_lossy().replace(':', &PATH_COLON.to_string())
}

/// A volume whose host side is a path relative to `directory` (`./data:/data`), with the whole path.
/// A name without a dot in front is that of a volume which the engine keeps.
pub(super) fn with_whole_path(volume: &str, directory: &Path) -> String {
    let (host, rest) = match volume.split_once(':') {
        Some((host, rest)) => (host, Some(rest)),
        None => (volume, None),
    };
    let is_relative = matches!(host, "." | "..") || host.starts_with("./") || host.starts_with("../");
    match rest {
        Some(rest) if is_relative => {
            let path = directory.join(host);
            let path = std::path::absolute(&path).unwrap_or(path);
            format!("{}:{rest}", marked(&path))
        }
        _ => volume.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<String>, String> {
        let variable = |name: &str| match name {
            "HOME" => Some("/home/me".to_owned()),
            "DATA" => Some("/a b".to_owned()),
            _ => None,
        };
        let surroundings = Surroundings {
            directory: Path::new("/project"),
            variable: &variable,
        };
        surroundings
            .arguments(text)
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn texts_become_what_a_shell_makes_of_them() {
        for (text, expected) in [
            ("/a:/b", &["/a:/b"][..]),
            ("$(pwd)/data:/data", &["/project/data:/data"]),
            ("$( pwd ):/x", &["/project:/x"]),
            ("`pwd`:/x", &["/project:/x"]),
            ("$PWD:/x", &["/project:/x"]),
            ("${PWD}:/x:ro", &["/project:/x:ro"]),
            ("\"$(pwd)\":/x", &["/project:/x"]),
            ("~:/x", &["/home/me:/x"]),
            ("~/d:/x", &["/home/me/d:/x"]),
            ("~other:/x", &["~other:/x"]),
            ("/a:~/x", &["/a:~/x"]),
            ("'$PWD':\\$x", &["$PWD:$x"]),
            ("\"$DATA\":/x", &["/a b:/x"]),
            ("$DATA:/x", &["/a b:/x"]),
            ("\"a\\\"b\\c\"", &["a\"b\\c"]),
            ("a b  c", &["a b  c"]),
            ("a --b 'c d' e", &["a", "--b", "c d", "e"]),
            ("''", &[""]),
            ("5$", &["5$"]),
            ("", &[]),
        ] {
            assert_eq!(
                words(text),
                Ok(expected.iter().map(|word| (*word).to_owned()).collect()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_only_a_shell_could_do_is_an_error() {
        for (text, expected) in [
            ("$(date):/x", "the command 'date' is not supported; only pwd is"),
            ("`id -u`", "the command 'id -u' is not supported; only pwd is"),
            ("$NOPE:/x", "the variable NOPE is not set"),
            (
                "${A:-b}",
                "'${A:-b}' is not supported; use $NAME, ${NAME}, $(pwd) or ~",
            ),
            ("$1", "'$1' is not supported; use $NAME, ${NAME}, $(pwd) or ~"),
            ("'a", "a ' is not closed"),
            ("$(pwd", "a ( is not closed"),
            ("a;b", "';' must be quoted"),
        ] {
            assert_eq!(words(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn relative_host_paths_become_whole() {
        for (volume, expected) in [
            ("./data:/data", "/project/data:/data"),
            (".:/x:ro", "/project:/x:ro"),
            ("data:/data", "data:/data"),
            (".cache", ".cache"),
            ("/a:/b", "/a:/b"),
        ] {
            assert_eq!(with_whole_path(volume, Path::new("/project")), expected);
        }
    }
}
