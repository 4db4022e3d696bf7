"""What CONTRIBUTING.md says of folders, errors and failpoints is so."""

import re
import shlex

from eventspan import errors, failpoints
from harness.documents import ROOT, blocks, table

PAGE = ROOT / "CONTRIBUTING.md"


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_folder_is_there() -> None:
    named = [name for row in table(PAGE, "Folder", "Is") for name in _quoted(row["Folder"])]
    assert [name for name in named if not (ROOT / name.replace("NAME", "kafka")).is_dir()] == []


def test_every_error_is_explained() -> None:
    named = {name for row in table(PAGE, "Raise", "And the runtime") for name in _quoted(row["Raise"])}
    known = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert named == known - {"EventspanError", "UnknownConnector", "Mapping"}


def test_the_failpoints_it_arms_are_some() -> None:
    [line] = [text for text in blocks(PAGE, "console") if failpoints.VARIABLE in text]
    armed = shlex.split(line.removeprefix("$ "))[0].partition("=")[2]
    parts = [part.partition("=") for part in armed.split(",")]
    assert {name for name, _, _ in parts} <= failpoints.NAMES
    assert {action.partition(":")[0] for _, _, action in parts} <= set(failpoints.ACTIONS)
    assert {f"`{action}`" for action in failpoints.ACTIONS} <= set(re.findall(r"`\w+`", PAGE.read_text()))


def test_a_connector_has_the_roles_it_lists() -> None:
    folder = ROOT / "connectors" / "eventspan_connectors" / "kafka"
    text = PAGE.read_text()
    roles = [
        name
        for name in ("__init__", "config", "binding", "source", "sink", "errors")
        if f"`{name}.py`" in text
    ]
    assert len(roles) == 6
    assert [name for name in roles if not (folder / f"{name}.py").is_file()] == []
