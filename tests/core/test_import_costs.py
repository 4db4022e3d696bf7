"""Importing the framework brings in nothing heavy, and no client library."""

import subprocess
import sys

import pytest

HEAVY = (
    "aio_pika", "aioboto3", "aiormq", "boto3", "botocore", "cel_expr_python", "celpy", "confluent_kafka",
    "cloudevents", "elasticsearch", "eventspan_bridges", "eventspan_connectors", "grpc", "hypothesis",
    "pamqp", "pulsar", "pymongo", "pytest", "rich", "rocketmq", "ruamel", "uvloop", "yaml",
)  # fmt: skip


@pytest.mark.parametrize(
    "module", ["eventspan", "eventspan.formats", "eventspan.registry", "eventspan.state"]
)
def test_an_import_stays_light(module: str) -> None:
    code = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert "eventspan" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_only_the_registry_needs_stevedore() -> None:
    code = "import eventspan, eventspan.formats, sys; print('stevedore' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "False"
