//! The imports of scripts, and the modules of the project that these lead to.

use std::collections::HashSet;
use std::path::Path;

use tree_sitter::Node;

use super::packages::{is_standard, package_of};
use super::python::{Source, children, field, line_of};

/// No more modules of the project are read than this.
const MOST_MODULES: usize = 200;

/// An import of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// The module's whole name.
    pub(super) module: String,
    pub(super) line: usize,
    /// Whether the script goes on without it.
    pub(super) is_optional: bool,
}

impl Import {
    /// The first part of the module's name.
    pub(super) fn top(&self) -> &str {
        self.module.split('.').next().unwrap_or_default()
    }
}

/// What scripts import from elsewhere, as packages. Sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Packages {
    pub(super) needed: Vec<String>,
    /// Those that the scripts only try to import.
    pub(super) optional: Vec<String>,
}

/// The modules that a script imports by their whole names, in the order of its text.
pub(super) fn of(source: &Source) -> Vec<Import> {
    let mut imports = Vec::new();
    for node in source.nodes() {
        let mut add = |module: &str| {
            imports.push(Import {
                module: module.split_whitespace().collect(),
                line: line_of(node),
                is_optional: is_optional(source, node),
            });
        };
        match node.kind() {
            "import_statement" => children(node)
                .into_iter()
                .for_each(|child| add(source.text(without_alias(child)))),
            "import_from_statement" => {
                let Some(module) = field(node, "module_name").filter(|module| module.kind() == "dotted_name")
                else {
                    continue;
                };
                let text = source.text(module);
                // Of a namespace, the packages are what is imported from it.
                if matches!(text, "google" | "google.cloud" | "azure") {
                    let mut cursor = node.walk();
                    node.children_by_field_name("name", &mut cursor)
                        .for_each(|name| add(&format!("{text}.{}", source.text(without_alias(name)))));
                } else {
                    add(text);
                }
            }
            _ => {}
        }
    }
    imports
}

fn without_alias(node: Node<'_>) -> Node<'_> {
    match node.kind() {
        "aliased_import" => field(node, "name").unwrap_or(node),
        _ => node,
    }
}

/// Whether the import stands in a `try` that survives without it, or is for a type checker alone.
fn is_optional(source: &Source, import: Node<'_>) -> bool {
    let mut node = import;
    while let Some(parent) = node.parent() {
        match parent.kind() {
            "try_statement" if field(parent, "body") == Some(node) => {
                let handlers = children(parent)
                    .into_iter()
                    .filter(|child| child.kind() == "except_clause");
                let mut handled =
                    handlers.map(|handler| field(handler, "value").map_or("", |node| source.text(node)));
                let catches = |caught: &str| {
                    caught.is_empty()
                        || ["ImportError", "ModuleNotFoundError", "Exception"]
                            .iter()
                            .any(|name| caught.contains(name))
                };
                if handled.any(catches) {
                    return true;
                }
            }
            "if_statement" => {
                let condition = field(parent, "condition").map_or("", |node| source.text(node));
                if condition.ends_with("TYPE_CHECKING") && field(parent, "consequence") == Some(node) {
                    return true;
                }
            }
            _ => {}
        }
        node = parent;
    }
    false
}

/// The file of a module that is the project's own, below its directory; `folder` is that of the importing file.
fn local_file(directory: &Path, folder: &str, module: &str) -> Option<String> {
    let path = module.replace('.', "/");
    [folder, "", "src/"].into_iter().find_map(|start| {
        let module = format!("{start}{path}");
        [format!("{module}.py"), format!("{module}/__init__.py")]
            .into_iter()
            .find(|file| directory.join(file).is_file())
    })
}

/// Whether the first part of a module's name is the project's own, also where it is a directory without
/// `__init__.py`.
fn is_local(directory: &Path, folder: &str, top: &str) -> bool {
    local_file(directory, folder, top).is_some()
        || [folder, "", "src/"].into_iter().any(|start| {
            let entries = std::fs::read_dir(directory.join(format!("{start}{top}")));
            let mut entries = entries.into_iter().flatten().flatten();
            entries.any(|entry| {
                entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "py")
            })
        })
}

fn folder_of(path: &str) -> String {
    path.rsplit_once('/')
        .map_or_else(String::new, |(folder, _)| format!("{folder}/"))
}

/// The modules of the project that a script imports, and those that they import, in the order in which they are
/// met. What cannot be read is left out.
pub(super) fn local_modules(directory: &Path, script: &Source) -> Vec<Source> {
    let mut seen = HashSet::from([script.path.clone()]);
    let mut modules: Vec<Source> = Vec::new();
    let mut next = 0;
    let mut imports = files_of(directory, script);
    loop {
        for file in imports {
            if modules.len() < MOST_MODULES && seen.insert(file.clone()) {
                modules.extend(Source::read(directory, &file).ok());
            }
        }
        let Some(module) = modules.get(next) else {
            return modules;
        };
        imports = files_of(directory, module);
        next += 1;
    }
}

fn files_of(directory: &Path, source: &Source) -> Vec<String> {
    let folder = folder_of(&source.path);
    let absolute = of(source).into_iter().map(|import| import.module);
    // `from . import x` and `from .x import y`, which modules of a package write.
    let relative = source
        .nodes()
        .filter(|node| node.kind() == "import_from_statement")
        .flat_map(|node| {
            let module = field(node, "module_name").filter(|module| module.kind() == "relative_import");
            let mut cursor = node.walk();
            let names = node.children_by_field_name("name", &mut cursor);
            let names: Vec<String> = names
                .map(|name| source.text(without_alias(name)).to_owned())
                .collect();
            match module.map(|module| source.text(module).trim_start_matches('.')) {
                Some("") => names,
                Some(module) => vec![module.to_owned()],
                None => Vec::new(),
            }
        });
    absolute
        .chain(relative.collect::<Vec<_>>())
        .filter_map(|module| {
            local_file(directory, &folder, &module)
                .or_else(|| local_file(directory, &folder, module.rsplit_once('.')?.0))
        })
        .collect()
}

/// The packages that these files need.
pub(super) fn packages<'s>(directory: &Path, sources: impl IntoIterator<Item = &'s Source>) -> Packages {
    let (mut needed, mut optional) = (HashSet::new(), HashSet::new());
    for source in sources {
        let folder = folder_of(&source.path);
        for import in of(source) {
            let top = import.top();
            if top.is_empty() || is_standard(top) || is_local(directory, &folder, top) {
                continue;
            }
            let found = if import.is_optional {
                &mut optional
            } else {
                &mut needed
            };
            found.insert(package_of(&import.module));
        }
    }
    optional.retain(|package| !needed.contains(package));
    let sorted = |packages: HashSet<String>| {
        let mut packages: Vec<String> = packages.into_iter().collect();
        packages.sort_by_key(|package| package.to_ascii_lowercase());
        packages
    };
    Packages {
        needed: sorted(needed),
        optional: sorted(optional),
    }
}
