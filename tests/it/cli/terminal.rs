//! What a person sees in a terminal of 60, 80 and 120 columns, as golden texts; and who gets colours.

use mlrun::internals::entities::{ExperimentId, RunStatus, UnixMillis};
use mlrun::internals::tracking::{self, NewRun, RunEnd, TrackingUri};

use crate::harness::screen::{Screen, on_screen};
use crate::harness::{Project, assert_contains, assert_golden, assert_lacks, block_on};

const WIDTHS: [usize; 3] = [60, 80, 120];

/// A project, and what is typed in the directory above it.
type Case = (fn() -> Project, &'static str);

/// A line for each thing to look at. Paths that are shown must be relative: their length decides where lines break.
const CASES: &[Case] = &[
    (wine, "mlrun --help"),
    (wine, "mlrun run --help"),
    (wine, "mlrun run project -e tarin"),
    (
        wine,
        "mlrun run project --env-manager local -P alpha=high -P data=project",
    ),
    (wine, "mlrun run project --nope"),
    (wine, "mlrun run"),
    (wine, "mlrun run project --env-manager local -e fail"),
    (wine, "mlrun run project --env-manager local -e fine"),
    (
        wine,
        "mlrun run project --env-manager local -e fine -A gpus=all -q",
    ),
    (no_server, "mlrun run project --env-manager local -e fine"),
    (wine, "mlrun inspect project"),
    (slips, "mlrun lint project"),
    (environments, "mlrun env list"),
    (Project::new, "mlrun env list"),
    (an_old_run, "mlrun status $RUN"),
    (an_old_run, "mlrun wait $RUN"),
];

/// A project with long names, values and descriptions.
fn wine() -> Project {
    Project::new().mlproject(
        r#"name: wine
entry_points:
  main:
    parameters:
      data:
        type: path
        description: "The table of wines: a CSV file with a header, which may be compressed by gzip."
      alpha: {type: float, default: 0.5, description: The weight of the penalty.}
      output_directory_for_reports: {default: reports/of/the/latest/training/with/all/its/figures}
    command: |-
      python train.py --data {data} --alpha {alpha} --reports {output_directory_for_reports} --seed 42 && \
        python report.py
  train:
    command: python train.py
  fail:
    command: exit 3
  fine:
    command: echo fine
"#,
    )
}

/// A project whose tracking server is away.
fn no_server() -> Project {
    wine()
        .env("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
}

/// A project whose file is full of slips.
fn slips() -> Project {
    Project::new().mlproject(
        r"name: My Project
conda env: conda.yaml
entry_points:
  main:
    parameters:
      alpha: {type:float, default: 0.5}
      seed: {type: flaot, default: 1}
    command: python train.py --alpha {alpha} --a-long-option-of-the-script some/value --rate {rate}
",
    )
}

/// Environments that were built, used and left in their time.
fn environments() -> Project {
    let project = Project::new();
    project.sandbox().shell(
        r#"
        make() {
            envs=$HOME/.mlflow/envs; records=$envs/.mlrun/python/$1
            mkdir -p "$envs/$1" "$records"
            touch "$envs/$1/pyvenv.cfg"
            head -c 3145728 /dev/zero >"$envs/$1/package"
            created=$(($(date +%s) - $3 * 86400 - 3600))000
            echo "{\"manager\": \"$2\", \"directory\": \"$envs/$1\", \"created\": $created, \"project\": \"$4\"}" \
                >"$records/record.json"
            touch -d "@$(($(date +%s) - 7200 - 60))" "$records/record.json"
        }
        make mlflow-3f2a9c0d1e8b7a6f5c4d3e2b1a0f9e8d7c6b5a49 uv 12 wine
        make mlflow-a01b2c3d4e5f60718293a4b5c6d7e8f901234567 virtualenv 123 https://github.com/org/forecasts#projects/daily
        touch "$HOME/.mlflow/envs/.mlrun/python/mlflow-a01b2c3d4e5f60718293a4b5c6d7e8f901234567/building"
        "#,
    );
    project
}

/// A run that failed three days ago; `$RUN` is its id.
fn an_old_run() -> Project {
    let project = Project::new();
    let work = project.sandbox().work();
    let uri = TrackingUri::resolve(Some("sqlite:///mlflow.db"), &work).unwrap();
    let start = UnixMillis::now().0 - 3 * 86_400_000 - 3_600_000;
    let id = block_on(async {
        let store = tracking::open(&uri).await.unwrap();
        let tags = [
            (
                "mlflow.source.name",
                "https://github.com/org/forecasts#projects/daily",
            ),
            ("mlflow.project.entryPoint", "main"),
        ];
        let new = NewRun {
            experiment_id: ExperimentId::new("0"),
            user: "anna".to_owned(),
            name: Some("training-for-the-report-of-november".to_owned()),
            start_time: UnixMillis(start),
            tags: tags
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            params: Vec::new(),
        };
        let run = store.create_run(new).await.unwrap();
        let end = RunEnd {
            status: RunStatus::Failed,
            end_time: UnixMillis(start + 132_000),
            keep_failure: true,
        };
        store.end_run(&run.run_id, end).await.unwrap();
        run.run_id
    });
    project.env("RUN", id.as_str())
}

/// A case as a golden text: the call, what is shown, and the exit code unless it is 0.
fn transcript(project: &Project, call: &str, screen: &Screen) -> String {
    let shown = without_ids(&project.sandbox().anonymous(&screen.marked()), project);
    let shown: String = shown.lines().map(without_chance).collect();
    let code = match screen.code {
        0 => String::new(),
        code => format!("exit code: {code}\n"),
    };
    format!("$ {call}\n{shown}{code}")
}

/// A line of a run's summary without the name that the store made up and the time that the run took.
fn without_chance(line: &str) -> String {
    let time = |line: &str, word: &str| {
        let (start, rest) = line.split_once(word)?;
        let end = rest.find(' ').map_or("", |end| &rest[end..]);
        Some(format!("{start}{word}<time>{end}\n"))
    };
    if line.starts_with("run        ") {
        return "run        <name>\n".to_owned();
    }
    let is_status = line.starts_with("status     ");
    let timed = is_status.then(|| time(line, " in ").or_else(|| time(line, " after ")));
    timed.flatten().unwrap_or_else(|| format!("{line}\n"))
}

/// The text with each run's id replaced by as many letters, also where the terminal has cut it.
fn without_ids(text: &str, project: &Project) -> String {
    let mut text = text.to_owned();
    for run in project.store().runs {
        text = text.replace(&run.run_id, &"x".repeat(run.run_id.len()));
        for cut in 1..run.run_id.len() {
            let (start, end) = run.run_id.split_at(cut);
            for between in ["\n", "</>\n<bold>", "</>\n<bold red>", "</>\n<bold green>"] {
                let id = format!("{start}{between}{end}");
                text = text.replace(
                    &id,
                    &format!("{}{between}{}", "x".repeat(cut), "x".repeat(end.len())),
                );
            }
        }
    }
    text
}

#[test]
fn what_a_person_sees() {
    let mut texts = WIDTHS.map(|_| Vec::new());
    for (project, call) in CASES {
        for (columns, texts) in WIDTHS.iter().zip(&mut texts) {
            let project = project();
            let Some(screen) = on_screen(&project, *columns, call) else {
                return;
            };
            texts.push(transcript(&project, call, &screen));
        }
    }
    let [narrow, usual, wide] = texts.map(|texts| texts.join("\n"));
    assert_golden("terminal-60", &narrow);
    assert_golden("terminal-80", &usual);
    assert_golden("terminal-120", &wide);
}

/// A line that scripts look for is not changed by its colours.
#[test]
fn colours_change_no_text() {
    let call = "run project --env-manager local -e fail";
    let project = wine();
    let words: Vec<&str> = call.split(' ').collect();
    let plain = project.mlrun(&words).with_code(1).stderr().to_owned();
    let without_id = |text: &str| {
        let start = text.find("ID '").unwrap() + 4;
        text.replace(&text[start..start + 32], "x")
    };
    for variable in ["CLICOLOR_FORCE", "NO_COLOR"] {
        let project = wine().env(variable, "1");
        let finished = project.mlrun(&words);
        let shown = finished.with_code(1).stderr().to_owned();
        assert_eq!(shown.contains('\u{1b}'), variable == "CLICOLOR_FORCE", "{shown}");
        assert_eq!(without_id(&console::strip_ansi_codes(&shown)), without_id(&plain));
    }
    for words in [
        format!("--color=always {call}"),
        format!("{call} --color always"),
        "--color always run --nope".to_owned(),
        "--color always run".to_owned(),
        "--color always run --help".to_owned(),
        "--color always lint missing".to_owned(),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let finished = project.mlrun(&words);
        let shown = format!("{}{}", finished.stdout(), finished.stderr());
        assert_contains(&shown, "\u{1b}[");
        let words: Vec<&str> = words
            .iter()
            .map(|word| if *word == "always" { "never" } else { word })
            .collect();
        if !words.contains(&"--color=always") {
            let project = wine().env("CLICOLOR_FORCE", "1");
            let finished = project.mlrun(&words);
            assert_lacks(&format!("{}{}", finished.stdout(), finished.stderr()), "\u{1b}[");
        }
    }
}

/// The width of a terminal that has none, and of text that goes elsewhere.
#[test]
fn columns_is_heeded_without_a_terminal() {
    for (columns, expected) in [("40", 40), ("0", 80), ("wide", 80), ("", 80), ("1000", 120)] {
        let project = Project::new()
            .mlproject(
                "entry_points:\n  main:\n    command: \"printf '%s ' one two three four five six seven eight nine ten \
                 eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty\"\n",
            )
            .env("COLUMNS", columns);
        let finished = project.mlrun(&["inspect", "project", "-e", "main"]);
        let commands = finished.stdout().lines().filter(|line| line.starts_with("  "));
        let longest = commands.map(|line| line.chars().count()).max();
        let is_used = longest.is_some_and(|longest| (expected - 12..=expected).contains(&longest));
        assert!(is_used, "{columns}: {}", finished.stdout());
    }
}
