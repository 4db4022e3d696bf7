"""What every test on a real RabbitMQ leaves behind: nothing."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from harness.rabbitmq import RabbitAddress
from harness.rabbitmq.management import ManagementError


@pytest.fixture(autouse=True)
def _tidy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Delete the queue and the exchange called like the place of the test."""
    if not {"place", "rabbitmq"} <= set(request.fixturenames):
        yield
        return
    name = request.getfixturevalue("place")
    address = request.getfixturevalue("rabbitmq")
    yield
    assert isinstance(address, RabbitAddress)
    for kind in ("queues", "exchanges"):
        if address.management is not None:
            with suppress(ManagementError):  # there was none
                address.management.call("DELETE", f"{kind}/%2F/{name}")
