"""Text with expressions in it, confined so that no event chooses a destination nobody meant."""

from __future__ import annotations

import re
from collections.abc import Sequence

from eventspan.errors import Rejected
from eventspan.event import Event
from eventspan_bridges.expressions import Expression, ExpressionError, compile_expression
from eventspan_bridges.expressions.variables import blank_literals

MAX_RESULT = 249
"""Characters of a rendered text: the longest name of a Kafka topic."""

_ESCAPE = re.compile(r"[/\\*?#,\s]|\.\.").search
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search


class Template:
    r"""Literal text and ``{{ CEL }}`` by turns.

    With a literal prefix and no allow-list, what an expression gives may hold no
    ``/``, ``\\``, ``..``, ``*``, ``?``, ``#``, ``,`` or white space, so the result cannot
    leave its prefix or become a wildcard. With an allow-list the whole result has to
    match one of its globs (``*`` any text, ``?`` one character), and that alone decides.
    Either way: no control characters, not empty, 249 characters at most.
    """

    def __init__(self, parts: Sequence[str | Expression], allow: Sequence[str]) -> None:
        self._parts = tuple(parts)
        self._allow = tuple(allow)

    def render(self, event: Event) -> str:
        """Raises ``Rejected`` for an event whose values do not fit."""
        text = "".join(part if isinstance(part, str) else self._value(part, event) for part in self._parts)
        if not text or len(text) > MAX_RESULT or _CONTROL(text):
            raise Rejected(
                f"a template gives an empty text, one over {MAX_RESULT} characters or a control character"
            )
        if self._allow:
            if not any(matches(glob, text) for glob in self._allow):
                raise Rejected("a template gives a text that its allow-list does not hold")
        elif len(self._parts) > 1 and ".." in text:
            raise Rejected("a template gives a text that would leave its prefix")
        return text

    def _value(self, expression: Expression, event: Event) -> str:
        text = _text(expression.evaluate(event), expression.text)
        if not self._allow and _ESCAPE(text):
            raise Rejected(f"expression {expression.text[:80]!r} gives a text that would leave its prefix")
        return text


def compile_template(text: str, allow: Sequence[str] = ()) -> Template:
    """A template; raises ``ExpressionError`` for a fault, and for one that nothing confines.

    Text without ``{{`` is itself. An expression ends at the first ``}}`` outside of a
    string literal.
    """
    parts = _parse(text)
    if any(isinstance(part, Expression) for part in parts) and not allow:
        _check_confined(parts)
    return Template(parts, allow)


def matches(glob: str, text: str) -> bool:
    """Whether the whole text fits a glob; never more than ``len(glob) * len(text)`` steps."""
    reached = {0}
    for char in glob:
        if char == "*":
            reached = set(range(min(reached), len(text) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(text) and char in ("?", text[at])}
    return len(text) in reached


def _parse(text: str) -> list[str | Expression]:
    parts: list[str | Expression] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        if start > at:
            parts.append(text[at:start])
        end = _end(text, start)
        parts.append(_compile(text[start + 2 : end], start + 2))
        at = end + 2
    return [*parts, text[at:]] if at < len(text) or not parts else parts


def _end(text: str, start: int) -> int:
    end = blank_literals(text[start + 2 :]).find("}}")
    if end < 0:
        raise ExpressionError("'{{' without '}}'", offset=start)
    return start + 2 + end


def _compile(text: str, start: int) -> Expression:
    inner = text.lstrip()
    start += len(text) - len(inner)
    try:
        return compile_expression(inner.rstrip())
    except ExpressionError as error:
        offset = start if error.offset is None else start + error.offset
        raise ExpressionError(str(error), offset=offset, help=error.help) from None


def _check_confined(parts: Sequence[str | Expression]) -> None:
    if isinstance(parts[0], Expression):
        raise ExpressionError(
            "a template that starts with an expression lets every event choose any destination",
            offset=0, help="put literal text before the first '{{', or give an allow-list",
        )  # fmt: skip
    if any(isinstance(part, str) and ".." in part for part in parts):
        raise ExpressionError("a template without an allow-list may not hold '..'", offset=0)


def _text(value: object, source: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise Rejected(f"expression {source[:80]!r} gives neither text, whole number nor boolean")
