//! A terminal of a given width, with a person's shell in it: what mlrun shows there, in which colours.

use std::fs;

use super::{Printed as _, Project, require_program};

/// More lines than anything that is shown at once.
const LINES: &str = "200";

/// What a terminal shows after a call.
pub(crate) struct Screen {
    pub(crate) code: i32,
    /// The lines with the terminal's own codes for colours.
    shown: String,
}

impl Screen {
    /// What can be read.
    pub(crate) fn plain(&self) -> String {
        console::strip_ansi_codes(&self.shown).into_owned()
    }

    /// The lines with colours by their names, such as `<bold red>error:</> no`.
    pub(crate) fn marked(&self) -> String {
        let mut text = String::new();
        let mut style = Style::default();
        for line in self.shown.lines() {
            let mut open = String::new();
            for (part, is_code) in console::AnsiCodeIterator::new(line) {
                if is_code {
                    style.apply(part);
                } else if style.name() != open {
                    text.push_str(if open.is_empty() { "" } else { "</>" });
                    open = style.name();
                    text.push_str(&if open.is_empty() {
                        String::new()
                    } else {
                        format!("<{open}>")
                    });
                    text.push_str(part);
                } else {
                    text.push_str(part);
                }
            }
            text.push_str(if open.is_empty() { "\n" } else { "</>\n" });
        }
        text
    }
}

/// How letters look.
#[derive(Default)]
struct Style {
    effect: &'static str,
    color: String,
}

impl Style {
    /// Takes over a code such as `ESC[1;31m`; one that does not colour is no matter here.
    fn apply(&mut self, code: &str) {
        const COLORS: [&str; 8] = [
            "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
        ];
        let numbers = code
            .strip_prefix("\u{1b}[")
            .and_then(|code| code.strip_suffix('m'));
        for number in numbers.into_iter().flat_map(|numbers| numbers.split(';')) {
            match number.parse().unwrap_or(0) {
                0 => *self = Self::default(),
                1 => self.effect = "bold",
                2 => self.effect = "dim",
                22 => self.effect = "",
                39 => self.color.clear(),
                number @ 30..=37 => COLORS[number - 30].clone_into(&mut self.color),
                number @ 90..=97 => self.color = format!("bright-{}", COLORS[number - 90]),
                _ => {}
            }
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.effect, self.color).trim().to_owned()
    }
}

/// Types a call of `mlrun` in a terminal with so many columns, and looks when it has ended. Nothing, if there is
/// no tmux to be the terminal.
pub(crate) fn on_screen(project: &Project, columns: usize, call: &str) -> Option<Screen> {
    let tmux = require_program("tmux")?;
    let sandbox = project.sandbox();
    let (socket, code) = (sandbox.root().join("tmux"), sandbox.root().join("code"));
    let server = |arguments: &[&str]| {
        let mut command = sandbox.command(&tmux);
        command
            .arg("-S")
            .arg(&socket)
            .args(["-u", "-f", "/dev/null"])
            .args(arguments);
        command.envs(project.environment());
        command
    };
    // The terminal reports where the cursor is when it has shown all that came before.
    let script = format!(
        r#"mlrun() {{ "{mlrun}" "$@"; }}
{call}
echo $? >"{code}"
command -p stty -echo -icanon
printf '\033[6n'
IFS= read -rs -d R _
"{tmux}" -S "{socket}" wait-for -S shown
"{tmux}" -S "{socket}" wait-for never
"#,
        mlrun = env!("CARGO_BIN_EXE_mlrun"),
        tmux = tmux.display(),
        socket = socket.display(),
        code = code.display(),
    );
    let width = columns.to_string();
    server(&[
        "new-session",
        "-d",
        "-x",
        &width,
        "-y",
        LINES,
        "bash",
        "-c",
        &script,
    ])
    .printed();
    server(&["wait-for", "shown"]).printed();
    let shown = server(&["capture-pane", "-p", "-e"]).printed();
    server(&["kill-server"]).printed();
    Some(Screen {
        code: fs::read_to_string(code).unwrap().trim().parse().unwrap(),
        shown: format!("{}\n", shown.trim_end()),
    })
}

#[test]
fn colours_have_names() {
    let screen = Screen {
        code: 0,
        shown: "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m\u{1b}[39m no\n\u{1b}[2mfaint\n\u{1b}[0m\u{1b}[94mblue\n"
            .to_owned(),
    };
    assert_eq!(
        screen.marked(),
        "<bold red>error:</> no\n<dim>faint</>\n<bright-blue>blue</>\n"
    );
    assert_eq!(screen.plain(), "error: no\nfaint\nblue\n");
}
