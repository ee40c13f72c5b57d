//! What reads a script's command line: argparse, click, typer, fire, or something that init cannot follow.

use super::argparse;
use super::arguments::{Item, Remark, remark};
use super::click;
use super::functions;
use super::imports;
use super::python::{Source, line_of};

/// All that a script takes, as far as its text says it.
pub(super) fn read(source: &Source) -> Vec<Item> {
    let mut items = argparse::read(source);
    items.extend(click::read(source));
    items.extend(functions::read(source));
    if items.is_empty() {
        items.extend(unread(source).map(Item::Remark));
    }
    items
}

/// The remark on a command line that is read by something else.
fn unread(source: &Source) -> Option<Remark> {
    const OTHERS: [&str; 9] = [
        "hydra",
        "absl.flags",
        "docopt",
        "tyro",
        "simple_parsing",
        "jsonargparse",
        "tap",
        "plac",
        "cyclopts",
    ];
    let used = imports::of(source)
        .into_iter()
        .find_map(|import| {
            let is_it = |name: &&str| import.module == **name || import.module.starts_with(&format!("{name}."));
            Some((OTHERS.into_iter().find(is_it)?, import.line))
        })
        .map(|(library, line)| {
            remark(
                source,
                line,
                format!("the options are read by {library}, which init cannot read; add them to the command as {{name}}"),
            )
        });
    used.or_else(|| {
        let argv = source
            .nodes()
            .find(|node| node.kind() == "attribute" && source.text(*node) == "sys.argv")?;
        let text = "the script reads sys.argv itself; add its arguments to the command as {name}, and declare them as parameters";
        Some(remark(source, line_of(argv), text))
    })
}
