"""Nodes of a bridge file to validated settings; what pydantic refuses becomes findings with places."""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from eventspan.secret import Secret
from eventspan.settings import Settings
from eventspan_bridges.settings import Place
from eventspan_bridges.settings.problems import Findings
from eventspan_bridges.settings.yaml_file import Node, scalar

S = TypeVar("S", bound=Settings)
Path = tuple[str | int, ...]

_NUMBERS = ("int_type", "float_type", "bool_type")
_WORDS = {
    "string_type": "text", "int_type": "a whole number", "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list", "tuple_type": "a list", "set_type": "a list", "dict_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "path_type": "a path",
    "none_required": "nothing",
    "is_instance_of": "something else", "int_from_float": "a whole number", "mapping_type": "a mapping",
}  # fmt: skip


def validated(
    model: type[S], node: Node, at: Place, findings: Findings, extra: Collection[str] = ()
) -> S | None:
    """The settings a mapping holds, or None after findings.

    Validation is strict: ``"5"`` is no number. Text that came by a reference is read
    as YAML reads it where a number or boolean is wanted. ``at`` is where a missing key
    is reported; ``extra`` are keys that are known here beside those of the model.
    """
    if not isinstance(node.value, dict):
        findings.add("ES103", node.place, "needs a mapping")
        return None
    hide_secrets(model, node, findings)
    data = node.plain()
    try:
        return model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
    if _coerced(data, node, errors):
        try:
            return model.model_validate_json(json.dumps(data), strict=True)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
    for path, group in _grouped(node, errors).items():
        _report(model, node, at, path, group, findings, extra)
    return None


def hide_secrets(annotation: Any, node: Node, findings: Findings) -> None:
    """Keep what stands in a ``Secret`` field, anywhere below, out of every message."""
    if Secret in _members(annotation) and node.value is not None:
        findings.hide(str(node.value))
        findings.hide(node.raw)
    for model in _models(annotation):
        for name, field in model.model_fields.items():
            if child := node.get(field.alias or name):
                hide_secrets(field.annotation, child, findings)
    if isinstance(node.value, dict | list) and not _models(annotation):
        children = node.value.values() if isinstance(node.value, dict) else node.value
        for child in children:
            for inner in typing.get_args(annotation)[-1:]:
                hide_secrets(inner, child, findings)


def near(word: str, words: Collection[str]) -> str | None:
    """A ``did you mean``, or None."""
    found = difflib.get_close_matches(word, sorted(words), 1, 0.6)
    return f"did you mean {found[0]!r}?" if found else None


def _coerced(data: Any, node: Node, errors: Sequence[ErrorDetails]) -> bool:
    """Whether text that came by a reference could be made what was wanted."""
    changed = False
    for error in errors:
        path = _path(node, error["loc"])
        leaf = _at(node, path)
        if error["type"] in _NUMBERS and leaf.referenced and path:
            value = scalar(str(leaf.value))
            if isinstance(value, bool | int | float):
                _at_data(data, path[:-1])[path[-1]] = value
                changed = True
    return changed


def _at_data(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _grouped(node: Node, errors: Sequence[ErrorDetails]) -> Mapping[Path, list[ErrorDetails]]:
    """Errors by place. Of a union only the branch that got furthest is worth a word."""
    groups: dict[Path, list[ErrorDetails]] = {}
    for error in errors:
        path = _path(node, error["loc"])
        if error["type"] in ("missing", "extra_forbidden"):
            path = (*path, *error["loc"][-1:]) if path[-1:] != error["loc"][-1:] else path
        groups.setdefault(path, []).append(error)
    return {
        path: group
        for path, group in groups.items()
        if not (all(e["type"] in _WORDS for e in group) and any(p[: len(path)] == path != p for p in groups))
    }


def _path(node: Node, loc: Path) -> Path:
    """The part of a location that the file has: names of union branches are left out."""
    path: list[str | int] = []
    for part in loc:
        child = _child(node, part)
        if child is not None:
            path.append(part)
            node = child
    return tuple(path)


def _child(node: Node, part: str | int) -> Node | None:
    if isinstance(part, int):
        return node.value[part] if isinstance(node.value, list) and part < len(node.value) else None
    return node.get(part)


def _at(node: Node, path: Path) -> Node:
    for part in path:
        node = _child(node, part) or node
    return node


def _report(
    model: type[Settings], root: Node, at: Place, path: Path, group: list[ErrorDetails], findings: Findings,
    extra: Collection[str],
) -> None:  # fmt: skip
    kind, parent = group[0]["type"], _at(root, path[:-1])
    if kind == "missing":
        place = at if len(path) == 1 else _at(root, path[:-2]).key_place(str(path[-2]))
        findings.add("ES102", place, f"{path[-1]!r} is missing", f"add `{path[-1]}:`")
    elif kind == "extra_forbidden":
        name, fields = str(path[-1]), _fields(model, path[:-1])
        known = {*fields, *(extra if len(path) == 1 else ())}
        if _may_be_secret(name, fields, known):
            _hide_below(_at(root, path), findings)
        help = near(name, known) or "known here: " + ", ".join(sorted(known))
        findings.add("ES101", parent.key_place(name), f"unknown key {name[:60]!r}", help)
    else:
        _report_value(_at(root, path), path, group, at, findings)


def _report_value(node: Node, path: Path, group: list[ErrorDetails], at: Place, findings: Findings) -> None:
    place = node.place if path else at
    if node.unresolved:
        return
    wanted = list(dict.fromkeys(_WORDS[e["type"]] for e in group if e["type"] in _WORDS))
    if "text" in wanted and not isinstance(node.value, str | dict | list) and node.value is not None:
        kind = "true or false" if isinstance(node.value, bool) else "a number"
        # The help shows no value: this may be where a password stands.
        findings.add(
            "ES105",
            place,
            f"needs {' or '.join(wanted)}, and YAML reads this as {kind}",
            "write it in quotes",
        )
    elif wanted and len(wanted) == len(group):
        findings.add("ES103", place, f"needs {' or '.join(wanted)}", _number_help(node))
    else:
        messages = [_message(error, node) for error in group if error["type"] not in _WORDS]
        message, help = messages[0]
        findings.add("ES104", place, message, help)


def _number_help(node: Node) -> str | None:
    text = node.text
    if text is not None and text.replace("_", "").isdigit():
        return "write the digits alone, without quotes"
    return None


def _message(error: ErrorDetails, node: Node) -> tuple[str, str | None]:
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error" | "assertion_error":
            return str(context["error"])[:500], None
        case "literal_error" | "enum":
            expected = str(context["expected"])
            words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
            return f"needs one of {', '.join(words)}", near(str(node.value), words)
        case "greater_than_equal":
            return f"needs at least {context['ge']}", None
        case "less_than_equal":
            return f"needs at most {context['le']}", None
        case "greater_than":
            return f"needs more than {context['gt']}", None
        case _:
            return error["msg"].replace("Input should", "should").replace("String should", "should")[
                :300
            ], None


def _may_be_secret(name: str, fields: Mapping[str, Any], known: Collection[str]) -> bool:
    """Whether an unknown key may be a misspelt one that holds a secret."""
    secret = {field for field, annotation in fields.items() if Secret in _members(annotation)}
    guess = difflib.get_close_matches(name, sorted(known), 1, 0.6)
    return bool(secret) and (not guess or guess[0] in secret)


def _hide_below(node: Node, findings: Findings) -> None:
    if isinstance(node.value, dict | list):
        for child in node.value.values() if isinstance(node.value, dict) else node.value:
            _hide_below(child, findings)
    elif node.value is not None:
        findings.hide(str(node.value))
        findings.hide(node.raw)


def _fields(model: type[BaseModel], path: Path) -> dict[str, Any]:
    """The keys known at a place of a model, with their types."""
    found: list[Any] = [model]
    for part in path:
        inner: list[Any] = []
        for annotation in found:
            models = list(_models(annotation))
            for one in models:
                if str(part) in one.model_fields:
                    inner.append(one.model_fields[str(part)].annotation)
            if not models:
                inner += typing.get_args(annotation)[-1:]
        found = inner
    return {
        name: field.annotation
        for annotation in found
        for one in _models(annotation)
        for name, field in one.model_fields.items()
    }


def _models(annotation: Any) -> Sequence[type[BaseModel]]:
    return [m for m in _members(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]


def _members(annotation: Any) -> Iterator[Any]:
    """The types a union consists of; the type itself otherwise."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _members(typing.get_args(annotation)[0])
    elif origin is typing.Union or origin is types.UnionType:
        for member in typing.get_args(annotation):
            yield from _members(member)
    else:
        yield annotation
