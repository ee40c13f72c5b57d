//! The decorators of click in a script: `@click.option(…)`, `@click.argument(…)`.

use super::arguments::{Declared, Item, Kind, described, one_of, remark};
use super::imports;
use super::python::{Call, Source, children, line_of};
use super::value::Value;

/// The libraries whose decorators are the same.
const LIBRARIES: [&str; 4] = ["click", "rich_click", "cloup", "asyncclick"];

/// Reads the arguments that a script declares by click.
pub(super) fn read(source: &Source) -> Vec<Item> {
    let imports = imports::of(source);
    if !imports.iter().any(|import| LIBRARIES.contains(&import.top())) {
        return Vec::new();
    }
    let decorators: Vec<_> = source.nodes().filter(|node| node.kind() == "decorator").collect();
    let is_group = decorators.iter().find(|node| {
        let text = source.text(**node);
        let name = text.split('(').next().unwrap_or(text).trim();
        name == "@group" || name.ends_with(".group")
    });
    if let Some(group) = is_group {
        let text = "the script has subcommands (a click group), which a parameter cannot choose: write an entry point for each, \
                    with the subcommand and its options in its command";
        return vec![Item::Remark(remark(source, line_of(*group), text))];
    }
    let calls = decorators
        .iter()
        .filter_map(|decorator| source.call(*children(*decorator).first()?));
    let mut items = Vec::new();
    for call in calls {
        match call.name() {
            "option" => items.extend(argument(call, true)),
            "argument" => items.extend(argument(call, false)),
            _ => {}
        }
    }
    items
}

fn argument(call: Call<'_>, is_option: bool) -> Vec<Item> {
    let source = call.source;
    let names = call.arguments().into_iter().map(|node| source.value(node));
    let names: Option<Vec<String>> = names.map(|name| name.text().map(str::to_owned)).collect();
    let names = names.map(|mut names| {
        // A name without dashes is that of the function's parameter.
        names.retain(|name| name.starts_with('-') == is_option);
        names
    });
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        let text = format!(
            "the name of an argument is only known to the script: {}",
            call.function()
        );
        return vec![Item::Remark(remark(source, call.line(), text))];
    };
    let is = |keyword: &str| call.keyword_value(keyword) == Some(Value::Bool(true));
    // `--shout/--no-shout`
    let is_switch = is_option && names.iter().any(|name| name.contains('/'));
    let default = call.keyword("default").map(|node| source.value(node));
    let nargs = call.keyword_value("nargs").and_then(|value| value.word());
    let (kind, choices, is_unread) = kind(call, default.as_ref());
    let help = call.keyword_value("help");
    let must_be_given = if is_option {
        is("required") || call.keyword("prompt").is_some() && default.is_none()
    } else {
        default.is_none()
            && call.keyword_value("required") != Some(Value::Bool(false))
            && nargs.as_deref() != Some("-1")
    };
    let shown = names[0].clone();
    let names = names
        .into_iter()
        .map(|name| name.split('/').next().unwrap_or_default().trim().to_owned());
    let mut items = Declared {
        names: names.collect(),
        kind,
        is_required: must_be_given,
        written_default: call
            .keyword("default")
            .map(|node| source.shown(node))
            .unwrap_or_default(),
        default,
        description: described([
            help.as_ref().and_then(Value::text).unwrap_or_default().to_owned(),
            choices.unwrap_or_default(),
        ]),
        line: call.line(),
        is_several: is("multiple") || nargs.is_some_and(|nargs| nargs != "1"),
        is_flag: is_switch || is("is_flag") || is("count") || call.keyword("flag_value").is_some(),
    }
    .into_items(source);
    if is_unread && matches!(items.first(), Some(Item::Parameter(_))) {
        let written = call
            .keyword("type")
            .map(|node| source.shown(node))
            .unwrap_or_default();
        let text = format!("{shown} has type={written}, which only the script can check");
        items.push(Item::Remark(remark(source, call.line(), text)));
    }
    items
}

/// The type, the choices, and whether the type cannot be read.
fn kind(call: Call<'_>, default: Option<&Value>) -> (Kind, Option<String>, bool) {
    let source = call.source;
    let Some(node) = call.keyword("type") else {
        // click takes the type of the default.
        let kind = match default {
            Some(Value::Number(number)) if number.contains(['.', 'e', 'E']) => Kind::Float,
            Some(Value::Number(_)) => Kind::Whole,
            _ => Kind::Text,
        };
        return (kind, None, false);
    };
    let made = source.call(node);
    let function = made.map_or_else(|| source.text(node), |call| call.function());
    match function.rsplit('.').next().unwrap_or(function) {
        "float" | "FLOAT" | "FloatRange" => (Kind::Float, None, false),
        "int" | "INT" | "IntRange" => (Kind::Whole, None, false),
        "str" | "STRING" | "Path" | "File" | "bool" | "BOOL" | "UUID" | "DateTime" => {
            (Kind::Text, None, false)
        }
        "Choice" => {
            let choices = made.and_then(|call| one_of(&source.value(*call.arguments().first()?)));
            let is_unread = choices.is_none();
            (Kind::Text, choices, is_unread)
        }
        _ => (Kind::Text, None, true),
    }
}
