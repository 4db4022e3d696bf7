"""Plug-ins are found, loaded, and refused with words; none takes another down."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stevedore._cache

from eventspan import registry
from eventspan.errors import ConfigError, UnknownConnector

WORKING = "from eventspan.connector import Connector\nconnector = Connector(name={0!r}, summary='A fake.')\n"


class Site:
    """A folder on the path, to install distributions into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, module: str, code: str, names: str = "good", **options: str) -> None:
        if code:
            (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{options.get('dist', module)}-1.0.dist-info"
        info.mkdir()
        extra = f"Provides-Extra: {options['extra']}\n" if "extra" in options else ""
        head = f"Metadata-Version: 2.1\nName: {options.get('dist', module)}\nVersion: 1.0\n"
        (info / "METADATA").write_text(head + extra)
        lines = [f"{name} = {module}:{options.get('attribute', 'connector')}" for name in names.split()]
        (info / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *lines]) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Site(tmp_path)
    for module in [name for name in sys.modules if name.startswith("fakeplug")]:
        del sys.modules[module]


def test_an_installed_connector_is_named_without_import_and_loaded(site: Site) -> None:
    site.install("fakeplug", WORKING.format("good"))
    assert "good" in registry.names()
    assert registry.origin("good") == "fakeplug 1.0"
    assert "fakeplug" not in sys.modules
    assert registry.load("good").name == "good"


def test_our_own_connectors_are_named_once() -> None:
    names = registry.names()
    assert names == sorted(set(names))
    assert {"amqp", "file", "kafka", "memory", "sqlite"} <= set(names)
    assert registry.origin("kafka").startswith("eventspan ")


def test_an_unknown_name_lists_what_there_is(site: Site) -> None:
    site.install("fakeplug", WORKING.format("good"))
    with pytest.raises(UnknownConnector, match="'kafak'") as caught:
        registry.load("kafak")
    assert "good" in str(caught.value.help)
    assert "kafka" in str(caught.value.help)


def test_a_stale_cache_does_not_matter(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(*_: Any, **__: Any) -> list[Any]:
        raise AssertionError("the disk cache was asked")

    monkeypatch.setattr(stevedore._cache._c, "_get_data_for_path", poisoned)
    site.install("fakeplug", WORKING.format("good"))
    assert registry.load("good").name == "good"
    site.install("fakeplug2", WORKING.format("later"), "later")
    assert "later" in registry.names()
    assert registry.load("later").name == "later"


def test_two_claims_are_refused_even_with_others_between(site: Site) -> None:
    site.install("fakeplug1", WORKING.format("good"), "good other1")
    site.install("fakeplug2", WORKING.format("other2"), "other2")
    site.install("fakeplug3", WORKING.format("good"), "other3 good")
    for verb in (registry.load, registry.origin):
        with pytest.raises(ConfigError, match="claimed by fakeplug1 and fakeplug3") as caught:
            verb("good")
        assert caught.value.help == "uninstall one of them"
    assert registry.names().count("good") == 1
    assert registry.load("other2").name == "other2"


def test_one_distribution_found_twice_is_one_claim(
    site: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("fakeplug", WORKING.format("good"))
    again = tmp_path_factory.mktemp("again")
    Site(again).install("fakeplug", "", "good")
    monkeypatch.setattr(sys, "path", [*sys.path, str(again)])
    assert registry.load("good").name == "good"


def test_a_missing_client_says_what_to_install(site: Site) -> None:
    site.install("fakeplug", "import no_such_client.aio\n", extra="good")
    with pytest.raises(ConfigError, match="needs the package 'no_such_client'") as caught:
        registry.load("good")
    assert caught.value.help == "pip install 'fakeplug[good]'"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ImportError('hunter2')", "cannot be imported"),
        ("import no_such_client", "cannot be imported"),
        ("import fakeplug_own.part", "cannot be imported"),
        ("raise RuntimeError('hunter2')", "RuntimeError"),
        ("def broken(:", "SyntaxError"),
        ("connector = object()", "is no Connector"),
        ("connector = None", "is no Connector"),
        ("from eventspan.connector import Connector as connector", "is no Connector"),
        ("", "cannot be imported"),
        ("other = 1", "broken"),
    ],
)
def test_a_broken_plug_in_is_reported_and_takes_nobody_down(site: Site, code: str, said: str) -> None:
    site.install("fakeplug", code, "bad")
    site.install("fakeplug2", WORKING.format("good"))
    with pytest.raises(ConfigError, match="connector 'bad' from fakeplug is broken") as caught:
        registry.load("bad")
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert {"bad", "good"} <= set(registry.names())
    assert registry.load("good").name == "good"


@pytest.mark.parametrize("name", ["../x", "UPPER", "1st", "x" * 1000, "a_b"])
def test_a_bad_name_is_refused_before_any_import(site: Site, name: str) -> None:
    site.install("fakeplug", WORKING.format(name), name)
    with pytest.raises(ConfigError, match="broken: not a name") as caught:
        registry.load(name)
    assert len(str(caught.value)) < 200
    assert "fakeplug" not in sys.modules
