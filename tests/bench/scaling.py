#!/usr/bin/env python3
"""Measures how the time of looking at a project grows with its size: CPU seconds of `mlrun` at N and at 4 N
of each kind of part, and their ratio. About 4 is linear, 16 is quadratic. Needs Python's standard library.

    tests/bench/scaling.py target/release/mlrun [--size 10000]
"""

import argparse
import os
import subprocess
import sys
import tempfile


def lines(count, line):
    return "".join(line.format(number) + "\n" for number in range(count))


def placeholders(count):
    return " ".join("{p%d}" % number for number in range(count))


def parameters(count):
    declared = lines(count, "      p{0}: {{type: float, default: {0}}}")
    return f"entry_points:\n  main:\n    parameters:\n{declared}    command: echo {placeholders(count)}\n"


def unused(count):
    declared = lines(count, "      p{0}: {{default: {0}}}")
    return f"entry_points:\n  main:\n    parameters:\n{declared}    command: echo\n"


def undeclared(count):
    return f"entry_points:\n  main:\n    command: echo {placeholders(count)}\n"


def entry_points(count):
    declared = lines(count, "  e{0}: {{parameters: {{a: {{default: 1}}}}, command: 'echo {{a}}'}}")
    return f"entry_points:\n  main: {{command: echo}}\n{declared}"


def one_line(count):
    entries = ", ".join("e%d: {command: 'echo {a}'}" % number for number in range(count))
    return f"entry_points: {{main: {{command: echo}}, {entries}}}\n"


def command_lines(count):
    return f"entry_points:\n  main:\n    command: |\n      cat <<END\n{lines(count, '      --option{0}')}      END\n"


def long_default(count):
    return f"entry_points:\n  main:\n    parameters: {{a: {{default: '{'x ' * count * 10}'}}}}\n    command: echo {{a}}\n"


def plain(_):
    return "entry_points: {main: {command: echo}}\n"


def params_file(count):
    with open("params.yaml", "w") as file:
        file.write(lines(count, "x{0}: {0}"))
    return ["--params-file", "params.yaml"]


def seconds(program, arguments):
    child = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(child.pid, 0)
    return usage.ru_utime + usage.ru_stime


DRY = ["run", "project", "--env-manager", "local", "--dry-run"]
KINDS = [
    ("parameters", parameters, DRY),
    ("parameters", parameters, ["inspect", "project"]),
    ("unused parameters", unused, ["lint", "project"]),
    ("undeclared placeholders", undeclared, ["lint", "project"]),
    ("entry points", entry_points, ["inspect", "project", "--json"]),
    ("entry points", entry_points, ["__complete", "4", "--", "mlrun", "run", "project", "-e", "e"]),
    ("entry points on one line", one_line, ["lint", "project"]),
    ("lines of a command", command_lines, ["lint", "project"]),
    ("words of a default", long_default, ["inspect", "project"]),
    ("parameters of a file", plain, DRY),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--size", type=int, default=10_000)
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        os.mkdir("project")
        print(f"{'parts':<26} {'command':<12} {options.size:>9} {4 * options.size:>9}  ratio")
        for name, text, arguments in KINDS:
            measured = []
            for count in (options.size, 4 * options.size):
                with open("project/MLproject", "w") as file:
                    file.write(text(count))
                more = params_file(count) if text is plain else []
                measured.append(min(seconds(program, arguments + more) for _ in range(3)))
            print(f"{name:<26} {arguments[0]:<12} {measured[0]:9.3f} {measured[1]:9.3f}  {measured[1] / measured[0]:5.1f}")
            sys.stdout.flush()


main()
