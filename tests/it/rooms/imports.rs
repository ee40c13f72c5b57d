//! Which file of this crate uses what another one defines.
//!
//! Names are followed through `use`, `pub use` and `*` to where they are defined; calls of methods are not seen.
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Item, UseTree, Visibility};

/// By file: the files that it uses, and by which names.
pub(super) type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[derive(Default)]
struct Module {
    file: String,
    parent: Option<usize>,
    children: HashMap<String, usize>,
    /// The names of its own items.
    defined: HashSet<String>,
    /// The names that it takes from elsewhere, with their paths.
    named: HashMap<String, Vec<String>>,
    /// The paths before `*`.
    globs: Vec<Vec<String>>,
    /// What it uses itself and does not only hand on.
    own_uses: Vec<Vec<String>>,
    items: Vec<Item>,
}

/// The imports of the crate in this directory; tests are left out.
pub(super) fn of(source: &Path) -> Imports {
    let mut tree = Tree {
        modules: Vec::new(),
        source: source.to_owned(),
    };
    tree.load(&source.join("lib.rs"), None);
    tree.imports()
}

/// The crate's modules; the first is its root.
struct Tree {
    modules: Vec<Module>,
    source: PathBuf,
}

fn in_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl Tree {
    fn load(&mut self, file: &Path, parent: Option<usize>) -> usize {
        let text = fs::read_to_string(file).unwrap();
        let items = syn::parse_file(&text).unwrap().items;
        let directory = if file.ends_with("mod.rs") || file.ends_with("lib.rs") {
            file.parent().unwrap().to_owned()
        } else {
            file.with_extension("")
        };
        self.module(file, &directory, items, parent)
    }

    /// Takes a module up, and all below it.
    fn module(&mut self, file: &Path, directory: &Path, items: Vec<Item>, parent: Option<usize>) -> usize {
        let here = self.modules.len();
        self.modules.push(Module {
            file: file.strip_prefix(&self.source).unwrap().display().to_string(),
            parent,
            ..Module::default()
        });
        for item in items {
            match &item {
                Item::Mod(module) if in_tests(&module.attrs) => continue,
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let child = match &module.content {
                        Some((_, items)) => {
                            self.module(file, &directory.join(&name), items.clone(), Some(here))
                        }
                        None => {
                            let flat = directory.join(format!("{name}.rs"));
                            let nested = directory.join(&name).join("mod.rs");
                            self.load(if flat.exists() { &flat } else { &nested }, Some(here))
                        }
                    };
                    self.modules[here].children.insert(name, child);
                    continue;
                }
                Item::Use(used) => {
                    let mut leaves = Vec::new();
                    leaves_of(&used.tree, &mut Vec::new(), &mut leaves);
                    for (name, path) in leaves {
                        if matches!(used.vis, Visibility::Inherited) {
                            self.modules[here].own_uses.push(path.clone());
                        }
                        match name {
                            Some(name) => drop(self.modules[here].named.insert(name, path)),
                            None => self.modules[here].globs.push(path),
                        }
                    }
                    continue;
                }
                _ => {}
            }
            if let Some(name) = name_of(&item) {
                self.modules[here].defined.insert(name);
            }
            self.modules[here].items.push(item);
        }
        here
    }

    /// The module that defines what `path`, written in `module`, names; none for other crates and for modules.
    fn definition(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        if depth > 20 {
            return None;
        }
        let (first, rest) = path.split_first()?;
        let mut start = module;
        match first.as_str() {
            "crate" => self.within(0, rest, depth),
            "self" => self.within(module, rest, depth),
            "super" => {
                let mut rest = rest;
                start = self.modules[start].parent?;
                while rest.first().is_some_and(|segment| segment == "super") {
                    start = self.modules[start].parent?;
                    rest = &rest[1..];
                }
                self.within(start, rest, depth)
            }
            _ => self.within(start, path, depth),
        }
    }

    /// The same for a path that begins with a name of the module.
    fn within(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        let here = &self.modules[module];
        // A module and a function may have one name; what follows tells which it is.
        match here.children.get(first) {
            Some(child) if !rest.is_empty() => return self.within(*child, rest, depth),
            _ if here.defined.contains(first) => return Some(module),
            Some(_) => return None,
            None => {}
        }
        if let Some(alias) = here.named.get(first) {
            let full: Vec<String> = alias.iter().chain(rest).cloned().collect();
            if full != path {
                return self.definition(module, &full, depth + 1);
            }
        }
        here.globs.iter().find_map(|glob| {
            let full: Vec<String> = glob.iter().chain(path).cloned().collect();
            self.definition(module, &full, depth + 1)
        })
    }

    fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (index, module) in self.modules.iter().enumerate() {
            let mut paths = Paths(module.own_uses.clone());
            module.items.iter().for_each(|item| paths.visit_item(item));
            let used = imports.entry(module.file.clone()).or_default();
            for path in paths.0 {
                let Some(target) = self.definition(index, &path, 0) else {
                    continue;
                };
                let file = &self.modules[target].file;
                if *file != module.file {
                    used.entry(file.clone())
                        .or_default()
                        .insert(path.last().unwrap().clone());
                }
            }
        }
        imports
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Macro(item) => item.ident.as_ref()?.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Union(item) => item.ident.to_string(),
        _ => return None,
    })
}

fn leaves_of(tree: &UseTree, prefix: &mut Vec<String>, leaves: &mut Vec<(Option<String>, Vec<String>)>) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            leaves_of(&path.tree, prefix, leaves);
            prefix.pop();
        }
        UseTree::Name(name) if name.ident == "self" => leaves.push((prefix.last().cloned(), prefix.clone())),
        UseTree::Name(name) => leaves.push((Some(name.ident.to_string()), joined(prefix, &name.ident))),
        UseTree::Rename(renamed) => {
            leaves.push((Some(renamed.rename.to_string()), joined(prefix, &renamed.ident)));
        }
        UseTree::Glob(_) => leaves.push((None, prefix.clone())),
        UseTree::Group(group) => group
            .items
            .iter()
            .for_each(|tree| leaves_of(tree, prefix, leaves)),
    }
}

fn joined(prefix: &[String], last: &syn::Ident) -> Vec<String> {
    prefix.iter().cloned().chain([last.to_string()]).collect()
}

/// Every path that code names, those inside macros included.
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !in_tests(&module.attrs) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, used: &'ast syn::ItemUse) {
        let mut leaves = Vec::new();
        leaves_of(&used.tree, &mut Vec::new(), &mut leaves);
        self.0.extend(leaves.into_iter().map(|(_, path)| path));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(
            path.segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect(),
        );
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }
}

impl Paths {
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.0
                            .extend((!path.is_empty()).then(|| std::mem::take(&mut path)));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.0
                        .extend((!path.is_empty()).then(|| std::mem::take(&mut path)));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.0.extend((!path.is_empty()).then_some(path));
    }
}

/// The groups of files that use each other, each sorted.
pub(super) fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = imports
        .keys()
        .map(|file| (file, reached_from(imports, file)))
        .collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            let circle: Vec<String> = others
                .iter()
                .filter(|other| reached[**other].contains(file))
                .map(|f| (*f).clone())
                .collect();
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

fn reached_from<'i>(imports: &'i Imports, file: &String) -> BTreeSet<&'i String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = imports[file].keys().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(imports[next].keys());
        }
    }
    reached
}
