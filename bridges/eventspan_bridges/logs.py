"""Structured logs: one line for each change of state, as text or as JSON."""

import json
import logging
import sys
import time
from typing import Literal

_ESCAPES = {c: f"\\x{c:02x}" for c in (*range(32), 127)}
_ESCAPES |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "?")


class Text(logging.Formatter):
    """``12:00:01 WARNING orders sinks.all retrying: cannot reach ...``."""

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, "fields", {}))
        fields.pop("state", None)
        where = " ".join(str(fields.pop(name)) for name in ("bridge", "side") if name in fields)
        error, help_text = fields.pop("error", None), fields.pop("help", None)
        rest = "".join(f" {name}={value}" for name, value in fields.items())
        line = f"{_clock(record)} {record.levelname} {where} {record.getMessage()}".replace("  ", " ") + rest
        line += f": {error}" if error else ""
        line += f" ({help_text})" if help_text else ""
        return _safe(line) + _trace(self, record)


class Json(logging.Formatter):
    """One object a line: ``time``, ``level``, ``message`` and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def configure(form: Literal["text", "json"] = "text", level: str = "INFO") -> None:
    """Send eventspan's logs to standard error; other libraries' from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("eventspan").setLevel(level)


def _clock(record: logging.LogRecord) -> str:
    return time.strftime("%H:%M:%S", time.localtime(record.created))


def _safe(line: str) -> str:
    # Names come from files and brokers; they must not steer a terminal.
    return line.translate(_ESCAPES)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return "\n" + formatter.formatException(record.exc_info) if record.exc_info else ""
