//! The declarations of MLproject files, and the conventions without one.

use super::Fixture;
use crate::project::{DockerEnvironment, EnvironmentEntry, ParameterType, Project, ProjectEnvironment};

fn loaded(mlproject: &str) -> Project {
    Fixture::new(mlproject, &[]).load().unwrap()
}

#[test]
fn everything_is_read() {
    let project = loaded(concat!(
        "name: My Project\n",
        "entry_points:\n",
        "  main:\n",
        "    parameters:\n",
        "      data: path\n",
        "      alpha: {type: float, default: 1.0e-5, description: the rate}\n",
        "      depth: {type: int, default: null}\n",
        "      text: {default: ''}\n",
        "    command: \"python train.py {data}\"\n",
        "  other:\n",
    ));
    assert_eq!(project.name.as_deref(), Some("My Project"));
    assert_eq!(project.environment, ProjectEnvironment::Python { file: None });
    assert!(project.warnings.is_empty() && project.unknown_keys.is_empty());
    let names: Vec<_> = project
        .entry_points
        .iter()
        .map(|entry_point| entry_point.name.as_str())
        .collect();
    assert_eq!(names, ["main", "other"]);
    let main = &project.entry_points[0];
    assert_eq!(main.command.as_deref(), Some("python train.py {data}"));
    assert_eq!(main.command_text.as_ref().unwrap().start.position.line, 9);
    let parameters: Vec<_> = main
        .parameters
        .iter()
        .map(|parameter| {
            let line = parameter.location.position.line;
            (
                parameter.name.as_str(),
                parameter.parameter_type.clone(),
                parameter.default.as_deref(),
                line,
            )
        })
        .collect();
    assert_eq!(
        parameters,
        [
            ("data", ParameterType::Path, None, 5),
            ("alpha", ParameterType::Float, Some("1e-05"), 6),
            ("depth", ParameterType::Other("int".to_owned()), None, 7),
            ("text", ParameterType::String, Some(""), 8),
        ]
    );
    assert_eq!(main.parameters[1].description.as_deref(), Some("the rate"));
    assert_eq!(project.entry_points[1].command, None);
}

#[test]
fn the_file_is_found_in_any_case() {
    for (files, expected, others) in [
        (vec!["MLproject"], Some("MLproject"), vec![]),
        (vec!["mlproject"], Some("mlproject"), vec![]),
        (
            vec!["MLProject", "mlproject", "MLPROJECT"],
            Some("MLPROJECT"),
            vec!["MLProject", "mlproject"],
        ),
        (vec!["MLPROJECT", "MLproject"], Some("MLproject"), vec![]),
        (vec!["MLproject/x", "mlproject"], Some("mlproject"), vec![]),
        (vec!["MLproject.txt", "my-mlproject"], None, vec!["MLproject.txt"]),
    ] {
        let fixture = Fixture::without_mlproject(&[]);
        for file in &files {
            fixture.write(file, "name: x");
        }
        let project = fixture.load().unwrap();
        let expected = expected.map(|name| fixture.path().join(name));
        assert_eq!(project.file, expected, "{files:?}");
        assert_eq!(project.warnings.len(), others.len(), "{files:?}");
        for (warning, other) in project.warnings.iter().zip(others) {
            assert!(warning.contains(other), "{warning}");
        }
    }
}

#[cfg(unix)]
#[test]
fn the_file_may_be_a_link() {
    let fixture = Fixture::without_mlproject(&[]);
    fixture.write("elsewhere/file", "name: linked");
    std::os::unix::fs::symlink("elsewhere/file", fixture.path().join("mlproject")).unwrap();
    assert_eq!(fixture.load().unwrap().name.as_deref(), Some("linked"));
}

#[test]
fn a_file_that_says_nothing_is_none() {
    for text in ["", "\n", "# only a comment\n", "---\n", "\u{feff}"] {
        let fixture = Fixture::new(text, &["conda.yaml"]);
        let project = fixture.load().unwrap();
        assert_eq!(project.file, None, "{text:?}");
        assert_eq!(project.warnings, ["MLproject is empty; ignoring it"], "{text:?}");
        let conda = ProjectEnvironment::Conda {
            file: fixture.path().join("conda.yaml"),
        };
        assert_eq!(project.environment, conda, "{text:?}");
    }
}

#[test]
fn a_directory_without_the_file_follows_the_conventions() {
    let fixture = Fixture::without_mlproject(&["my-model/train.py", "my-model/mlproject.yml"]);
    let project = Project::load(&fixture.path().join("my-model")).unwrap();
    assert_eq!(project.name.as_deref(), Some("my-model"));
    assert_eq!(project.environment, ProjectEnvironment::Python { file: None });
    assert_eq!(
        project.warnings,
        ["ignoring mlproject.yml: the file's name must be MLproject"]
    );
    assert!(Project::load(&fixture.path().join("missing")).is_err());
    assert!(Project::load(&fixture.path().join("my-model/train.py")).is_err());
}

#[test]
fn docker_environments_are_read() {
    let project = loaded(concat!(
        "docker_env:\n",
        "  image: registry:5000/image:1.0\n",
        "  volumes: ['/a:/b', \"$(pwd):/c\"]\n",
        "  environment: [[NEW, value], COPIED, [NUMBER, 1]]\n",
        "  build_context: x\n",
    ));
    let set = |name: &str, value: &str| EnvironmentEntry::Set(name.to_owned(), value.to_owned());
    let expected = DockerEnvironment {
        image: "registry:5000/image:1.0".to_owned(),
        volumes: vec!["/a:/b".to_owned(), "$(pwd):/c".to_owned()],
        environment: vec![
            set("NEW", "value"),
            EnvironmentEntry::Copy("COPIED".to_owned()),
            set("NUMBER", "1"),
        ],
    };
    assert_eq!(project.environment, ProjectEnvironment::Docker(expected));
    assert_eq!(project.unknown_keys[0].key, "docker_env.build_context");
}

#[test]
fn odd_keys_are_remembered() {
    let project = loaded(concat!(
        "conda env: x\n",
        "entry_points:\n",
        "  main:\n",
        "    description: x\n",
        "    parameters:\n",
        "      a: {type:int, default: 1}\n",
        "      b: {defualt: 1}\n",
        "    command: first\n",
        "    command: second\n",
        "  main2: {command: x}\n",
        "1: x\n",
    ));
    let place = |place: &crate::project::KeyPlace| {
        let position = place.location.position;
        format!("{} {}:{}", place.key, position.line, position.column)
    };
    let unknown: Vec<String> = project.unknown_keys.iter().map(place).collect();
    assert_eq!(
        unknown,
        [
            "conda env 1:1",
            "1 11:1",
            "entry_points.main.description 4:5",
            "entry_points.main.parameters.a.type:int 6:11",
            "entry_points.main.parameters.b.defualt 7:11",
        ]
    );
    let repeated: Vec<String> = project.repeated_keys.iter().map(place).collect();
    assert_eq!(repeated, ["entry_points.main.command 9:5"]);
    assert_eq!(project.entry_points[0].command.as_deref(), Some("second"));
    assert_eq!(
        project.entry_points[0].parameters[0].default.as_deref(),
        Some("1")
    );
}
