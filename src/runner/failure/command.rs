//! The simple commands in a shell's command, as far as they can be told without running it.

/// The words of each simple command. Empty if the text does more than call programs one after the other: loops,
/// functions, substitutions.
pub(super) fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    for token in tokens(text) {
        match token {
            Token::Word(word) => commands.last_mut().expect("there is one").push(word),
            Token::End => commands.push(Vec::new()),
            Token::Unknown => return Vec::new(),
        }
    }
    let commands = commands.into_iter().map(without_prefixes);
    let commands: Vec<_> = commands.filter(|words| !words.is_empty()).collect();
    let is_structure = |words: &Vec<String>| STRUCTURES.contains(&words[0].as_str());
    if commands.iter().any(is_structure) {
        return Vec::new();
    }
    commands
}

/// Words that begin what is not a simple command.
const STRUCTURES: [&str; 16] = [
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "select",
    "function", "[[", "((",
];

/// Commands that only run another one.
const PREFIXES: [&str; 8] = ["exec", "command", "nohup", "time", "!", "{", "}", "env"];

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// A simple command ends here.
    End,
    /// The shell would have to be asked.
    Unknown,
}

/// A simple command without assignments and what only runs it.
fn without_prefixes(words: Vec<String>) -> Vec<String> {
    let is_before = |word: &String| is_assignment(word) || PREFIXES.contains(&word.as_str());
    words.into_iter().skip_while(is_before).collect()
}

fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else {
        return false;
    };
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                let word = word.get_or_insert_default();
                word.extend(letters.by_ref().take_while(|letter| *letter != '\''));
            }
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
                    match letter {
                        '\\' => word.extend(letters.next()),
                        '`' => return vec![Token::Unknown],
                        _ => word.push(letter),
                    }
                }
            }
            // A line that goes on.
            '\\' if letters.peek() == Some(&'\n') => drop(letters.next()),
            '\\' => word.get_or_insert_default().extend(letters.next()),
            '`' | '(' | ')' => return vec![Token::Unknown],
            '<' if letters.peek() == Some(&'<') => return vec![Token::Unknown],
            '<' | '>' => {
                // The number before is a file's, and the word after it names the file.
                word = word.filter(|word| !word.bytes().all(|byte| byte.is_ascii_digit()));
                tokens.extend(word.take().map(Token::Word));
                while letters
                    .next_if(|letter| matches!(letter, '>' | '&' | '|' | ' '))
                    .is_some()
                {}
                while letters
                    .next_if(|letter| !letter.is_whitespace() && !";|&".contains(*letter))
                    .is_some()
                {}
            }
            ';' | '|' | '&' | '\n' => {
                tokens.extend(word.take().map(Token::Word));
                tokens.push(Token::End);
            }
            '#' if word.is_none() => while letters.next_if(|letter| *letter != '\n').is_some() {},
            _ if letter.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    tokens.extend(word.map(Token::Word));
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_simple_commands_are_found() {
        for (text, expected) in [
            (
                "python train.py --alpha 0.5",
                &[&["python", "train.py", "--alpha", "0.5"][..]][..],
            ),
            ("  A=1 B='x y' exec ./run.sh  ", &[&["./run.sh"]]),
            (
                "env X=1 nohup python3 -u a.py > log.txt 2>&1 &",
                &[&["python3", "-u", "a.py"]],
            ),
            (
                "a && b; c|d || e\nf",
                &[&["a"], &["b"], &["c"], &["d"], &["e"], &["f"]],
            ),
            (
                "a 'it'\\''s' \"two words\" \\\n b",
                &[&["a", "it's", "two words", "b"]],
            ),
            ("# only\na # b\n", &[&["a"]]),
            ("cat <in >out", &[&["cat"]]),
            ("for x in a b; do echo $x; done", &[]),
            ("echo $(date)", &[]),
            ("f() { a; }", &[]),
            ("cat <<E\nx\nE", &[]),
            ("{ a; }", &[&["a"]]),
            ("", &[]),
        ] {
            assert_eq!(simple_commands(text), expected, "{text}");
        }
    }
}
