"""Kafka's jars from Maven Central, fetched once per user and version."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.cache import cache_folder, only_one
from harness.errors import Unavailable

_POM = Path(__file__).with_name("pom.xml")
_FETCH_TIMEOUT = 600


def is_cached(version: str) -> bool:
    """Whether the jars are there, fetched for the pom as it is now."""
    copy = cache_folder(f"kafka-{version}") / "pom.xml"
    return copy.exists() and copy.read_bytes() == _POM.read_bytes()


def class_path(version: str) -> str:
    """The class path, sorted; fetches the jars first where they are missing."""
    folder = cache_folder(f"kafka-{version}")
    with only_one(folder):
        if not is_cached(version):
            _fetch(folder)
    return ":".join(str(jar) for jar in sorted(folder.glob("*.jar")))


def _fetch(folder: Path) -> None:
    """Fetch into a folder of its own and rename it, so that half a download is never used."""
    with TemporaryDirectory(dir=folder.parent) as scratch:
        _copy_dependencies(Path(scratch) / "jars")
        shutil.copy(_POM, Path(scratch) / "jars" / "pom.xml")
        shutil.rmtree(folder, ignore_errors=True)
        (Path(scratch) / "jars").rename(folder)


def _copy_dependencies(target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("Maven (mvn) is needed to fetch Kafka and is not on PATH")
    command = [maven, "-B", "-q", "-f", str(_POM), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_TIMEOUT, check=False)
    if done.returncode != 0:
        raise Unavailable(f"Maven could not fetch Kafka:\n{(done.stdout + done.stderr)[-2000:]}")
