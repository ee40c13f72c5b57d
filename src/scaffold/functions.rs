//! Functions whose parameters are the options of a script: by typer or by fire.

use tree_sitter::Node;

use super::arguments::{Declared, Item, Kind, described, remark};
use super::imports;
use super::python::{Call, Source, children, field, line_of};
use super::value::Value;

/// Reads the arguments that a script declares by typer or fire.
pub(super) fn read(source: &Source) -> Vec<Item> {
    let imports = imports::of(source);
    let uses = |library: &str| imports.iter().any(|import| import.top() == library);
    if uses("typer") {
        return of_typer(source);
    }
    if uses("fire") {
        return of_fire(source);
    }
    Vec::new()
}

fn of_typer(source: &Source) -> Vec<Item> {
    let mut commands: Vec<Node<'_>> = source.nodes().filter(|node| is_command(source, *node)).collect();
    let run = source.calls().find(|call| call.function() == "typer.run");
    let named = run.and_then(|call| call.arguments().first().map(|node| source.text(*node)));
    commands.extend(named.and_then(|name| function(source, name)));
    match commands.as_slice() {
        [] => Vec::new(),
        [only] => parameters(*only)
            .into_iter()
            .flat_map(|parameter| typer_parameter(source, parameter))
            .collect(),
        [_, second, ..] => {
            let text = "the script has subcommands (of typer), which a parameter cannot choose: write an entry point for each, \
                        with the subcommand and its options in its command";
            vec![Item::Remark(remark(source, line_of(*second), text))]
        }
    }
}

/// Whether a function has the decorator `@app.command()`.
fn is_command(source: &Source, node: Node<'_>) -> bool {
    let Some(decorated) = node.parent().filter(|_| node.kind() == "function_definition") else {
        return false;
    };
    decorated.kind() == "decorated_definition"
        && children(decorated).into_iter().any(|decorator| {
            let text = source.text(decorator);
            let name = text.split('(').next().unwrap_or(text).trim();
            decorator.kind() == "decorator" && name.ends_with(".command")
        })
}

fn of_fire(source: &Source) -> Vec<Item> {
    let Some(call) = source
        .calls()
        .find(|call| matches!(call.function(), "fire.Fire" | "Fire"))
    else {
        return Vec::new();
    };
    let named = call.arguments().first().map(|node| source.text(*node));
    let Some(function) = named.and_then(|name| function(source, name)) else {
        let text = "fire makes its command line of something other than one function; add what it takes to the command";
        return vec![Item::Remark(remark(source, call.line(), text))];
    };
    parameters(function)
        .into_iter()
        .flat_map(|node| {
            let Some(parameter) = FunctionParameter::of(source, node) else {
                return Vec::new();
            };
            let default = parameter.default.map(|node| source.value(node));
            Declared {
                names: vec![format!("--{}", parameter.name)],
                kind: parameter.kind_or(default.as_ref()),
                is_required: default.is_none(),
                written_default: parameter
                    .default
                    .map(|node| source.shown(node))
                    .unwrap_or_default(),
                default,
                description: String::new(),
                line: line_of(node),
                is_several: false,
                is_flag: false,
            }
            .into_items(source)
        })
        .collect()
}

/// The function of the module with this name.
fn function<'s>(source: &'s Source, name: &str) -> Option<Node<'s>> {
    source.statements().into_iter().find_map(|statement| {
        let function = match statement.kind() {
            "decorated_definition" => field(statement, "definition")?,
            _ => statement,
        };
        let is_it = function.kind() == "function_definition" && source.text(field(function, "name")?) == name;
        is_it.then_some(function)
    })
}

fn parameters(function: Node<'_>) -> Vec<Node<'_>> {
    field(function, "parameters").map(children).unwrap_or_default()
}

/// A parameter of a function.
struct FunctionParameter<'s> {
    name: &'s str,
    /// The annotation as it is written.
    annotation: &'s str,
    type_node: Option<Node<'s>>,
    default: Option<Node<'s>>,
}

impl<'s> FunctionParameter<'s> {
    /// `None` for `self`, `*args`, and whatever else is not a parameter with a name.
    fn of(source: &'s Source, node: Node<'s>) -> Option<Self> {
        let name = match node.kind() {
            "identifier" => node,
            "default_parameter" | "typed_default_parameter" => field(node, "name")?,
            "typed_parameter" => children(node)
                .into_iter()
                .find(|child| child.kind() == "identifier")?,
            _ => return None,
        };
        let type_node = field(node, "type");
        Some(Self {
            name: source.text(name),
            annotation: type_node.map_or("", |node| source.text(node)),
            type_node,
            default: field(node, "value"),
        })
        .filter(|parameter| !matches!(parameter.name, "self" | "cls"))
    }

    /// The type by the annotation, or by the default where there is none.
    fn kind_or(&self, default: Option<&Value>) -> Kind {
        match (kind_of(self.annotation), default) {
            (Some(kind), _) => kind,
            (None, Some(Value::Number(number))) if self.annotation.is_empty() => {
                if number.contains(['.', 'e', 'E']) {
                    Kind::Float
                } else {
                    Kind::Whole
                }
            }
            _ => Kind::Text,
        }
    }
}

/// The type that an annotation means, where it is a number.
fn kind_of(annotation: &str) -> Option<Kind> {
    let bare = annotation
        .trim_start_matches("typing.")
        .trim_start_matches("Optional[")
        .trim_end_matches(']');
    match bare.split('|').next().unwrap_or(bare).trim() {
        "float" => Some(Kind::Float),
        "int" => Some(Kind::Whole),
        _ => None,
    }
}

fn typer_parameter(source: &Source, node: Node<'_>) -> Vec<Item> {
    let Some(parameter) = FunctionParameter::of(source, node) else {
        return Vec::new();
    };
    if parameter.annotation.ends_with("Context") {
        return Vec::new();
    }
    // `x: Annotated[float, typer.Option(help="…")] = 0.5`, or `x: float = typer.Option(0.5, help="…")`.
    let annotated = parameter.type_node.and_then(|node| marker(source, node));
    let in_default = parameter
        .default
        .and_then(|node| source.call(node))
        .filter(|call| is_marker(*call));
    let (annotation, settings, default) = match (&annotated, in_default) {
        (Some((annotation, call)), _) => (*annotation, Some(*call), parameter.default),
        (None, Some(call)) => {
            let first = call
                .arguments()
                .first()
                .copied()
                .or_else(|| call.keyword("default"));
            (parameter.annotation, Some(call), first)
        }
        (None, None) => (parameter.annotation, None, parameter.default),
    };
    let value = default
        .map(|node| source.value(node))
        .filter(|value| *value != Value::Ellipsis);
    let is_argument = settings.map_or(value.is_none(), |call| call.name() == "Argument");
    let names = settings.into_iter().flat_map(|call| call.arguments());
    let names = names.filter_map(|node| source.value(node).text().map(str::to_owned));
    let mut names: Vec<String> = names.filter(|name| name.starts_with('-')).collect();
    if is_argument {
        names = vec![parameter.name.to_owned()];
    } else if names.is_empty() {
        names.push(format!("--{}", parameter.name.replace('_', "-")));
    }
    let help = settings.and_then(|call| call.keyword_value("help"));
    let is_list = ["List[", "list[", "typing.List[", "Tuple[", "tuple["]
        .iter()
        .any(|list| annotation.starts_with(list));
    Declared {
        names,
        kind: kind_of(annotation).unwrap_or(Kind::Text),
        is_required: value.is_none(),
        written_default: default.map(|node| source.shown(node)).unwrap_or_default(),
        default: value,
        description: described([help.as_ref().and_then(Value::text).unwrap_or_default().to_owned()]),
        line: line_of(node),
        is_several: is_list,
        is_flag: annotation == "bool" && !is_argument,
    }
    .into_items(source)
}

fn is_marker(call: Call<'_>) -> bool {
    matches!(call.name(), "Option" | "Argument")
}

/// What `Annotated` holds: the type, and the call of typer.
fn marker<'s>(source: &'s Source, node: Node<'s>) -> Option<(&'s str, Call<'s>)> {
    let text = source.text(node);
    let (name, rest) = text.split_once('[')?;
    if !name.trim().ends_with("Annotated") {
        return None;
    }
    let annotation = rest.split(',').next().unwrap_or_default().trim();
    let mut left = vec![node];
    while let Some(node) = left.pop() {
        if let Some(call) = source.call(node).filter(|call| is_marker(*call)) {
            return Some((annotation, call));
        }
        left.extend(children(node));
    }
    None
}
