"""The compose files follow the Compose specification and offer what the local processes are."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from harness.kafka import VERSION
from harness.kafka.properties import SINGLE_NODE

_FOLDER = Path(__file__).parents[2] / "compose"
_FILES = sorted(_FOLDER.glob("*.yaml"))


def _service(path: Path) -> Mapping[str, Any]:
    services = YAML(typ="safe", pure=True).load(path.read_text())["services"]
    assert list(services) == [path.stem]
    service: Mapping[str, Any] = services[path.stem]
    return service


def _check(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    command += [str(path) for path in paths]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_there_is_one_file_per_system() -> None:
    assert [path.stem for path in _FILES] == ["kafka", "rabbitmq"]


def test_every_file_follows_the_specification() -> None:
    """The JSON schema of the specification comes with check-jsonschema, so no network is needed."""
    done = _check(*_FILES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fault_in_a_file_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(_FILES[0].read_text().replace("healthcheck:", "health_check:"))
    done = _check(wrong)
    assert done.returncode == 1
    assert "health_check" in done.stdout


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_ports_are_loopback_only(path: Path) -> None:
    ports = _service(path)["ports"]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_up_can_wait_for_health(path: Path) -> None:
    assert _service(path)["healthcheck"]["test"][0] == "CMD"


def test_kafka_is_the_version_of_the_local_process() -> None:
    assert _service(_FOLDER / "kafka.yaml")["image"] == f"apache/kafka:{VERSION}"


def test_kafka_settings_agree_with_those_of_the_local_process() -> None:
    environment = _service(_FOLDER / "kafka.yaml")["environment"]
    offered = {
        name.removeprefix("KAFKA_").replace("_", ".").lower(): value for name, value in environment.items()
    }
    shared = offered.keys() & SINGLE_NODE.keys()
    assert len(shared) >= 9
    assert {key: offered[key] for key in shared} == {key: SINGLE_NODE[key] for key in shared}
