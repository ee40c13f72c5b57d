//! What reads a script's command line: argparse, click, typer, fire, or something that init cannot follow.

use super::argparse;
use super::arguments::{Item, Remark, remark};
use super::click;
use super::functions;
use super::imports;
use super::python::{Source, line_of};

/// All that a script takes, as far as its text says it: by its own declarations, else by those of the modules of the
/// project that it imports.
pub(super) fn read(source: &Source, modules: &[Source]) -> Vec<Item> {
    let mut items = argparse::read(source);
    items.extend(click::read(source));
    items.extend(functions::read(source));
    if items.is_empty() {
        items.extend(modules.iter().flat_map(argparse::read));
    }
    if items.is_empty() {
        items.extend(unread(source).map(Item::Remark));
    }
    items
}

/// The remark on a command line that is read by something else.
fn unread(source: &Source) -> Option<Remark> {
    const LIBRARIES: [&str; 9] = [
        "absl",
        "cyclopts",
        "docopt",
        "hydra",
        "jsonargparse",
        "plac",
        "simple_parsing",
        "tap",
        "tyro",
    ];
    // Those of libraries that do more than that.
    const PARSERS: [&str; 2] = ["HfArgumentParser", "LightningCLI"];
    let import = imports::of(source)
        .into_iter()
        .find(|import| LIBRARIES.contains(&import.top()))
        .map(|import| (import.line, import.top().to_owned()));
    let parser = || {
        let call = source.calls().find(|call| PARSERS.contains(&call.name()))?;
        Some((call.line(), call.function().to_owned()))
    };
    if let Some((line, reader)) = import.or_else(parser) {
        let text = format!(
            "the options are read by {reader}, which init cannot follow; declare them as parameters and add them to the \
             command: --alpha {{alpha}}"
        );
        return Some(remark(source, line, text));
    }
    let argv = source
        .nodes()
        .find(|node| node.kind() == "attribute" && source.text(*node) == "sys.argv")?;
    let text = "the script reads sys.argv itself; declare its arguments as parameters and add them to the command: {alpha}";
    Some(remark(source, line_of(argv), text))
}
