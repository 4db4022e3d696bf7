"""Formats are found by media type; a library is imported on first use."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventspan import formats
from eventspan.errors import Undecodable
from eventspan.formats import json

WORKING = """
class Fake:
    media_type = "application/cloudevents+fake"
    def decode(self, data, transport=None): ...
    def decode_parts(self, data, types=None): ...
    def encode(self, event): ...
FORMAT = Fake()
"""


def install(folder: Path, module: str, code: str, *, name: str = "fake", extra: bool = False) -> None:
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    provides = f"Provides-Extra: {name}\n" if extra else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n{provides}")
    (info / "entry_points.txt").write_text(f"[{formats.GROUP}]\n{name} = {module}:FORMAT\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    formats._load.cache_clear()
    yield tmp_path
    formats._load.cache_clear()
    for module in [name for name in sys.modules if name.startswith("fakeformat")]:
        del sys.modules[module]


@pytest.mark.parametrize(
    ("content_type", "batch"),
    [
        ("application/cloudevents+json", False),
        ("Application/CloudEvents+JSON; Charset=UTF-8", False),
        ("application/cloudevents-batch+json", True),
    ],
)
def test_json_is_core(content_type: str, batch: bool) -> None:
    assert formats.find(content_type) is json.FORMAT
    assert formats.is_batch(content_type) is batch
    assert isinstance(json.FORMAT, formats.BatchFormat)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/cloudevents", "application/cloudevents+../x", "", "+json"],
)
def test_what_names_no_format(content_type: str) -> None:
    assert not formats.is_batch(content_type)
    with pytest.raises(Undecodable, match="names no event format"):
        formats.find(content_type)


def test_an_unknown_format() -> None:
    with pytest.raises(Undecodable, match="'foo'"):
        formats.find("application/cloudevents+foo")


def test_an_installed_format_is_found(site: Path) -> None:
    install(site, "fakeformat", WORKING)
    found = formats.find("application/cloudevents-batch+fake")
    assert found.media_type == "application/cloudevents+fake"
    assert found is formats.find("application/cloudevents+FAKE")


def test_a_missing_library_says_what_to_install(site: Path) -> None:
    install(site, "fakeformat", "import no_such_library_at_all", extra=True)
    with pytest.raises(Undecodable, match="needs the package 'no_such_library_at_all'") as caught:
        formats.find("application/cloudevents+fake")
    assert caught.value.help == "pip install 'fakeformat[fake]'"


@pytest.mark.parametrize(
    "code", ["raise SystemExit(3)", "raise KeyboardInterrupt", "1 / 0", "raise ImportError", "FORMAT = 1", ""]
)
def test_a_broken_format_takes_nobody_down(site: Path, code: str) -> None:
    install(site, "fakeformat", code)
    with pytest.raises(Undecodable, match="is broken"):
        formats.find("application/cloudevents+fake")


def test_two_claims_are_refused(site: Path) -> None:
    install(site, "fakeformat1", WORKING)
    install(site, "fakeformat2", WORKING)
    with pytest.raises(Undecodable, match="more than once"):
        formats.find("application/cloudevents+fake")
