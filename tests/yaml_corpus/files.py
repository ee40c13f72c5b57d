"""Whole files as people write them for MLflow Projects, with what goes wrong in them."""

PLAIN = """\
name: demo

conda_env: conda.yaml

entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      l1_ratio: {type: float, default: 0.1}
    command: "python train.py {alpha} {l1_ratio}"
"""

FILES = {
    "plain": PLAIN,
    "crlf": PLAIN.replace("\n", "\r\n"),
    "carriage returns only": PLAIN.replace("\n", "\r"),
    "byte order mark": "\ufeff" + PLAIN,
    "byte order mark and crlf": "\ufeff" + PLAIN.replace("\n", "\r\n"),
    "byte order mark inside": "name: a\n\ufeffb: c\n",
    "utf-16 little endian": b"\xff\xfe" + PLAIN.encode("utf-16-le"),
    "utf-16 big endian": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "utf-16 cut": b"\xff\xfe" + "name: é".encode("utf-16-le")[:-1],
    "utf-16 without mark": "name: x".encode("utf-16-le"),
    "latin 1": "name: x\ndescription: naïve\n".encode("latin-1"),
    "utf-8 cut": "name: é".encode()[:-1],
    "nul": b"name: a\0b\n",
    "escape character": b"name: a\nx: \x1b[0m\n",
    "delete character": b"name: a\r\nx: \x7f\n",
    "no newline at the end": "name: a\nconda_env: b",
    "empty": "",
    "line end only": "\n",
    "comments only": "# nothing here\n# at all\n",
    "document mark only": "---\n",
    "document mark and comment": "--- # c\n# d\n",
    "document end": "name: a\n...\n",
    "document end and comment": "name: a\n... # c\n# d\n",
    "two documents": "name: a\n---\nname: b\n",
    "two documents with ends": "name: a\n...\n---\nname: b\n...\n",
    "text after the end": "name: a\n...\nname: b\n",
    "document mark in a text": "name: a ---\nx: --- b\n",
    "version directive": "%YAML 1.1\n---\nname: a\n",
    "version 1.2": "%YAML 1.2\n---\non: 017\n",
    "version 2": "%YAML 2.0\n---\nname: a\n",
    "two versions": "%YAML 1.1\n%YAML 1.1\n---\na\n",
    "directive without document": "%YAML 1.1\nname: a\n",
    "unknown directive": "%FOO bar baz\n---\nname: a\n",
    "malformed directive": "%YAML 1\n---\nname: a\n",
    "tag directive": "%TAG !e! tag:yaml.org,2002:\n---\nname: !e!str 12\n",
    "tag directive of others": "%TAG ! tag:example.org,2000:\n---\nname: !foo 12\n",
    "tag directive twice": "%TAG !e! a\n%TAG !e! b\n---\nname: a\n",
    "shorthand parameters": """\
entry_points:
  main:
    parameters:
      data_file: path
      regularization: {type: float, default: 0.1}
      epochs: int
    command: "python train.py -r {regularization} {data_file} {epochs}"
  validate:
    parameters:
      data_file: path
    command: python validate.py {data_file}
""",
    "key without a space": """\
entry_points:
  main:
    parameters:
      l1: {type:int, default: 1}
      l2: {type:int,default:2}
      l3: {type str, default: 3}
      l4: {type: int, default:}
      l5: {default:, type: int}
      l6: {"type":int, "default":1}
      l7: {type: string,default: ""}
    command: x
""",
    "misspelt keys": """\
name: x
conda env: conda.yaml
kubernetes_env: a
entry-points:
  main:
    parameters:
      a: {type: float, defulat: 1}
    comand: python x.py
""",
    "block parameters": """\
entry_points:
  main:
    parameters:
      alpha:
        type: float
        default: 0.5
        description: how much
      path:
        type: path
        default: ./data
    command: |
      python train.py --alpha {alpha} --path {path}
""",
    "defaults that change": """\
a: .0
b: 1.
c: 1e-5
d: 0.000001
e: True
f: no
g: on
h: 010
i: 1_000
j: 12:30:45
k: 2020-01-01
l: 1.0e-5
m: ~
n: None
o: ''
p:
q: "no"
r: 1e5
s: 2024-01-02T03:04:05Z
t: 0x1F
u: 0o17
v: 089
w: y
x: .inf
y: 1.10
z: 1,000
""",
    "folded command": """\
command: >
  python train.py
  --alpha {alpha}
  --beta {beta}
""",
    "folded command with deeper lines": """\
entry_points:
  main:
    command: >
      python train.py
        --alpha {alpha}
        --beta {beta}
      --gamma {gamma}

      && echo done
""",
    "folded and stripped": "command: >-\n  a\n  b\n\n\nname: x\n",
    "folded and kept": "command: >+\n  a\n  b\n\n\nname: x\n",
    "literal command": """\
command: |
  set -e
  python train.py \\
    --alpha {alpha}

  echo done
name: x
""",
    "literal with a comment inside": "command: |\n  a # no comment\n  # neither this\n# but this\nname: x\n",
    "literal with stated indentation": "command: |2\n    a\n   b\nname: x\n",
    "literal with trailing blanks": "command: |\n  a  \n  b\t\n   \nname: x\n",
    "literal with crlf": "command: |\r\n  a\r\n  b\r\nname: x\r\n",
    "literal indented less": "a:\n  command: |\n  x\n  y\nb: 1\n",
    "literal with a tab": "command: |\n\tx\n",
    "plain command over lines": """\
command: python train.py
  --alpha {alpha}
  --beta {beta}

  --gamma
name: x
""",
    "plain command with backslashes": """\
entry_points:
  main:
    command: python train.py \\
      --alpha {alpha} \\
      --beta {beta}
""",
    "quoted command with backslashes": 'command: "python train.py \\\n  --alpha {alpha} \\\n  --beta {beta}"\n',
    "quoted command over lines": 'command: "python train.py\n  --alpha {alpha}\n\n  --beta"\n',
    "single-quoted command over lines": "command: 'python train.py\n  --alpha ''x''\n\n  --beta'\n",
    "command with a colon": "command: python x.py --name: y\n",
    "command with a colon at the end": "command: echo a:\n",
    "command with a hash": "command: echo #1\nother: echo a#1\n",
    "command with braces": "command: {python} x.py\n",
    "command that is a placeholder": "command: {x}\n",
    "command with an alias star": "command: *.py\n",
    "command with a percent": "command: %run x\n",
    "command with backquotes": "command: `which python` x.py\n",
    "command with an at sign": "command: @x\n",
    "command with quotes inside": "command: echo \"a\" 'b'\n",
    "command that ends its quotes early": 'command: "python" x.py\n',
    "command that is never closed": 'name: x\ncommand: "python x.py\nother: 1\n',
    "shell": "command: bash -c 'for i in $(seq {n}); do echo $i; done' && ls *.py | wc -l > out; A=1 b `c`\n",
    "doubled braces": 'command: "echo ${{HOME:-x}} {{}} {a}"\n',
    "anchors": """\
defaults: &defaults
  type: float
  default: 0.5
name: &name demo
entry_points:
  main:
    parameters:
      a: *defaults
      b: *defaults
    command: *name
""",
    "merge": """\
base: &base {type: float, default: 1}
other: &other {default: 2, description: x}
a:
  <<: *base
  default: 3
b:
  default: 4
  <<: *base
c:
  <<: [*base, *other]
d:
  <<: [*other, *base]
  type: int
e:
  <<: *base
  <<: *other
f: {<<: {x: 1}, y: 2}
""",
    "merge of merges": "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}\n",
    "merge of a text": "a: &a x\nb:\n  c: 1\n  <<: *a\n",
    "merge of a list of texts": "a: &a x\nb:\n  <<: [{}, *a]\n",
    "merge as a value": "a: <<\n",
    "quoted merge key": "'<<': 1\na: {\"<<\": {b: 1}}\n",
    "equals sign as key": "=: 1\na: 2\n",
    "equals sign as value": "a: =\n",
    "unknown alias": "a: *b\nb: &b 1\n",
    "anchor twice": "a: &x 1\nb: &x 2\n",
    "anchor of nothing": "a: &x\nb: *x\n",
    "alias as key": "a: &x k\n*x : v\n",
    "anchor with an odd name": "a: &x.y 1\n",
    "recursive list": "a: &x [1, *x]\n",
    "recursive mapping": "&x a: 1\nb: &y {c: *y}\n",
    "duplicate keys": """\
name: a
entry_points:
  main:
    command: first
    parameters: {x: int}
    command: second
    parameters: {y: int}
name: b
""",
    "keys that are one in Python": "1: a\nyes: b\n1.0: c\n0: d\nno: e\n-0.0: f\n'1': g\n",
    "keys of every kind": "yes: a\n1: b\n1.5: c\n~: d\n2020-01-01: e\n'x': f\n? g\n: h\n!!binary aGk=: i\n2020-01-01 00:00:00Z: j\n2020-01-01 01:00:00+01:00: k\n",
    "a list as key": "[a, b]: c\n",
    "a mapping as key": "name: x\n{a}: c\n",
    "a set as key": "? !!set {a}\n: c\n",
    "key over lines": "a\n  b: c\n",
    "long key": "a" * 1025 + ": b\n",
    "longest key": "k: 1\n" + "a" * 1024 + ": b\n",
    "long key of wide characters": "é" * 1000 + ": b\n",
    "explicit keys": "? a\n: b\n? c\n? d\n:\n- e\n- f\n",
    "list as long as its key": "docker_env:\n  volumes:\n  - a:/b\n  - $(pwd):/c\n  environment:\n  - [A, b]\n  - C\n",
    "docker": """\
name: docker-example
docker_env:
  image: registry/team/image:7.0  # pinned
  volumes: ["/local/path:/container/mount/path", "${PWD}:/x"]
  environment: [["NEW_ENV_VAR", "new_var_value"], "VAR_TO_COPY_FROM_HOST_ENVIRONMENT"]
entry_points: {main: {command: "python train.py"}}
""",
    "list within a list": "- - a\n  - b\n- - - c\n-\n  - d\n-\n- e: f\n  g: h\n",
    "empty values": "a:\nb: \nc: ~\nd: ''\ne: {}\nf: []\ng: null\nh:   # nothing\n",
    "empty collections over lines": "a: {\n}\nb: [\n\n]\nc: {\n  d: 1,\n  e: [2,\n3],\n}\n",
    "parameters null": "entry_points:\n  main:\n    parameters:\n    command: x\n",
    "flow pairs in a list": "[a: 1, b, ? c : d, ? e, {f}, g:, h]\n",
    "flow mapping without values": "{a, b: , c: 1, ? d}\n",
    "flow text with question mark": "a: [what?, b]\n",
    "flow text with colons": "a: [b:c, d::e, http://f:80/g]\n",
    "flow text over lines": "a: [b\n  c, d\n\n  e]\n",
    "flow never closed": "a: [b, c\nd: e\n",
    "flow closed by the other": "a: [b, c}\nd: e\n",
    "flow with no comma": "a: {b: 1 c: 2}\n",
    "flow with two commas": "a: [b,, c]\n",
    "flow closed twice": "a: [b]]\nc: d\n",
    "flow with a comment": "a: [b, # c\n  d]\n",
    "flow with a dash": "a: [- b]\n",
    "flow with a literal": "a: [|\n  b]\n",
    "tab after the colon": "a:\tb\n",
    "tab as indentation": "a:\n\tb: c\n",
    "tab before a comment": "a: b\t# c\n",
    "tab at the end": "a: b\t\nc: d\n",
    "tab within a text": "a: b\tc\n",
    "tab on an empty line": "a: b\n\t\nc: d\n",
    "tab within quotes": 'a: "b\tc"\n',
    "tab in a list": "-\ta\n",
    "indented too far": "a: b\n  c: d\n",
    "indented too little": "a:\n    b: c\n  d: e\n",
    "value and mapping": "a: b\n c\nd: e: f\n",
    "list item after a value": "a: - b\n",
    "list where a key should be": "a: b\n- c\n",
    "key where an item should be": "- a\nb: c\n",
    "no colon": "name: a\nconda_env\nx: y\n",
    "no colon at the end": "name: a\nconda_env",
    "no colon before a list": "name\n- a\n",
    "colon without space": "name:a\n",
    "colon without space, then another": "name:a\nb: c\n",
    "space before the colon": "name : a\n",
    "text as document": "just some text\nover two lines\n",
    "number as document": "42\n",
    "list as document": "- a\n- b\n",
    "comments everywhere": "# a\nname: x # b\n# c\nentry_points: # d\n  # e\n  main: # f\n    command: y # g\n  # h\n#i\n",
    "wide characters": "name: 日本語\nentry_points:\n  главная: {command: 'échо \U0001f600'}\n",
    "unicode line ends": "a: b\u2028c: d\u0085e: f\n",
    "odd dates": "a: 2020-02-30\n",
    "odd date far down": "a:\n  b:\n    - 1\n    - {c: 2021-02-29}\n",
    "two errors of values": "a: {b: 2020-02-30}\nc: !foo d\n",
    "two errors of values, the other way": "a: {b: !foo d}\nc: 2020-02-30\n",
    "binary digits that are none": "a: 0b_\n",
    "unknown tag": "name: !Ref x\n",
    "unknown tag of a mapping": "name:\n  x: !Sub {a: b}\n",
    "unknown tag handle before an error": "a: &a !a!x\nb\nc: d\n",
    "unknown tag handle, then an anchor, before an error": "a: !a!x &a\nb\nc: d\n",
    "python object": "name: !!python/object/apply:os.system ['true']\n",
    "hyphens and capitals": "My-Name: A b\nentry_points:\n  Main-Entry: {command: x, parameters: {data-path: path, MaxDepth: int}}\n",
    "values with commas": 'a: "1, 10, 100"\nb: 1, 10, 100\nhydra_options: "a=1,2 -m"\nc: a=1,2 -m\n',
    "lists as defaults": "a: {default: [1, 'b', 1.5, ~, yes, 2020-01-01]}\nb: {default: {c: 1, d: [2]}}\n",
    "strings that repr must escape": "a: [\"it's\", 'say \"x\"', \"'\\\"\", \"\\n\\t\\\\\", \"\\0\\x1b\\x7f\", \"é\\xa0\\xad\\u200b\\u2028\\ue000\", \"\\U0001F600\\U000e0001\"]\n",
    "databricks": """\
name: x
databricks_spark_job:
  python_file: main.py
  parameters: ["--a", 1, 2.50, yes]
  python_libraries:
    - mlflow
    - package==1.0
""",
    "uv": "name: x\npython_env: python_env.yaml\nentry_points:\n  main: {command: 'uv run x.py'}\n",
}
