"""Expressions over an event: values, and conditions in a choice of dialects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from eventspan.errors import ConfigError, Rejected
from eventspan.event import Event
from eventspan_bridges.expressions.cel import ExpressionError, IntegerTooBig, Program
from eventspan_bridges.expressions.variables import Variables, widened

__all__ = ["Condition", "Expression", "ExpressionError", "compile_condition", "compile_expression"]


class Expression:
    """A compiled expression: ``event`` and ``transport`` in, one value out."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._program = Program(text)
        self._variables = Variables(text)

    @property
    def result(self) -> str:
        """The static type of the result, such as ``BOOL``; ``DYN`` when only an event can tell."""
        return self._program.result

    def evaluate(self, event: Event) -> object:
        """The value as Python has it; raises ``Rejected`` when the event gives none."""
        try:
            return self._run(self._variables.of(event))
        except RecursionError:
            raise Rejected("data is nested too deeply") from None

    def _run(self, variables: dict[str, object]) -> object:
        try:
            return self._program.run(variables)
        except IntegerTooBig:
            return self._program.run({name: widened(value) for name, value in variables.items()})


class Condition(Protocol):
    """A question about an event."""

    def test(self, event: Event) -> bool:
        """Raises ``Rejected`` when the event gives no answer."""
        ...


class _CelCondition:
    def __init__(self, text: str) -> None:
        self._expression = Expression(text)
        if self._expression.result not in ("BOOL", "DYN"):
            raise ExpressionError("a condition must give true or false", offset=0)

    def test(self, event: Event) -> bool:
        answer = self._expression.evaluate(event)
        if answer is True or answer is False:
            return answer
        raise Rejected(f"expression {self._expression.text[:80]!r} is neither true nor false")


_DIALECTS: Mapping[str, Callable[[str], Condition]] = {"cel": _CelCondition}


def compile_expression(text: str) -> Expression:
    """A CEL expression; raises ``ExpressionError``."""
    if not isinstance(text, str):
        raise ExpressionError("an expression must be text")
    return Expression(text)


def compile_condition(value: str | Mapping[str, object]) -> Condition:
    """A condition from CEL text, or from ``{dialect: text}``; raises ``ConfigError``."""
    if isinstance(value, str):
        return _CelCondition(value)
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ConfigError("a condition must be CEL text, or one dialect and its text")
    [(dialect, text)] = value.items()
    if dialect not in _DIALECTS:
        known = ", ".join(_DIALECTS)
        raise ConfigError(f"{str(dialect)[:40]!r} is no dialect of this version", help=f"it has {known}")
    if not isinstance(text, str):
        raise ExpressionError(f"a {dialect} condition must be text")
    return _DIALECTS[dialect](text)
