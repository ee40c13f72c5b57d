//! `mlrun init`: a project for scripts that are there already.

use std::path::{Path, PathBuf};

use crate::cli::args::InitArguments;
use crate::cli::escape;
use crate::cli::printer::{self, Printer};
use crate::cli::report::{Failure, Outcome};
use crate::cli::terminal::Stream;
use crate::cli::text_table::{columns, wrapped};
use crate::environment;
use crate::events::Progress;
use crate::project::quote;
use crate::runner::in_background;
use crate::scaffold::{EnvironmentChoice, Scaffold, ScaffoldRequest};

/// Writes a project, and says what was written and how it is run.
pub(crate) async fn run(arguments: InitArguments, printer: &Printer) -> Result<Outcome, Failure> {
    let request = request(arguments).await?;
    let planned = in_background(move || {
        let scaffold = Scaffold::plan(&request)?;
        scaffold.write()?;
        Ok::<_, Failure>(scaffold)
    });
    let scaffold = planned.await??;
    for warning in &scaffold.warnings {
        printer.warning(warning);
    }
    printer::write_stdout(&text(&scaffold, Stream::Stdout.width()))?;
    Ok(Outcome::Succeeded)
}

async fn request(arguments: InitArguments) -> Result<ScaffoldRequest, Failure> {
    let InitArguments {
        directory,
        from,
        uv,
        conda,
        docker,
        name,
    } = arguments;
    let typed = directory.to_string_lossy();
    if typed.contains("://") && !directory.exists() {
        return Err(Failure::usage(format!("'{typed}' is not a local directory"))
            .with_hint("clone the repository first, then run `mlrun init` in it"));
    }
    if name.as_deref().is_some_and(|name| name.trim().is_empty()) {
        return Err(Failure::usage("the project's name is empty")
            .with_hint("leave --name out to use the directory's"));
    }
    let choice = match (uv, conda, docker) {
        (true, ..) => EnvironmentChoice::Uv,
        (_, true, _) => EnvironmentChoice::Conda,
        (_, _, true) => EnvironmentChoice::Docker,
        _ => EnvironmentChoice::ByFiles,
    };
    Ok(ScaffoldRequest {
        directory,
        scripts: from,
        choice,
        name,
        installed_python: environment::python_on_path().await?,
    })
}

fn text(scaffold: &Scaffold, width: usize) -> String {
    let place = |name: &str| shown(&scaffold.directory, name).display().to_string();
    let mut rows = Vec::new();
    for file in &scaffold.files {
        rows.push(vec!["Wrote".to_owned(), place(&file.name)]);
    }
    for file in &scaffold.uses {
        rows.push(vec!["Uses".to_owned(), place(file)]);
    }
    let mut text = columns(&rows, 0, usize::MAX);
    let entry_points: Vec<String> = scaffold
        .entry_points
        .iter()
        .map(|(name, script)| format!("{name} ({script})"))
        .collect();
    let line = format!("Entry points: {}", escape::one_line(&entry_points.join(", ")));
    wrapped(&line, width)
        .iter()
        .for_each(|line| text.push_str(&format!("{line}\n")));
    if !scaffold.remarks.is_empty() {
        text.push_str("\nLeft to you, as comments in MLproject:\n");
        let rows = scaffold
            .remarks
            .iter()
            .map(|remark| vec![format!("{}:{}", remark.path, remark.line), remark.text.clone()]);
        text.push_str(&columns(&rows.collect::<Vec<_>>(), 2, width));
    }
    for note in &scaffold.notes {
        let note = escape::one_line(note);
        text.push('\n');
        wrapped(&format!("Note: {note}"), width)
            .iter()
            .for_each(|line| text.push_str(&format!("{line}\n")));
    }
    text.push_str("\nNext:\n");
    for command in next_commands(scaffold) {
        text.push_str(&format!("  {command}\n"));
    }
    text
}

/// The commands that run the project.
fn next_commands(scaffold: &Scaffold) -> Vec<String> {
    let mut directory = scaffold.directory.to_string_lossy().into_owned();
    if directory.starts_with('-') {
        directory.insert_str(0, "./");
    }
    let directory = escape::shell_word(&directory);
    let mut run = format!("mlrun run {directory}");
    for name in &scaffold.required {
        run.push_str(&format!(" -P {}=VALUE", quote(name)));
    }
    if scaffold.needs_uv {
        run.push_str(" --env-manager uv");
    }
    let build = scaffold
        .image
        .as_ref()
        .map(|image| format!("docker build -t {} {directory}", quote(image)));
    build.into_iter().chain([run]).collect()
}

/// The path of a file as the user would type it.
fn shown(directory: &Path, name: &str) -> PathBuf {
    if directory == Path::new(".") {
        PathBuf::from(name)
    } else {
        directory.join(name)
    }
}
