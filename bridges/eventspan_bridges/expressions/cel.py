"""CEL as the library speaks it: compiling, running, and its errors as ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from eventspan.errors import ConfigError, Rejected

if TYPE_CHECKING:
    from cel_expr_python import cel  # type: ignore[import-untyped] # ships no py.typed

MAX_LENGTH = 8 * 1024
"""Characters of one expression. The library itself limits nesting (32) and iterations."""

_FAULT = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_NOISE = re.compile(r" \(in container '.*?'\)| expecting .*| \[[A-Z_]+\]$")
_CODE = re.compile(r"^[A-Z_]+: ")
_MISSING = re.compile(r'Key not found in map : "(.*)"$', re.DOTALL)
_OVERLOAD = re.compile(r"No matching overloads found : ([^(]+)\(([a-z0-9_, <>.]*)\)$")
_TOO_BIG = "INVALID_ARGUMENT: Integer value"
_SAFE = ("divide by zero", "modulus by zero", "integer overflow", "Iteration budget exceeded")


class ExpressionError(ConfigError):
    """A text is no valid expression or template; ``offset`` is the character (from 0) where it shows."""

    def __init__(self, message: str, *, offset: int | None = None, help: str | None = None) -> None:
        super().__init__(message, help=help)
        self.offset = offset


class IntegerTooBig(Rejected):
    """A variable holds an integer beyond 64 bits, which CEL does not have."""


class Program:
    """A compiled CEL text. ``run`` gives Python values and raises ``Rejected``."""

    def __init__(self, text: str) -> None:
        _check_text(text)
        try:
            self._compiled = _environment().compile(text)
        except (RuntimeError, TypeError, ValueError) as error:
            raise _compile_error(text, str(error)) from None
        self._text = text
        self._error_type = _error_type()

    @property
    def result(self) -> str:
        """The static type of the result, such as ``BOOL``; ``DYN`` when only an event can tell."""
        return str(self._compiled.return_type())

    def run(self, variables: Mapping[str, object]) -> object:
        try:
            result = self._compiled.eval(data=variables)
            failed = result.type() == self._error_type
            value: Any = result.plain_value()
        except (RuntimeError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise Rejected(self._reason(str(error))) from None
        # The library reports a failed evaluation as a value; taken for a result it would be truthy text.
        if failed:
            kind = IntegerTooBig if str(value).startswith(_TOO_BIG) else Rejected
            raise kind(self._reason(str(value)))
        return bytes(value) if isinstance(value, bytearray) else value

    def _reason(self, message: str) -> str:
        return f"expression {self._text.strip()[:80]!r}: {_explain(self._text, message)}"


def _check_text(text: str) -> None:
    if not text.strip():
        raise ExpressionError("an expression is empty", offset=0)
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression is longer than {MAX_LENGTH} characters", offset=MAX_LENGTH)
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ExpressionError("an expression holds half a surrogate pair")


@cache
def _environment() -> cel.Env:
    # The library is 50 MB: only who writes expressions installs it, and only a process
    # that compiles one imports it.
    try:
        from cel_expr_python import cel
    except ImportError as error:
        raise ConfigError(
            "expressions need the package 'cel-expr-python'", help="pip install 'eventspan[cel]'"
        ) from error
    return cel.NewEnv(variables={"event": cel.Type.DYN, "transport": cel.Type.DYN})


@cache
def _error_type() -> cel.Type:
    from cel_expr_python import cel

    return cel.Type.ERROR


def _compile_error(text: str, message: str) -> ExpressionError:
    match = _FAULT.search(message)
    if match is None:
        return ExpressionError(_NOISE.sub("", _CODE.sub("", message.partition("\n")[0])))
    reason = _NOISE.sub("", match[3]).removeprefix("Syntax error: ")
    help = "the variables are event and transport" if "undeclared reference" in reason else None
    return ExpressionError(reason, offset=_offset(text, int(match[1]), int(match[2])), help=help)


def _offset(text: str, line: int, column: int) -> int | None:
    if line < 1 or column < 1:
        return None
    before = sum(len(part) + 1 for part in text.split("\n")[: line - 1])
    return min(before + column - 1, len(text))


def _explain(text: str, message: str) -> str:
    """Why an evaluation failed, in words that hold nothing of the event."""
    message = _NOISE.sub("", _CODE.sub("", message))
    if match := _MISSING.search(message):
        # The missing name may have been computed from the event; only what the text says is told.
        return f"there is no {match[1]!r}" if match[1] and match[1] in text else "there is no such member"
    if match := _OVERLOAD.search(message):
        return f"{match[1].strip('_')} does not take ({match[2]})"
    if "out of range" in message:
        return "an integer is beyond 64 bits"
    if "SELECT to non-message" in message:
        return "it looks for a member in what is no object"
    return next((safe.lower() for safe in _SAFE if safe in message), "it cannot be evaluated on this event")
