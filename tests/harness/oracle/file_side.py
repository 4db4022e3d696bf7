"""A file of JSON events as the oracle feeds it: a line is confirmed once it is on the disk."""

import base64
import json
import os
from pathlib import Path

from harness.oracle.ends import FileEnd
from harness.oracle.ledger import Ledger
from harness.oracle.mint import Mint
from harness.oracle.native import NOTE
from harness.oracle.pace import Pace

_TOGETHER = 100


class FileFeed:
    """Appends lines."""

    def __init__(self, end: FileEnd, mint: Mint, ledger: Ledger) -> None:
        self._path = Path(end.path)
        self._mint = mint
        self._ledger = ledger
        self._path.touch()

    def feed(self, count: int, pace: Pace) -> None:
        """Append `count` more."""
        with self._path.open("ab") as file:
            for at in range(0, count, _TOGETHER):
                numbers = []
                for _ in range(min(_TOGETHER, count - at)):
                    pace.wait()
                    numbers.append(self._ledger.issue())
                file.write(b"".join(self._line(number) for number in numbers))
                file.flush()
                os.fsync(file.fileno())
                for number in numbers:
                    self._ledger.confirm(number)

    def _line(self, number: int) -> bytes:
        record = self._mint.record(number)
        event = {**record.attributes, "data_base64": _base64(record.body)}
        line = {"eventspan": 1, "event": event, "key": _base64(record.key.encode())}
        line["headers"] = [[NOTE, record.note]]
        # The first member marks the line as a record: no blanks, and in this order.
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
