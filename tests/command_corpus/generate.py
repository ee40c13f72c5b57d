"""Writes what MLflow's own project code makes of small projects, one JSON object a line.

    python generate.py >corpus.jsonl

`mlproject` is the file's text or null, `files` are those beside it, `given` the parameters. The
project lies in <directory>/project, and <directory>/work is the caller's directory. `reference` is
MLflow's answer: the command, the recorded values (unquoted), the name and the environment; or the
error. `mlrun` stands where mlrun deliberately answers otherwise: the fields that differ, or a part
of the error's text. The committed corpus was made with MLflow 3.17.2 and CPython 3.11.
"""

import json
import os
import shlex
import sys
import tempfile

os.environ["SHELL"] = "/bin/dash"

from mlflow.projects import _project_spec  # noqa: E402

CASES = []


def case(mlproject=None, given=None, entry_point="main", files=(), mlrun=None):
    CASES.append({
        "mlproject": mlproject,
        "files": list(files),
        "entry_point": entry_point,
        "given": list((given or {}).items()),
        "mlrun": mlrun,
    })


def main_with(parameters, command, given=None, mlrun=None):
    indented = "".join(f"      {line}\n" for line in parameters.splitlines())
    text = "entry_points:\n  main:\n"
    text += "    parameters:\n" + indented if parameters else ""
    case(text + f"    command: {json.dumps(command)}\n", given, mlrun=mlrun)


VALUES = [
    "", " ", "x", "two words", "it's", 'say "hi"', "$HOME", "`id`", "$(id)", "a;b", "a|b", "a&b", "a>b", "*", "?", "[a]",
    "~", "~/x", "#x", "back\\slash", "two\nlines", "tab\there", "ü", "名前", "a=b=c", "{a}", "{{", "}", "%s", "--flag", "-",
    "!x", "a,b", "%@+=:,./-_", "\x7f", "\u200b", "^", "x" * 300, "s3://bucket/key", "0x10", "1e-5", "None", "True",
]
DEFAULTS = [
    "x", "'x'", '"x y"', "1", "01", "010", "0o17", "0x1F", "0b11", "089", "1_000", "-5", "+5", "1.0", "1.", ".5", "-.5", "0.1",
    "1e5", "1.0e5", "1.0e-5", "1.0e+5", "1e-5", "1E5", "0.000001", "0.0001", "123456789.123456789", "1.0e+22", "1.0e+16",
    ".inf", "-.INF", ".nan", "true", "True", "TRUE", "yes", "no", "on", "off", "y", "n", "'yes'", "null2", "''", '""', "None",
    "2020-01-01", "2020-1-2", "2024-01-02T03:04:05Z", "2024-01-02 03:04:05.5", "12:30:45", "1:30", "190:20:30.15", "[1, 2]",
    "[a, 'b c', null, true]", "[]", "{}", "{a: 1, b: [x]}", "!!str 1", "!!set {a}", "!!binary aGk=", "a b c", "a: b",
    "'it''s'", '"a\\tb"', "/abs/path", "./rel", "https://host/x?a=1", "@x", "a#b", "a #b", "ü", "99999999999999999999999",
]
TEMPLATES = [
    "echo {a}", "echo {a} {b}", "echo {a!r}", "echo {a!s:>8}", "echo {b:.1}", "echo {a[0]}{a[1]}", "echo {a:{w}}", "echo {{a}}",
    "echo ${{HOME}}", "echo {{{a}}}", "", " ", "echo", "echo {a:08}|", "echo '{a}'", "echo {a", "echo a}", "echo {nope}",
    "echo {}", "echo {0}", "echo { a }", "echo ${HOME}", "awk '{print $1}'", "echo {a.b}", "echo {a[x]}", "echo {a[99]}",
    "echo {a:d}", "echo {a!x}", "echo {a:=5}", "echo {A}", "echo {a}{a}",
]
FLOATS = [
    "1", "1.5", "-1", "+1", "1e5", "1e-5", ".5", "5.", " 1 ", "inf", "-Infinity", "nan", "NaN", "1_000.5", "٣", "１.５", "007",
]
NO_FLOATS = ["", " ", "abc", "0x10", "1__0", "_1", "1_", "1,5", "1e", "--1", "True", "None", "1 2", "½", "1.2.3"]


def values():
    for value in VALUES:
        main_with("a: string", "echo {a}", {"a": value})
        main_with("", "echo", {"a": value})
    for key in ["a;b", "ü", "it's", "a.b/c-d", "$x", "A"]:
        main_with("", "echo", {key: "1"})
    main_with("", "echo", {"a b": "1"}, mlrun={"error": "'a b' contains a space"})
    main_with("", "echo", {"": "1"}, mlrun={"error": "'' is empty"})
    main_with("", "echo", {"z": "1", "b": "2", "a": "3", "10": "4", "9": "5"})
    main_with("b: {default: 1}\na: string", "echo {a} {b}", {"z": "1", "a": "2", "y": "3"})
    for value in FLOATS:
        main_with("a: float", "echo {a}", {"a": value})
    for value in NO_FLOATS:
        refused = {"error": "must be a float"}
        main_with("a: float", "echo {a}", {"a": value}, mlrun=refused)
        main_with("a: {type: float, default: 1}", "echo {a}", {"a": value}, mlrun=refused)
    main_with("a: {type: float, default: abc}", "echo {a}", mlrun={"error": "got 'abc'"})
    main_with("a: {type: float, default: abc}", "echo {a}", {"a": "1"})
    for word in ["int", "str", "bool", "list[int]", "Float", "number", '""', "'float '"]:
        main_with(f"a: {word}", "echo {a}", {"a": "abc"})


def declarations():
    for default in DEFAULTS:
        main_with(f"a:\n  default: {default}", "echo {a}")
    for default in ["null", "~", "", "Null", "NULL"]:
        main_with(f"a:\n  default: {default}", "echo {a}")
        main_with(f"a: {{type: float, default: {default}}}", "echo {a}", {"a": "1"})
    for declaration in ["{}", "{type: }", "{type: [x], default: 1}", "{type: 5, default: 1}", "{type:int, default: 1}",
                        "{type: string, default: 1, description: what}", "{type: float, defualt: 1}", "5", "[x]", "true", ""]:
        main_with(f"a: {declaration}", "echo {a}", {"a": "1"})
    names = ["dataset-path", "nEpochs", "_a", "größe", "名前", "'a b'", "'l1.ratio'", "'a[0]'", "'1'", "'a:b'", "''"]
    for name in names:
        main_with(f"{name}: {{default: 1}}", "echo {" + name.strip("'") + "}")
    main_with("yes: {default: 1}\n2: {default: 2}\n1.50: {default: 3}\n~: {default: 4}", "echo {True} {None}")
    main_with("yes: {default: 1}", "echo {True}", {"True": "2"},
              mlrun={"command": "echo 2", "logged": [["True", "2"]]})
    main_with("on: string", "echo {True}", {"True": "2"}, mlrun={"command": "echo 2", "logged": [["True", "2"]]})
    main_with("1: {default: 2}\nyes: {default: 3}", "echo {True}", mlrun={"error": "'True' is the same name as '1' on line 4"})
    main_with("1: {default: 2}\n'1': {default: 3}", "echo", mlrun={"error": "'1' is the same name as '1' on line 4"})
    main_with("a: {default: 2}\nb: {default: 3}\na: {default: 4}", "echo {a} {b}")
    main_with("a: string\nb: float\nc: {type: path}\nd: {default: 1}", "echo", {"b": "1"})
    for given in [{}, {"a": "1"}]:
        no_parameters = {"command": "echo" + "".join(f" --{k} {v}" for k, v in given.items()), "logged": list(given.items())}
        for text in ["    parameters:\n", "    parameters: {}\n"]:
            case("entry_points:\n  main:\n" + text + "    command: echo\n", given,
                 mlrun=no_parameters if text.endswith(":\n") else None)
    for text in ["parameters: []", "parameters: x", "command: 5", "command: true", "command: [a]", "command:", "{}", "", "x"]:
        case(f"entry_points:\n  main:\n    {text}\n")
    for template in TEMPLATES:
        main_with("a: string\nb: string\nw: {default: 6}", template, {"a": "it's", "b": "xyz"})
    for block in ["|", ">", "|+", "|-", ">-"]:
        text = f"entry_points:\n  main:\n    command: {block}\n      echo a\n      echo b\n\n"
        case(text, mlrun=trimmed(block, ""))
        case(text, {"z": "1"}, mlrun=trimmed(block, " --z 1"))
    continued = "entry_points:\n  main:\n    command: |\n      echo a \\\n"
    case(continued)
    case(continued, {"z": "1"})
    case("entry_points:\n  main:\n    command: \"echo \\\n      a\"\n", {"z": "1"})


def trimmed(block, extra):
    """What mlrun makes of a block that ends in newlines: they are cut."""
    if block.endswith("-"):
        return None
    return {"command": ("echo a echo b" if block == ">" else "echo a\necho b") + extra}


def paths():
    files = ["work/data.csv", "work/a b/c.csv", "work/%41", "work/A", "project/data2.csv"]
    for value in ["data.csv", "./data.csv", "a b/../a b/c.csv", "../work/data.csv", "<directory>/work/data.csv", "work", ".",
                  "file://<directory>/work/data.csv", "file:data.csv", "file:///", "missing.csv", "data2.csv", "~", "~/x",
                  "%41", "a%20b", "data.csv?x", "file://<directory>/work/data.csv?x#y", "//", "/", "../../../../../../../.."]:
        case("entry_points: {main: {parameters: {a: path}, command: 'cat {a}'}}", {"a": value}, files=files)
    case("entry_points: {main: {parameters: {a: {type: path, default: data.csv}}, command: 'cat {a}'}}", files=files)
    case("entry_points: {main: {parameters: {a: path}, command: 'cat {a}'}}", {"a": ""},
         mlrun={"error": "must be a path, but its value is empty"})
    for value in ["s3://bucket/key?x=1#y", "file:///data/x.csv", "http://host/a b", "dbfs:/x", "hdfs://h:1/x"]:
        case("entry_points: {main: {parameters: {a: uri}, command: 'cat {a}'}}", {"a": value})
    for value, absolute in [("data/x.csv", "<directory>/work/data/x.csv"), ("../x", "<directory>/x"), ("/x", "/x")]:
        case("entry_points: {main: {parameters: {a: uri}, command: 'cat {a}'}}", {"a": value},
             mlrun={"command": f"cat {absolute}", "logged": [["a", value]]})


def projects():
    scripts = ["project/train.py", "project/src/a b.py", "project/run.sh", "project/train.R", "project/it's.sh"]
    for name in ["train.py", "src/a b.py", "run.sh", "train.R", "it's.sh", "./train.py", "train", "main", "", "train.r"]:
        case(None, {"x": "a b"}, entry_point=name, files=scripts)
        case("name: p\nentry_points: {run.sh: {command: echo declared}}", entry_point=name, files=scripts)
    case(None, entry_point="missing.py", mlrun={"error": "no such file"})
    case(None, entry_point="{a}.py", files=["project/{a}.py"], mlrun={"command": "python '{a}.py'", "logged": []})
    run = "entry_points: {main: {command: echo}}\n"
    environments = [
        "", "name: a b\n", "name: 5\n", "name:\n", "conda_env: env/c.yaml\n", "conda_env: ''\n", "conda_env: missing.yaml\n",
        "conda_env: 5\n", "python_env: env/p.yaml\n", "python_env:\n", "python_env: missing.yaml\n", "python_env: [a]\n",
        "python_env: env/p.yaml\nconda_env: env/c.yaml\n", "docker_env:\nconda_env: env/c.yaml\n", "docker_env:\n",
        "docker_env: {image: i}\n", "docker_env: {image: 5}\n", "docker_env: {volumes: [a]}\n", "docker_env: i\n", "docker_env: []\n",
        "docker_env: {image: i, volumes: ['/a:/b'], environment: [A, [B, c]]}\n", "docker_env: {image: i, volumes: /a:/b}\n",
        "docker_env: {image: i, volumes: [5]}\n", "docker_env: {image: i, environment: {A: b}}\n", "docker_env: {image: '', volumes: []}\n",
        "docker_env: {image: i, environment: [5]}\n", "docker_env: {image: i, volumes: , environment: []}\n",
        "unknown: key\n", "name: a\nname: b\n", "# comment\n", "\ufeffname: bom\n", "name: a\r\n", "--- \nname: a\n",
        "databricks_spark_job: {}\n", "databricks_spark_job: {python_file: a.py}\n", "databricks_spark_job: 5\n",
        "databricks_spark_job:\n", "databricks_spark_job: {}\nconda_env: env/c.yaml\n", "databricks_spark_job: {}\npython_env:\n",
    ]
    files = ["project/env/c.yaml", "project/env/p.yaml"]
    for text in environments:
        case(text + run, files=files)
        case(text + run, files=[*files, "project/conda.yaml"])
    case(run, files=["project/conda.yaml", "project/python_env.yaml"])
    case("conda_env: env/c.yaml\n" + run, files=[*files, "project/python_env.yaml"])
    case(None, entry_point="a.py", files=["project/a.py", "project/conda.yaml"])
    for text in ["[a]", "abc", "5", "a: b: c", "a: [", "entry_points: [main]", "entry_points: main", "entry_points: {main: x}",
                 "databricks_spark_job: {}", "databricks_spark_job: {python_file: x}\ndocker_env: {image: x}",
                 "databricks_spark_job: {}\nentry_points: {main: {parameters: {a: path}, command: x}}"]:
        case(text)
    for text in ["entry_points:\n", "", "# comment\n", "---\n"]:
        case(text, entry_point="a.py", files=["project/a.py"], mlrun={"command": "python a.py", "logged": []})
    case("entry_points: {main: , other: {command: echo}}", entry_point="other", mlrun={"command": "echo", "logged": []})
    case("entry_points: {1: {command: echo}}", entry_point="1", mlrun={"command": "echo", "logged": []})


def answer(directory, one):
    project = _project_spec.load_project(os.path.join(directory, "project"))
    environment = project.env_type
    if project.docker_env:
        environment = project.docker_env
    elif project.env_config_path:
        environment = [project.env_type, os.path.relpath(project.env_config_path, directory)]
    entry_point = project.get_entry_point(one["entry_point"])
    given = dict(one["given"])
    os.mkdir(os.path.join(directory, "storage"))
    command = entry_point.compute_command(given, os.path.join(directory, "storage"))
    unquote = lambda word: shlex.split(word)[0]  # noqa: E731
    declared, extra = entry_point.compute_parameters(given, None)
    logged = [[name, unquote(value)] for name, value in declared.items()]
    logged += [[unquote(name), unquote(value)] for name, value in extra.items()]
    return {
        "command": command,
        "logged": logged,
        "name": None if project.name is None else str(project.name),
        "environment": environment,
    }


def resolve(value, directory):
    if isinstance(value, str):
        return value.replace("<directory>", directory)
    if isinstance(value, (list, tuple)):
        return [resolve(item, directory) for item in value]
    return value


def run_case(one):
    with tempfile.TemporaryDirectory() as directory:
        directory = os.path.realpath(directory)
        for folder in ["project", "work"]:
            os.mkdir(os.path.join(directory, folder))
        for file in one["files"]:
            path = os.path.join(directory, file)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").close()
        if one["mlproject"] is not None:
            with open(os.path.join(directory, "project/MLproject"), "w", newline="") as file:
                file.write(one["mlproject"])
        os.chdir(os.path.join(directory, "work"))
        try:
            given = [[name, resolve(value, directory)] for name, value in one["given"]]
            reference = answer(directory, {**one, "given": given})
        except Exception as error:
            reference = {"error": type(error).__name__}
        finally:
            os.chdir("/")
        return json.loads(json.dumps(reference).replace(directory, "<directory>"))


def main():
    values()
    declarations()
    paths()
    projects()
    for one in CASES:
        line = {**one, "reference": run_case(one)}
        sys.stdout.write(json.dumps({key: value for key, value in line.items() if value not in (None, [])}) + "\n")


if __name__ == "__main__":
    main()
