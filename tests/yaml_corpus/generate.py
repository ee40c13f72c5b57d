"""Writes the corpus: texts, and what PyYAML makes of them.

    python generate.py DIRECTORY           writes scalars.jsonl and files.jsonl there
    python generate.py --fuzz SEED COUNT   prints cases from random changes to the corpus

Needs PyYAML 6. The same version of PyYAML writes the same bytes.
"""

import base64
import codecs
import json
import pathlib
import random
import sys
import unicodedata

import files
import oracle
import scalars


def at_place(value, place):
    """The value at a place of a whole document; the document where it has another form."""
    if place.endswith("value") and isinstance(value, dict) and "k" in value:
        return value["k"]
    if place == "item" and isinstance(value, list) and value:
        return value[0]
    if place == "key" and isinstance(value, dict) and value:
        return next(iter(value))
    return value


def case(name, text, place="root", with_positions=True):
    data = text if isinstance(text, bytes) else text.encode()
    try:
        answer = {"name": name, "text": data.decode()}
    except UnicodeDecodeError:
        answer = {"name": name, "base64": base64.b64encode(data).decode()}
    value, error = oracle.load(data)
    if error is not None:
        return answer | error
    answer |= {"place": place} | oracle.describe(at_place(value, place))
    if place != "root":
        answer["whole"] = oracle.describe(value)["repr"]
    places = oracle.positions(data, value) if with_positions else None
    if places is not None:
        answer["positions"] = places
    return answer


def line(answer):
    return json.dumps(answer, ensure_ascii=True) + "\n"


def write(directory):
    scalar_cases = (case(context, text, place, False) for context, place, text in scalars.cases())
    file_cases = (case(name, text) for name, text in files.FILES.items())
    for name, cases in (("scalars", scalar_cases), ("files", file_cases)):
        with open(directory / f"{name}.jsonl", "w", encoding="ascii", newline="\n") as out:
            out.writelines(map(line, cases))


FRAGMENTS = [
    " ", "  ", "\n", "\n\n", "\n  ", "\t", ":", ": ", "-", "- ", "\n- ", "{", "}", "[", "]", ",", ", ", "'", '"', "#", " #", "?", "? ", "|", "|\n", ">",
    ">-\n", "|2", "&a ", "*a", "!", "! ", "!!str ", "!!int ", "!!float ", "!!set ", "!!omap ", "!!binary ", "!!timestamp ", "!a!b", "%", "%YAML 1.1\n", "%TAG ! x\n",
    "@", "`", "\\", "\\\n", "\\x41", "\\u00e9", "=", "=: 1", "<<: *a", "<<: ", "...\n", "---\n", "--- ", "\r\n", "\r", "\u2028", "\u0085", "\ufeff", "\u00e9", "\U0001f600",
    "0", "1", "7", "9", "_", ".", "e+5", "1.5", "12:30", "0x", "0b1", "2020-01-02", "T03:04:05", " 03:04:05.5+01:00", "yes", "no", "~", "null", ".inf", ".nan", "a", "a: ",
    "a: &a {b: 1}\n", "+", "-", "Z", "\0", "\x1b", "x" * 300,
]


def mutated(source, texts):
    characters = list(source.choice(texts))
    for _ in range(source.choice([1, 1, 1, 2, 2, 3, 5])):
        place = source.randrange(len(characters) + 1)
        kind = source.random()
        if kind < 0.5:
            characters[place:place] = source.choice(FRAGMENTS)
        elif kind < 0.75:
            del characters[place : place + source.choice([1, 1, 2, 4, 9])]
        elif kind < 0.9:
            start = source.randrange(len(characters) + 1)
            characters[place:place] = characters[start : start + source.randrange(20)]
        else:
            other = source.choice(texts)
            start = source.randrange(len(other) + 1)
            characters[place:place] = other[start : start + source.randrange(30)]
    return "".join(characters)


def encoded(source, text):
    """The text's bytes: UTF-8 mostly, UTF-16 at times, at times with some bytes changed."""
    kind = source.random()
    if kind < 0.05:
        data = bytearray(codecs.BOM_UTF16_LE + text.encode("utf-16-le"))
    elif kind < 0.1:
        data = bytearray(codecs.BOM_UTF16_BE + text.encode("utf-16-be"))
    else:
        data = bytearray(text.encode())
    if kind > 0.9 or 0.04 < kind < 0.06:
        for _ in range(source.choice([1, 1, 2])):
            place = source.randrange(len(data) + 1)
            data[place : place + source.randrange(2)] = source.randbytes(source.randrange(3))
    return bytes(data)


def depends_on_unicode_version(data):
    """Whether a character has no meaning yet: repr() escapes it until it has."""
    encoding = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(data[:2], "utf-8")
    text = data.decode(encoding, "ignore")
    return any(unicodedata.category(character) == "Cn" for character in text)


def fuzz(seed, count):
    source = random.Random(seed)
    whole = [text for text in files.FILES.values() if isinstance(text, str)]
    single = [text for _, _, text in scalars.cases()]
    while count > 0:
        data = encoded(source, mutated(source, source.choice([whole, single])))
        if depends_on_unicode_version(data):
            continue
        sys.stdout.write(line(case("fuzz", data)))
        count -= 1


if __name__ == "__main__":
    if sys.argv[1] == "--fuzz":
        fuzz(int(sys.argv[2]), int(sys.argv[3]))
    else:
        write(pathlib.Path(sys.argv[1]))
