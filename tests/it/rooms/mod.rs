//! The plan of the house: who may import whom, and no files that need each other.

mod imports;

use std::collections::HashMap;
use std::path::Path;

use imports::Imports;

fn source() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

/// The floor of each room, by the drawing in the crate's documentation; the lowest is 1.
fn floors() -> HashMap<String, usize> {
    let documentation = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let drawn = documentation.lines().filter_map(|line| {
        let (floor, rooms) = line.strip_prefix("//! floor ")?.split_once(':')?;
        Some((floor.trim().parse::<usize>().unwrap(), rooms))
    });
    drawn
        .flat_map(|(floor, rooms)| rooms.split_whitespace().map(move |room| (room.to_owned(), floor)))
        .collect()
}

fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

#[test]
fn rooms_import_only_those_below() {
    let (imports, floors) = (imports::of(source()), floors());
    let mut wrong = Vec::new();
    for (file, used) in imports
        .iter()
        .filter(|(file, _)| !["lib.rs", "main.rs"].contains(&file.as_str()))
    {
        let floor = floors
            .get(room(file))
            .unwrap_or_else(|| panic!("{file}: its room is not drawn in lib.rs"));
        for (other, names) in used {
            if room(other) != room(file) && floors[room(other)] >= *floor {
                wrong.push(format!("{file} uses {names:?} of {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for drawn in floors.keys() {
        assert!(
            imports.keys().any(|file| room(file) == drawn),
            "there is no room {drawn}"
        );
    }
}

/// Somebody with a new test knows where it goes.
#[test]
fn tests_are_in_the_rooms_of_what_they_test() {
    let (floors, main) = (floors(), include_str!("../main.rs"));
    for module in main.lines().filter_map(|line| line.strip_prefix("mod ")) {
        let module = module.trim_end_matches(';');
        let is_of_no_room = ["harness", "rooms", "whole_program"].contains(&module);
        assert!(
            is_of_no_room || floors.contains_key(module),
            "there is no room {module}"
        );
    }
}

/// A benchmark or a script that names a file which has moved fails only after everything else has passed.
#[test]
fn what_the_scripts_name_exists() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let benchmarks = std::fs::read_dir(home.join("tests/bench")).unwrap();
    let scripts = benchmarks
        .map(|entry| entry.unwrap().path())
        .chain([home.join(".ci/run")]);
    let mut named = 0;
    for script in scripts.filter(|script| script.is_file()) {
        let text = std::fs::read_to_string(&script).unwrap();
        let words = text.split(|character: char| !character.is_alphanumeric() && !"_./-".contains(character));
        for path in words.filter(|word| word.starts_with("tests/") || word.starts_with("examples/")) {
            named += 1;
            let path = path.trim_end_matches('.');
            assert!(
                home.join(path).exists(),
                "{}: {path} does not exist",
                script.display()
            );
        }
    }
    assert!(named > 10, "{named} paths were found");
}

#[test]
fn no_two_files_need_each_other() {
    let imports = imports::of(source());
    assert!(imports.len() > 100, "{} files were read", imports.len());
    let circles = imports::circles(&imports);
    let drawn: Vec<String> = circles.iter().map(|circle| lines(circle, &imports)).collect();
    assert!(drawn.is_empty(), "{}", drawn.join("\n\n"));
}

/// What the files of a circle use of each other.
fn lines(circle: &[String], imports: &Imports) -> String {
    let uses = circle.iter().flat_map(|file| {
        let used = imports[file].iter().filter(|(other, _)| circle.contains(other));
        used.map(move |(other, names)| format!("{file} uses {names:?} of {other}"))
    });
    uses.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_circle_is_found() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        (
            "a.rs",
            "use crate::c::*;\npub fn a() { print!(\"{}\", Other::new()) }\n",
        ),
        ("b.rs", "pub struct B;\nimpl B { fn new() { super::a::a() } }\n"),
        ("c.rs", "pub use crate::b::B as Other;\n"),
    ] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let circles = imports::circles(&imports::of(directory.path()));
    assert_eq!(circles, [["a.rs", "b.rs"]]);
}
