"""Finding a Java runtime: JAVA_HOME, then PATH, then the places where systems keep their JDKs."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Unavailable

SYSTEM_FOLDERS = (
    Path("/usr/lib/jvm"),
    Path("/usr/java"),
    Path("/opt/java"),
    Path("/Library/Java/JavaVirtualMachines"),
    Path("/opt/homebrew/opt"),
)
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


@dataclass(frozen=True)
class Jdk:
    """A Java runtime that answered `java -version`."""

    java: Path
    major: int


def find_jdk(
    minimum: int, *, env: Mapping[str, str] | None = None, folders: Sequence[Path] = SYSTEM_FOLDERS
) -> Jdk:
    """First runtime of at least version `minimum`; Unavailable names what was looked at."""
    seen: list[str] = []
    for java in _candidates(os.environ if env is None else env, folders):
        major = _major(java)
        if major is not None and major >= minimum:
            return Jdk(java, major)
        seen.append(f"{java} ({f'Java {major}' if major else 'no answer'})")
    found = ", ".join(seen) or "none"
    raise Unavailable(
        f"a Java runtime of version {minimum} or newer is needed (JAVA_HOME or PATH); found: {found}"
    )


def _candidates(env: Mapping[str, str], folders: Sequence[Path]) -> Iterator[Path]:
    if home := env.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=env.get("PATH")):
        yield Path(on_path)
    for folder in folders:
        for pattern in ("*/bin/java", "*/Contents/Home/bin/java"):
            yield from sorted(folder.glob(pattern))


def _major(java: Path) -> int | None:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stderr)
    return int(match[1]) if match else None
