//! The parts together: hostile texts, errors as people see them, and what a reader of files needs.

use super::error::{MAX_ALIAS_COPIES, MAX_MERGED_KEYS, MAX_NESTING};
use super::{Node, Position, Style, Value, YamlError, parse};

fn load(text: &str) -> Node {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn refuse(text: &str) -> YamlError {
    match parse(text.as_bytes()) {
        Ok(node) => panic!("{text:?} gives {}", node.value.to_python_repr()),
        Err(error) => error,
    }
}

#[test]
fn nesting_ends_at_its_limit() {
    let nested: [fn(usize) -> String; 4] = [
        |depth| "[".repeat(depth) + &"]".repeat(depth),
        |depth| "{a: ".repeat(depth) + "1" + &"}".repeat(depth),
        |depth| "- ".repeat(depth) + "a",
        |depth| (0..depth).map(|level| " ".repeat(level) + "a:\n").collect(),
    ];
    for text in nested {
        let node = load(&text(MAX_NESTING));
        assert!(node.value.to_python_repr().len() > MAX_NESTING);
        assert_eq!(node.clone(), node);
        let error = refuse(&text(MAX_NESTING + 1));
        assert_eq!(
            error.message,
            format!("nested more than {MAX_NESTING} levels deep")
        );
    }
    for opening in [
        "[", "{", "- ", "? ", "[{", "!!set {", "!!omap [", "{a: [", "&a [*a, ",
    ] {
        refuse(&opening.repeat(100_000));
    }
    refuse(&"]".repeat(100_000));
    refuse(&": ".repeat(100_000));
}

#[test]
fn nesting_through_aliases_ends_at_its_limit() {
    let half = MAX_NESTING / 2 + 1;
    let nested = |inner: &str| "[".repeat(half) + inner + &"]".repeat(half);
    let error = refuse(&format!("- &a {}\n- {}\n", nested("x"), nested("*a")));
    assert_eq!(
        error.message,
        format!("nested more than {MAX_NESTING} levels deep")
    );
}

#[test]
fn bombs_of_aliases_do_not_explode() {
    let laughs = |width: usize, depth: usize, first: &str| {
        let mut text = format!("a0: &a0 {first}\n");
        for level in 1..=depth {
            let items = vec![format!("*a{}", level - 1); width].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        text
    };
    load(&laughs(9, 4, "lol"));
    let limit = format!("aliases repeat more than {MAX_ALIAS_COPIES} bytes of values");
    for text in [
        laughs(9, 9, "lol"),
        laughs(2, 100, "lol"),
        laughs(100, 1, &"x".repeat(1_000_000)),
        laughs(40_000, 2, "1"),
        laughs(100_000, 3, "[]"),
    ] {
        assert_eq!(refuse(&text).message, limit);
    }
}

#[test]
fn bombs_of_merges_do_not_explode() {
    let mut text = "a0: &a0 {k: 1}\n".to_owned();
    for level in 1..=30 {
        let before = level - 1;
        text.push_str(&format!(
            "a{level}: &a{level} {{<<: [*a{before}, *a{before}, *a{before}]}}\n"
        ));
    }
    let limit = format!("'<<' merges more than {MAX_MERGED_KEYS} keys");
    assert_eq!(refuse(&text).message, limit);

    let mut chain = "a:\n  - &a0 {k: 1}\n".to_owned();
    for level in 1..=2000 {
        chain.push_str(&format!("  - &a{level} {{<<: *a{}}}\n", level - 1));
    }
    load(&chain);
    // Here the last link is looked at first, so all others are looked at within it.
    let hidden = chain.replace("\n  ", "\n    ").replacen("a:", "b:\n  a:", 1);
    let error = refuse(&format!("{hidden}c: {{<<: *a2000}}\n"));
    assert_eq!(
        error.message,
        format!("nested more than {MAX_NESTING} levels deep")
    );

    load(&format!("a: &a {{}}\nb:\n{}", "  <<: *a\n".repeat(50_000)));
}

#[test]
fn what_contains_itself_is_refused() {
    for text in [
        "&a [*a]",
        "&a {b: *a}",
        "a: &a\n  b: [c, *a]",
        "&a !!omap [x: *a]",
        "&a {x: &b {<<: *a}}",
    ] {
        assert_eq!(
            refuse(text).message,
            "a collection cannot contain itself",
            "{text}"
        );
    }
    assert!(refuse("&a !!str {=: *a}").message.contains("itself"));
    assert_eq!(load("&a {x: 1, <<: *a}").value.to_python_repr(), "{'x': 1}");
}

#[test]
fn large_texts_are_read_in_linear_time() {
    let long = "x".repeat(1_000_000);
    assert_eq!(load(&long).as_str(), Some(long.as_str()));
    assert_eq!(load(&format!("'{long}'")).as_str(), Some(long.as_str()));
    assert_eq!(load(&format!("|-\n {long}")).as_str(), Some(long.as_str()));
    load(&"- a\n".repeat(100_000));
    load(
        &(0..50_000)
            .map(|number| format!("k{number}: v\n"))
            .collect::<String>(),
    );
    load(&format!("[{}]", "a, ".repeat(100_000)));
    load(&"\n".repeat(1_000_000));
    load(&"# c\n".repeat(300_000));
    load(&format!("a: !!binary {}", "AAAA".repeat(300_000)));
    assert!(refuse(&"9".repeat(1_000_000)).message.contains("4300 digits"));
    assert!(
        refuse(&format!("0x{}", "f".repeat(1_000_000)))
            .message
            .contains("4300 digits")
    );
    refuse(&format!("1{}", ":1".repeat(300_000)));
    refuse(&format!("1{}.5", ":1".repeat(300_000)));
}

#[test]
fn errors_say_what_and_where() {
    for (text, message, line, column, hint) in [
        (
            "a:\n\tb: c",
            "a tab cannot separate or indent anything",
            2,
            1,
            Some("use spaces"),
        ),
        (
            "name: x\ncommand: @x",
            "the character '@' cannot begin a value",
            2,
            10,
            Some("put text that begins with this character in quotes"),
        ),
        (
            "command: echo a: b",
            "a ':' is not allowed here",
            1,
            16,
            Some("check the indentation, and put text that contains ': ' in quotes"),
        ),
        (
            "a: 1\nb\nc: 2",
            "no ':' follows the key at line 2, column 1",
            3,
            1,
            Some("check the indentation, and put text that is not 'key: value' in quotes"),
        ),
        (
            "a: \"b\nc: d",
            "the quoted text that begins at line 1, column 4 is never closed",
            2,
            5,
            None,
        ),
        (
            "a: [b, c",
            "expected ',' or ']' to close the bracket at line 1, column 4, found the end of the text",
            1,
            9,
            Some("put text that contains ',', '?' or brackets in quotes, and close every bracket"),
        ),
        (
            "a: b\n- c",
            "expected the next key or the mapping's end, found '-'",
            2,
            1,
            Some("check the indentation, and put text that is not 'key: value' in quotes"),
        ),
        (
            "command: *.py",
            "expected a name after '*'",
            1,
            11,
            Some("put text that begins with '*' or '&' in quotes"),
        ),
        (
            "command: *x",
            "unknown alias '*x': there is no '&x' before it",
            1,
            10,
            Some("put text that begins with '*' or '&' in quotes"),
        ),
        (
            "command: {{x}: 1}",
            "a mapping cannot be a key",
            1,
            11,
            Some("put text that begins with '{' or '[' in quotes, a placeholder such as '{name}' too"),
        ),
        (
            "a: 2020-02-30",
            "'2020-02-30' is not a valid date or time",
            1,
            4,
            Some("put the text in quotes if it is meant as text"),
        ),
        (
            "a: !Ref x",
            "unknown tag '!Ref'",
            1,
            4,
            Some("put text that begins with '!' in quotes"),
        ),
        (
            "a\n---\nb",
            "a second document begins; only one is allowed",
            2,
            1,
            None,
        ),
    ] {
        let error = refuse(text);
        assert_eq!(error.message, message, "{text:?}");
        assert_eq!(error.position, Some(Position { line, column }), "{text:?}");
        assert_eq!(error.hint().as_deref(), hint, "{text:?}");
        assert_eq!(
            error.to_string(),
            format!("{message} (line {line}, column {column})")
        );
    }
}

#[test]
fn errors_stay_short_and_harmless() {
    let long = "x".repeat(100_000);
    for text in [
        format!("!!int {long}"),
        format!("!{long} a"),
        format!("*{long}"),
        format!("&{long} [&{long} a]"),
        "!!int \"\\e[31m\\n\"".to_owned(),
    ] {
        let message = refuse(&text).message;
        assert!(message.chars().count() < 200, "{message}");
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}

#[test]
fn what_a_reader_of_files_asks() {
    let node = load("a: x\nb: [1, yes]\nc: {d: ~}\n2: e\n");
    let mapping = node.as_mapping().unwrap();
    assert_eq!((mapping.len(), mapping.is_empty()), (4, false));
    assert_eq!(mapping.get("a").unwrap().as_str(), Some("x"));
    assert!(matches!(
        mapping.get("b").unwrap().as_list().unwrap()[1].value,
        Value::Bool(true)
    ));
    let inner = mapping.get("c").unwrap().as_mapping().unwrap();
    assert!(inner.get("d").unwrap().is_null());
    assert!(mapping.get("2").is_none() && mapping.get("z").is_none());
    let (key, value) = mapping.get_entry("b").unwrap();
    assert_eq!(
        (key.start, value.start),
        (Position { line: 2, column: 1 }, Position { line: 2, column: 4 })
    );
    let kinds: Vec<_> = mapping
        .iter()
        .map(|(key, value)| (key.kind(), value.kind()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("text", "text"),
            ("text", "a list"),
            ("text", "a mapping"),
            ("a number", "text")
        ]
    );
}

#[test]
fn repeated_keys_are_reported() {
    for (text, expected) in [
        (
            "a: 1\nb: 2\na: 3\na: 4\n",
            &[("'a'", 1, "'a'", 3), ("'a'", 1, "'a'", 4)][..],
        ),
        ("1: a\nyes: b\n", &[("1", 1, "True", 2)]),
        ("<<: {a: 1}\na: 2\n", &[]),
        ("a: 2\n<<: {a: 1}\n", &[]),
        ("<<: {a: 1}\na: 2\na: 3\n", &[("'a'", 1, "'a'", 3)]),
        ("a: 1\nb: {a: 2}\n", &[]),
    ] {
        let node = load(text);
        let Value::Map(mapping) = &node.value else {
            panic!("{text:?}")
        };
        let found: Vec<_> = mapping
            .repeated_keys()
            .map(|(first, again)| {
                (
                    first.value.to_python_repr(),
                    first.start.line,
                    again.value.to_python_repr(),
                    again.start.line,
                )
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|&(first, line, again, again_line)| (first.to_owned(), line, again.to_owned(), again_line))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

/// Findings need to know how values are written.
#[test]
fn the_writing_is_kept() {
    for (text, style, last_line, written) in [
        ("0.000001", Style::Plain, 1, "0.000001"),
        ("no # comment", Style::Plain, 1, "no"),
        ("!!float 010", Style::Plain, 1, "010"),
        ("", Style::Plain, 1, ""),
        ("~", Style::Plain, 1, "~"),
        ("'a'", Style::SingleQuoted, 1, "a"),
        ("\"a\n  b\"", Style::DoubleQuoted, 2, "a b"),
        ("a\n b\n c\n", Style::Plain, 3, "a b c"),
        ("|\n a\n b\n\n", Style::Literal, 4, "a\nb\n"),
        (">\n a\n b\n", Style::Folded, 3, "a b\n"),
        ("[a,\n b]", Style::Collection, 1, ""),
        ("2001-01-01 ", Style::Plain, 1, "2001-01-01"),
    ] {
        let node = load(text);
        assert_eq!(node.written.style, style, "{text}");
        assert_eq!(node.written.last_line, last_line, "{text}");
        assert_eq!(node.text(), written, "{text}");
    }
}
