//! An entry point's command as the container gets it.

/// Words with which a command is the shell's own business and no program's.
const SHELL_WORDS: [&str; 27] = [
    "!", ".", ":", "[[", "break", "case", "cd", "command", "continue", "eval", "exec", "exit", "export",
    "for", "function", "if", "read", "return", "set", "shift", "source", "trap", "ulimit", "umask", "unset",
    "until", "while",
];

/// The command's words where no shell is needed to tell them, else `sh -c` with the whole command. It
/// is never the shell of this machine that reads it.
pub(in crate::backend) fn words(command: &str) -> Vec<String> {
    plain_words(command).unwrap_or_else(|| ["sh", "-c", command].map(str::to_owned).into())
}

fn plain_words(command: &str) -> Option<Vec<String>> {
    if needs_shell(command.trim_end()) {
        return None;
    }
    let words = shlex::split(command.trim_end())?;
    let first = words.first()?;
    let is_assignment = first.contains('=');
    (!is_assignment && !SHELL_WORDS.contains(&first.as_str())).then_some(words)
}

/// Whether there is a sign outside of quotes that a shell gives a meaning, or one that keeps its meaning
/// inside of double quotes.
fn needs_shell(command: &str) -> bool {
    let mut quote = None;
    let mut characters = command.chars();
    let mut is_word_start = true;
    while let Some(character) = characters.next() {
        let begins_word = std::mem::replace(&mut is_word_start, false);
        match (quote, character) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '$' | '`') => return true,
            (_, '\\') => {
                // A line that goes on is left to the shell.
                if characters.next().is_none_or(|escaped| escaped == '\n') {
                    return true;
                }
            }
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | '{' | '\n') => return true,
            (None, '#' | '~') if begins_word => return true,
            (None, ' ' | '\t') => is_word_start = true,
            (None, _) => {}
        }
    }
    quote.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_need_no_shell() {
        for (command, expected) in [
            ("python train.py", &["python", "train.py"][..]),
            (
                "python train.py --alpha 0.5 'two words'",
                &["python", "train.py", "--alpha", "0.5", "two words"],
            ),
            ("echo 'a;$b' \"c d\" e\\ f", &["echo", "a;$b", "c d", "e f"]),
            ("echo 'it'\"'\"'s'", &["echo", "it's"]),
            ("echo '' a=b x#y a~\n", &["echo", "", "a=b", "x#y", "a~"]),
        ] {
            assert_eq!(words(command), expected, "{command}");
        }
    }

    #[test]
    fn all_else_is_read_by_the_shell_in_the_container() {
        for command in [
            "a && b",
            "a | b",
            "a; b",
            "a > b",
            "echo $HOME",
            "echo \"$HOME\"",
            "echo `id`",
            "echo *.py",
            "ls ~",
            "echo # x",
            "a\nb",
            "a \\\n b",
            "X=1 a",
            "cd x",
            "if true",
            "echo {a,b}",
            "echo 'open",
            "",
        ] {
            assert_eq!(words(command), ["sh", "-c", command], "{command}");
        }
    }
}
