//! What a line means that pip, uv, conda, pyenv or docker writes.

/// What a line tells of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// What happens from now on.
    Step(String),
    /// A package is needed; its files may have to be read for that.
    Found(String),
    /// A package of those that were found is downloaded, or was there already.
    Fetching(String),
    /// So many packages will be there.
    Total(u64),
    /// So many packages are installed, one after the other.
    Installing(u64),
    /// So many parts of so many are done.
    Parts { done: u64, total: u64, step: String },
    /// A part of an image has come to be known, or is there.
    Layer { id: String, is_there: bool },
}

/// The beginnings of lines that are advice for somebody who types the commands that mlrun calls, and of news
/// of a tool's own.
const ADVICE: [&str; 17] = [
    "Activate with: ",
    "[notice] ",
    "WARNING: You are using pip version",
    "You should consider upgrading via",
    "# To activate this environment",
    "# To deactivate an active environment",
    "#     $ conda ",
    "To activate this environment, use",
    "micromamba activate ",
    "mamba activate ",
    "Or to execute a single command in this environment",
    "micromamba run ",
    "mamba run ",
    "==> WARNING: A newer version of conda exists",
    "Please update conda by running",
    "$ conda update ",
    "Use 'docker scan' to run Snyk tests",
];

/// Whether a line is of no use to whoever runs mlrun: advice for others, a state of a progress bar, or how conda
/// calls pip, with a temporary file that is gone by then.
pub(super) fn is_noise(line: &str) -> bool {
    let text = line.trim();
    let calls_pip = text.starts_with("['") && text.contains("'-m', 'pip', 'install'");
    text == "#" || ADVICE.iter().any(|beginning| text.starts_with(beginning)) || is_bar(text) || calls_pip
}

/// pip's bars have a thick line, conda's have signs between pipes: `numpy-2.0 | 5.6 MB | ##4 | 24%`.
fn is_bar(text: &str) -> bool {
    let is_of_conda = || text.matches(" | ").count() >= 2 && text.ends_with('%');
    text.starts_with(['━', '╸']) || is_of_conda()
}

/// What a line means for the build, if anything.
pub(super) fn meaning(line: &str) -> Option<Meaning> {
    let text = line.trim();
    of_python(line, text)
        .or_else(|| of_uv(text))
        .or_else(|| of_conda(text))
        .or_else(|| of_image(text))
}

fn step(text: impl Into<String>) -> Option<Meaning> {
    Some(Meaning::Step(text.into()))
}

/// Lines of pip and pyenv.
fn of_python(line: &str, text: &str) -> Option<Meaning> {
    let is_indented = line.starts_with(' ');
    for beginning in ["Collecting ", "Processing ", "Obtaining "] {
        if let Some(rest) = line.strip_prefix(beginning) {
            // "Collecting package metadata" is conda's.
            let name = package_of_requirement(first_word(rest));
            return (name != "package").then(|| Meaning::Found(name.to_owned()));
        }
    }
    for beginning in ["Downloading ", "Using cached "] {
        if let Some(file) = text.strip_prefix(beginning)
            && (file.contains(".whl") || file.contains(".tar.") || file.contains(".zip"))
        {
            let name = package_of_file(first_word(file));
            return if is_indented || file.starts_with("Python-") {
                step(format!("downloading {name}"))
            } else {
                Some(Meaning::Fetching(name.to_owned()))
            };
        }
    }
    if let Some(rest) = text.strip_prefix("Building wheel for ")
        && rest.ends_with("started")
    {
        return step(format!("building {}", first_word(rest)));
    }
    if let Some(names) = text.strip_prefix("Installing collected packages: ") {
        return Some(Meaning::Installing(names.split(", ").count() as u64));
    }
    let python = text.strip_prefix("Installing Python-")?;
    step(format!("building Python {}", python.trim_end_matches('.')))
}

/// Lines of uv.
fn of_uv(text: &str) -> Option<Meaning> {
    if let Some(rest) = text.strip_prefix("Using CPython ") {
        return step(format!("creating Python {}", first_word(rest)));
    }
    if let Some(rest) = text.strip_prefix("Resolved ") {
        return Some(Meaning::Total(first_word(rest).parse().ok()?));
    }
    if let Some(rest) = text.strip_prefix("Prepared ") {
        return Some(Meaning::Installing(first_word(rest).parse().ok()?));
    }
    if let Some(rest) = text
        .strip_prefix("Building ")
        .filter(|rest| !rest.starts_with("wheel"))
    {
        return step(format!("building {}", first_word(rest)));
    }
    // With a size: `Downloading numpy (16.1MiB)`.
    let rest = text
        .strip_prefix("Downloading ")
        .filter(|_| text.ends_with(')'))?;
    step(format!("downloading {rest}"))
}

/// Lines of conda and micromamba.
fn of_conda(text: &str) -> Option<Meaning> {
    let is_done = text.ends_with("done");
    for (beginning, next) in [
        ("Collecting package metadata", "resolving"),
        ("Solving environment", "downloading"),
        ("Downloading and Extracting Packages", "installing"),
        ("Preparing transaction", "installing"),
        ("Executing transaction", "finishing"),
    ] {
        if text.starts_with(beginning) && is_done {
            return step(next);
        }
    }
    let number = text.strip_prefix("Install: ")?.strip_suffix(" packages")?;
    Some(Meaning::Total(number.trim().parse().ok()?))
}

/// Lines of docker's builds, with BuildKit and without, and of its pulls and pushes.
fn of_image(text: &str) -> Option<Meaning> {
    if let Some(rest) = text.strip_prefix("Step ") {
        let (position, instruction) = rest.split_once(" : ")?;
        return parts(position, instruction);
    }
    if let Some(rest) = text.strip_prefix('#') {
        let (position, instruction) = rest.split_once(" [")?.1.split_once("] ")?;
        return parts(position, instruction);
    }
    let (id, state) = text.split_once(": ")?;
    let is_id = id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        return None;
    }
    let is_there = [
        "Pull complete",
        "Already exists",
        "Pushed",
        "Layer already exists",
        "Mounted from",
    ];
    Some(Meaning::Layer {
        id: id.to_owned(),
        is_there: is_there.iter().any(|beginning| state.starts_with(beginning)),
    })
}

fn parts(position: &str, instruction: &str) -> Option<Meaning> {
    let position = position.rsplit(' ').next()?;
    let (number, total) = position.split_once('/')?;
    let number: u64 = number.parse().ok()?;
    Some(Meaning::Parts {
        done: number.saturating_sub(1),
        total: total.parse().ok()?,
        step: first_word(instruction).to_owned(),
    })
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// `numpy` of `numpy[x]>=2`, and the file's name of a path.
fn package_of_requirement(requirement: &str) -> &str {
    if let Some((_, name)) = requirement.trim_end_matches('/').rsplit_once('/') {
        return name;
    }
    let is_of_name = |character: char| character.is_alphanumeric() || "._-".contains(character);
    let end = requirement.find(|character| !is_of_name(character));
    &requirement[..end.unwrap_or(requirement.len())]
}

/// `numpy` of `numpy-2.4.6-cp311-cp311-manylinux.whl`, which may be the end of a URL.
fn package_of_file(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    if name.starts_with("Python-") {
        return name.split(".tar").next().unwrap_or(name);
    }
    name.split('-').next().unwrap_or(name)
}

/// `FILE (line 3)` in a program's line, or `FILE:3:1`.
pub(super) struct Reference<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    /// Where it begins and ends in the program's line.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Reference<'a> {
    pub(super) fn find(line: &'a str) -> Option<Self> {
        Self::with_word(line).or_else(|| Self::with_colons(line))
    }

    /// Also `from line 3 of FILE`, as pip says it of a requirement that it cannot read.
    fn with_word(text: &'a str) -> Option<Self> {
        if let Some(at) = text.find("from line ") {
            let (number, file) = text[at + "from line ".len()..].split_once(" of ")?;
            let file = file.split(')').next()?;
            let start = at + "from ".len();
            let end = start + "line ".len() + number.len() + " of ".len() + file.len();
            return Some(Self {
                file,
                line: number.parse().ok()?,
                start,
                end,
            });
        }
        let at = text.find(" (line ")?;
        let rest = &text[at + " (line ".len()..];
        let close = rest.find(')')?;
        let start = text[..at].rfind(' ').map_or(0, |space| space + 1);
        Some(Self {
            file: text[start..at].trim_start_matches('('),
            line: rest[..close].parse().ok()?,
            start,
            end: at + " (line ".len() + close + 1,
        })
    }

    fn with_colons(text: &'a str) -> Option<Self> {
        let word = text.split(' ').rfind(|word| word.contains(".txt:"))?;
        let (file, rest) = word.split_once(".txt:")?;
        let line = rest.split(':').next()?.parse().ok()?;
        let start = text.find(word)?;
        Some(Self {
            file: &word[..file.len() + ".txt".len()],
            line,
            start,
            end: start + word.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let step = |text: &str| Some(Meaning::Step(text.to_owned()));
        let parts = |done, total, step: &str| {
            let step = step.to_owned();
            Some(Meaning::Parts { done, total, step })
        };
        for (line, expected) in [
            (
                "Collecting numpy>=2 (from -r r.txt (line 3))",
                Some(Meaning::Found("numpy".into())),
            ),
            (
                "Processing ./wheels/tiny-1.0-py3-none-any.whl",
                Some(Meaning::Found("tiny-1.0-py3-none-any.whl".into())),
            ),
            (
                "  Downloading numpy-2.4.6-cp311-cp311-manylinux.whl.metadata (62 kB)",
                step("downloading numpy"),
            ),
            (
                "Downloading numpy-2.4.6-cp311-cp311-manylinux.whl (16.9 MB)",
                Some(Meaning::Fetching("numpy".into())),
            ),
            (
                "Using cached https://host/a/idna-3.7-py3-none-any.whl (66 kB)",
                Some(Meaning::Fetching("idna".into())),
            ),
            (
                "  Building wheel for bad (pyproject.toml): started",
                step("building bad"),
            ),
            (
                "  Building wheel for bad (pyproject.toml): finished with status 'done'",
                None,
            ),
            (
                "Installing collected packages: urllib3, numpy, idna",
                Some(Meaning::Installing(3)),
            ),
            (
                "Using CPython 3.11.2 interpreter at: /usr/bin/python3",
                step("creating Python 3.11.2"),
            ),
            ("Resolved 6 packages in 141ms", Some(Meaning::Total(6))),
            ("Downloading numpy (16.1MiB)", step("downloading numpy (16.1MiB)")),
            (" Downloaded numpy", None),
            ("   Building bad @ file:///tmp/bad", step("building bad")),
            ("Prepared 6 packages in 226ms", Some(Meaning::Installing(6))),
            (
                "Downloading Python-3.11.9.tar.xz...",
                step("downloading Python-3.11.9"),
            ),
            ("Installing Python-3.11.9...", step("building Python 3.11.9")),
            (
                "Collecting package metadata (repodata.json): ...working... done",
                step("resolving"),
            ),
            ("Solving environment: ...working... failed", None),
            ("Executing transaction: ...working... done", step("finishing")),
            ("  Install: 12 packages", Some(Meaning::Total(12))),
            ("#5 [2/3] COPY project /mlflow/projects/code", parts(1, 3, "COPY")),
            ("#5 [stage-1 3/3] WORKDIR /x", parts(2, 3, "WORKDIR")),
            ("Step 1/3 : FROM python", parts(0, 3, "FROM")),
            (
                "0123456789ab: Pull complete",
                Some(Meaning::Layer {
                    id: "0123456789ab".into(),
                    is_there: true,
                }),
            ),
            (
                "0123456789ab: Preparing",
                Some(Meaning::Layer {
                    id: "0123456789ab".into(),
                    is_there: false,
                }),
            ),
            ("latest: Pulling from x", None),
            ("", None),
        ] {
            assert_eq!(meaning(line), expected, "{line}");
        }
    }

    #[test]
    fn advice_and_bars_are_noise() {
        for (line, expected) in [
            ("Activate with: source v/bin/activate", true),
            ("[notice] A new release of pip is available: 23.2.1 -> 26.0", true),
            ("#", true),
            ("#     $ conda activate mlflow-1", true),
            ("     ━━━━━━━ 69.6/69.6 kB 144.0 MB/s eta 0:00:00", true),
            ("numpy-2.0            | 5.6 MB    | ####4      |  44% ", true),
            (
                "['/envs/x/bin/python', '-m', 'pip', 'install', '-U', '-r', '/p/condaenv.x.requirements.txt']",
                true,
            ),
            ("#5 [2/3] COPY a b", false),
            ("# a comment", false),
            ("a | b", false),
            ("", false),
        ] {
            assert_eq!(is_noise(line), expected, "{line}");
        }
    }
}
