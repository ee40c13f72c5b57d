"""What PyYAML makes of a text, as plain data."""

import re

import yaml

# Half of a surrogate pair as an escape: mlrun stops there, Python goes on to another error.
SURROGATE = re.compile(rb"\\(u|U0000)[dD][89a-fA-F]")


def load(data):
    """The value of a text in bytes, or the place of its error.

    Where mlrun refuses on purpose what Python takes (half of a surrogate pair, a collection that
    contains itself), the answer is an error without a place.
    """
    try:
        value = yaml.safe_load(data)
        if contains_itself(value, ()):
            return None, {"error": "contains itself"}
        if has_surrogate(value):
            return None, {"error": "surrogate"}
    except yaml.reader.ReaderError as error:
        return None, {"error": "ReaderError"} | place_of_character(data, error)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        answer = {"error": type(error).__name__}
        if mark is not None and not SURROGATE.search(data.replace(b"\0", b"")):
            answer |= {"line": mark.line + 1, "column": mark.column + 1}
        return None, answer
    except Exception as error:  # PyYAML lets Python's own errors through.
        return None, {"error": type(error).__name__}
    return value, None


def describe(value):
    """A value as it is compared; `str` stands only where it differs from `repr`."""
    answer = {"type": type(value).__name__, "repr": repr(value)}
    if has_random_order(value):
        # Python orders such a set by hashes that differ from one process to the next.
        answer["repr"] = "".join(sorted(answer["repr"]))
        answer["sorted"] = True
    elif str(value) != answer["repr"]:
        answer["str"] = str(value)
    return answer


def place_of_character(data, error):
    """The line and column of what is no character, or none that YAML allows."""
    encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(data[:2], "utf-8")
    if error.encoding == "unicode":
        before = data.decode(encoding)[: error.position]
    else:
        before = data[: error.position].decode(encoding)
    lines = before.replace("\r\n", "\n")
    for line_break in "\r\x85\u2028\u2029":
        lines = lines.replace(line_break, "\n")
    last = lines.rsplit("\n", 1)[-1].replace("\ufeff", "")
    return {"line": lines.count("\n") + 1, "column": len(last) + 1}


def children(value):
    if isinstance(value, dict):
        return [item for pair in value.items() for item in pair]
    if isinstance(value, (list, tuple, set)):
        return list(value)
    return []


def contains_itself(value, around):
    if not isinstance(value, (dict, list)):
        return any(contains_itself(child, around) for child in children(value))
    if any(value is outer for outer in around):
        return True
    return any(contains_itself(child, (*around, value)) for child in children(value))


def has_surrogate(value):
    if isinstance(value, str):
        return any("\ud800" <= character <= "\udfff" for character in value)
    return any(map(has_surrogate, children(value)))


def has_random_order(value):
    if isinstance(value, set):
        return len(value) > 1 and not all(isinstance(item, int) for item in value)
    return any(map(has_random_order, children(value)))


def positions(data, value):
    """The line and column of every node, keys before their values.

    None where the value has other parts than the text: after merges, aliases, equal keys, and in
    what is no list and no dict.
    """
    places = []

    def visit(node):
        places.append([node.start_mark.line + 1, node.start_mark.column + 1])
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                visit(item)
        if isinstance(node, yaml.MappingNode):
            for key, item in node.value:
                visit(key)
                visit(item)

    events = list(yaml.parse(data, Loader=yaml.SafeLoader))
    root = yaml.compose(data, Loader=yaml.SafeLoader)
    if root is None or any(isinstance(event, yaml.AliasEvent) for event in events):
        return None
    visit(root)
    return places if len(places) == count(value) else None


def count(value):
    if isinstance(value, (dict, list)):
        return 1 + sum(map(count, children(value)))
    return 1
