"""The connector that CONTRIBUTING.md shows passes the conformance kit by the tests it shows."""

import re
import textwrap
from typing import Any

import pytest

from eventspan import Context
from eventspan.formats import json
from eventspan.testing import SinkOnly
from harness.documents import ROOT

_BLOCK = re.compile(r"^   ```python\n(.*?)^   ```$", re.MULTILINE | re.DOTALL)
_CONNECTOR, _TESTS = (
    textwrap.dedent(text) for text in _BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())
)


def _worked() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "worked"}
    exec(_CONNECTOR, names)
    names |= {"SinkOnly": SinkOnly, "pytest": pytest, "Context": Context, "json": json}
    exec(_TESTS, names)
    return names


TestSequence: Any = _worked()["TestSequence"]
