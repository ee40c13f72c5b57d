//! The calls of `add_argument` in a script.

use std::collections::HashSet;

use super::arguments::{Declared, Item, Kind, described, one_of, remark};
use super::python::{Call, Source, field};
use super::value::Value;

/// Reads the arguments that a script declares by argparse.
pub(super) fn read(source: &Source) -> Vec<Item> {
    let parsers = Parsers::of(source);
    let mut items = Vec::new();
    for call in source.calls() {
        let is_declaration = call.name() == "add_argument" && !call.object().is_empty();
        if call.name() == "add_subparsers" && !call.object().is_empty() {
            let text = "the script has subcommands (add_subparsers), which a parameter cannot choose: write an entry point for \
                        each, with the subcommand in its command";
            items.push(Item::Remark(remark(source, call.line(), text)));
        } else if is_declaration || parsers.shorthands.contains(call.function()) {
            items.extend(argument(call, &parsers));
        }
    }
    items
}

/// What the variables of a script stand for.
#[derive(Default)]
struct Parsers<'s> {
    /// Those of subcommands.
    subcommands: HashSet<&'s str>,
    /// Groups of which one argument may be given.
    exclusive: HashSet<&'s str>,
    /// Other names for `add_argument`.
    shorthands: HashSet<&'s str>,
    /// Names whose defaults are set elsewhere.
    set_defaults: HashSet<&'s str>,
}

impl<'s> Parsers<'s> {
    fn of(source: &'s Source) -> Self {
        let mut parsers = Self::default();
        for node in source.nodes().filter(|node| node.kind() == "assignment") {
            let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else {
                continue;
            };
            let name = source.text(left);
            match source.call(right).map(|call| call.name()) {
                Some("add_parser") => drop(parsers.subcommands.insert(name)),
                Some("add_mutually_exclusive_group") => drop(parsers.exclusive.insert(name)),
                _ if right.kind() == "attribute" && source.text(right).ends_with(".add_argument") => {
                    parsers.shorthands.insert(name);
                }
                _ => {}
            }
        }
        for call in source.calls().filter(|call| call.name() == "set_defaults") {
            parsers
                .set_defaults
                .extend(call.keywords().into_iter().map(|(name, _)| name));
        }
        parsers
    }
}

fn argument(call: Call<'_>, parsers: &Parsers<'_>) -> Vec<Item> {
    let source = call.source;
    let note = |text: String| vec![Item::Remark(remark(source, call.line(), text))];
    // Those of a subcommand belong to an entry point of its own.
    if parsers.subcommands.contains(call.object()) {
        return Vec::new();
    }
    let action = Action::of(call);
    let Some(names) = names(call) else {
        let written = call.arguments().first().map(|node| source.shown(*node));
        return note(format!(
            "the name of an argument is only known to the script: add_argument({})",
            written.unwrap_or_default()
        ));
    };
    let long = names.iter().find(|name| name.starts_with("--"));
    let shown = long.unwrap_or(&names[0]).clone();
    if action == Action::Prints {
        return Vec::new();
    }
    if parsers.exclusive.contains(call.object()) {
        return note(format!(
            "{shown} excludes other options, so it is not passed by default; to use it, add it to the command"
        ));
    }
    let mut items = declared(call, names, action, parsers).into_items(source);
    // Remarks on what the file now declares, not on what it leaves to the script.
    if matches!(items.first(), Some(Item::Parameter(_))) {
        for name in unread_settings(call, action) {
            items.extend(note(format!(
                "{shown} has {name}={}, which only the script can check",
                written(call, name)
            )));
        }
        if call.has_unknown_arguments() {
            items.extend(note(format!(
                "{shown} has more settings than its text shows (** or *)"
            )));
        }
    }
    items
}

/// The names of an argument; `None` where they are not plain texts.
fn names(call: Call<'_>) -> Option<Vec<String>> {
    let names = call.arguments().into_iter().map(|node| call.source.value(node));
    let names: Option<Vec<String>> = names.map(|name| name.text().map(str::to_owned)).collect();
    names.filter(|names| !names.is_empty())
}

fn declared(call: Call<'_>, names: Vec<String>, action: Action, parsers: &Parsers<'_>) -> Declared {
    let nargs = call.keyword("nargs").map(|node| call.source.value(node));
    let takes_one = match &nargs {
        None | Some(Value::None) => true,
        Some(Value::Text(text)) => text == "?",
        Some(Value::Number(number)) => number == "1",
        _ => false,
    };
    let is_set_elsewhere = names.iter().any(|name| {
        let name = name.trim_start_matches('-').replace('-', "_");
        parsers.set_defaults.contains(name.as_str())
    });
    let default = if is_set_elsewhere {
        Some(Value::Unknown)
    } else {
        default(call)
    };
    let is_required = if names[0].starts_with('-') {
        call.keyword_value("required") == Some(Value::Bool(true))
    } else {
        !matches!(&nargs, Some(Value::Text(text)) if text == "?" || text == "*")
    };
    Declared {
        kind: kind(call).0,
        is_required,
        written_default: written(call, "default"),
        description: described([help(call, default.as_ref()), choices(call).unwrap_or_default()]),
        default,
        line: call.line(),
        is_several: action == Action::Collects || !takes_one,
        is_flag: action == Action::Flags,
        names,
    }
}

/// The settings of an argument that only Python itself understands.
fn unread_settings(call: Call<'_>, action: Action) -> impl Iterator<Item = &'static str> {
    [
        ("type", kind(call).1),
        (
            "choices",
            call.keyword("choices").is_some() && choices(call).is_none(),
        ),
        ("action", action == Action::Unknown),
    ]
    .into_iter()
    .filter(|(_, is_unread)| *is_unread)
    .map(|(name, _)| name)
}

fn choices(call: Call<'_>) -> Option<String> {
    one_of(&call.keyword_value("choices")?)
}

fn written(call: Call<'_>, keyword: &str) -> String {
    call.keyword(keyword)
        .map_or_else(String::new, |node| call.source.shown(node))
}

fn default(call: Call<'_>) -> Option<Value> {
    let node = call.keyword("default")?;
    let is_suppressed = call.source.text(node).ends_with("SUPPRESS");
    Some(if is_suppressed {
        Value::None
    } else {
        call.source.value(node)
    })
}

/// The help, with the default put in.
fn help(call: Call<'_>, default: Option<&Value>) -> String {
    let help = call.keyword_value("help");
    let Some(help) = help.as_ref().and_then(Value::text) else {
        return String::new();
    };
    let default = default.and_then(Value::word).unwrap_or_else(|| "None".to_owned());
    help.replace("%(default)s", &default).replace("%%", "%")
}

/// The type, and whether it is one that cannot be read.
fn kind(call: Call<'_>) -> (Kind, bool) {
    const TEXTS: [&str; 8] = [
        "str",
        "Path",
        "bool",
        "PurePath",
        "FileType",
        "abspath",
        "expanduser",
        "realpath",
    ];
    let Some(node) = call.keyword("type") else {
        return (Kind::Text, false);
    };
    let function = match call.source.call(node) {
        Some(call) => call.function(),
        None => call.source.text(node),
    };
    match function.rsplit('.').next().unwrap_or(function) {
        "float" => (Kind::Float, false),
        "int" => (Kind::Whole, false),
        "None" => (Kind::Text, false),
        name => (Kind::Text, !TEXTS.contains(&name)),
    }
}

/// What an argument does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Stores,
    Flags,
    /// Every time that it is given, a value is added.
    Collects,
    /// Prints something and ends the script.
    Prints,
    Unknown,
}

impl Action {
    fn of(call: Call<'_>) -> Self {
        let Some(node) = call.keyword("action") else {
            return Self::Stores;
        };
        match call.source.value(node) {
            Value::Text(text) => match text.as_str() {
                "store" => Self::Stores,
                "store_true" | "store_false" | "store_const" | "append_const" | "count" => Self::Flags,
                "append" | "extend" => Self::Collects,
                "help" | "version" => Self::Prints,
                _ => Self::Unknown,
            },
            _ if call.source.text(node).ends_with("BooleanOptionalAction") => Self::Flags,
            _ => Self::Unknown,
        }
    }
}
