"""Writes what Python's str.format makes of generated templates, one JSON list a line:

    [template, {name: value, ...}, the text or null]

    python generate.py >corpus.jsonl

Null stands for an exception, and for attributes of a value, which mlrun never gives. The committed
corpus was made by CPython 3.11; the same seed gives the same lines.
"""

import json
import random
import resource
import sys

SEED = 3
COUNT = 4000

VALUES = [
    "",
    "a",
    "0.5",
    "two words",
    "'quoted'",
    "'it'\"'\"'s'",
    "äöü",
    "名前",
    "𝟙😀",
    "tab\there",
    "two\nlines",
    "back\\slash",
    "\x00\x1b\x7f\x85\xa0\xad\u200b\u2028\ufeff",
    "{brace}",
    "x" * 30,
]
NAMES = ["a", "b", "w", "n", "with space", "dataset-path", "ü", "_x", "A", "1a", "a]", "l1.ratio"]
LITERALS = ["", "x", "python train.py ", " --a ", "{{", "}}", "$", "\n", "ü", "'", '"', ":", "!", "[0]", "${{HOME}}"]
FILLS = list(" *0<>^={}ü😀-") + ["\n"]
LONE = ["{", "}", "{}", "{0}", "{nope}", "{ a }", "${HOME}", "{a", "{a!}", "{a!r", "{a:", "{a[", "{a[0", "{a[]}", "{a[0]x}"]


INDICES = ["[0]"] * 16 + ["[1]", "[2]", "[٣]"] * 3
INDICES += ["[-1]", "[+1]", "[a]", "[9]", "[1:2]", ".upper", ".", "[ 0]", "[99999999999999999999]"]


def digits(generator):
    return generator.choice(["0", "1", "2", "3", "5", "8", "08", "12", "40", "٥", "１"])


def spec(generator, nested):
    parts = []
    if generator.random() < 0.5:
        if generator.random() < 0.6:
            parts.append(generator.choice(FILLS))
        parts.append(generator.choice("<>^" * 12 + "="))
    if generator.random() < 0.02:
        parts.append(generator.choice("+- "))
    if generator.random() < 0.01:
        parts.append("z")
    if generator.random() < 0.01:
        parts.append("#")
    if generator.random() < 0.25:
        parts.append("0")
    if generator.random() < 0.7:
        parts.append(digits(generator) if not nested or generator.random() < 0.6 else field(generator, False))
    if generator.random() < 0.02:
        parts.append(generator.choice([",", "_", ",_", "_,"]))
    if generator.random() < 0.35:
        parts.append("." + (digits(generator) if generator.random() < 0.8 else generator.choice(["", "{n}", "{n}", "{n}"])))
    if generator.random() < 0.35:
        parts.append(generator.choice("s" * 30 + "dfx%r}"))
    return "".join(parts)


def field(generator, nested=True):
    text = generator.choice(NAMES[:4] * 4 + NAMES)
    while generator.random() < 0.12:
        text += generator.choice(INDICES)
    if generator.random() < 0.25:
        text += "!" + generator.choice("rsa" * 8 + "xR:}")
    if generator.random() < 0.5:
        text += ":" + spec(generator, nested or generator.random() < 0.1)
    return "{" + text + "}"


def template(generator):
    parts = []
    for _ in range(generator.randint(1, 4)):
        chance = generator.random()
        if chance < 0.35:
            parts.append(generator.choice(LITERALS))
        elif chance < 0.97:
            parts.append(field(generator))
        else:
            parts.append(generator.choice(LONE))
    text = "".join(parts)
    if text and generator.random() < 0.06:
        at = generator.randrange(len(text))
        text = text[:at] + generator.choice(["", "{", "}", "[", "]", ":", "!"]) + text[at + 1 :]
    return text


class Value(str):
    """A string without attributes to look at."""

    def __getitem__(self, index):
        return Value(super().__getitem__(index))

    def __getattribute__(self, name):
        if name.startswith("__"):
            return super().__getattribute__(name)
        raise AttributeError(name)


def expected(text, values):
    try:
        return text.format(**{name: Value(value) for name, value in values.items()})
    except (ValueError, KeyError, IndexError, AttributeError, TypeError, MemoryError):
        return None


def main():
    # A field can be asked to be billions of characters wide.
    resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
    generator = random.Random(SEED)
    count = 0
    while count < COUNT:
        text = template(generator)
        names = [name for name in NAMES if generator.random() < 0.98]
        values = {}
        for name in names:
            if name in ("w", "n"):
                values[name] = generator.choice(["0", "1", "5", "12", "03", "5", "12", "-1", "x", ".2"])
            else:
                values[name] = generator.choice(VALUES)
        # Only what the template may use, so that a line stays short.
        values = {name: value for name, value in values.items() if name in text}
        line = [text, values, expected(text, values)]
        if line[2] is not None and len(line[2]) > 500:
            continue
        count += 1
        sys.stdout.write(json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
