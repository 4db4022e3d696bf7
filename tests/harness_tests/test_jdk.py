"""The JDK finder: its order of places, its minimum version and what it says when it finds none."""

from pathlib import Path

import pytest

from harness.errors import Unavailable
from harness.jdk import find_jdk


def _java(home: Path, version: str) -> Path:
    """A stand-in that answers `-version` as a real runtime does."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    return java


def _env(path: Path, home: Path | None = None) -> dict[str, str]:
    return {"PATH": str(path)} | ({"JAVA_HOME": str(home)} if home else {})


def test_java_home_comes_first(tmp_path: Path) -> None:
    wanted = _java(tmp_path / "home", "21.0.2")
    on_path = _java(tmp_path / "path", "25")
    found = find_jdk(17, env=_env(on_path.parent, tmp_path / "home"), folders=())
    assert (found.java, found.major) == (wanted, 21)


def test_path_comes_before_the_system_folders(tmp_path: Path) -> None:
    on_path = _java(tmp_path / "path", "17.0.15")
    _java(tmp_path / "jvm" / "jdk-25", "25")
    assert find_jdk(17, env=_env(on_path.parent), folders=[tmp_path / "jvm"]).java == on_path


def test_a_runtime_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old = _java(tmp_path / "path", "1.8.0_402")
    new = _java(tmp_path / "jvm" / "jdk-21", "21")
    assert find_jdk(17, env=_env(old.parent), folders=[tmp_path / "jvm"]).java == new


def test_none_names_the_version_wanted_and_what_was_found(tmp_path: Path) -> None:
    old = _java(tmp_path / "path", "1.8.0_402")
    with pytest.raises(Unavailable, match=r"version 17 or newer.*Java 8"):
        find_jdk(17, env=_env(old.parent), folders=())


def test_a_java_home_without_java_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"nowhere/bin/java \(no answer\)"):
        find_jdk(17, env=_env(tmp_path, tmp_path / "nowhere"), folders=())
