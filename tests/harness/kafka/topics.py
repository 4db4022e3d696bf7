"""Topics made and known: creation is answered before the broker can be asked for their leaders."""

import time

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

_TIMEOUT = 30.0


def make_topic(bootstrap: str, name: str, partitions: int = 1, config: dict[str, str] | None = None) -> str:
    """Create `name` and wait until each partition has a leader; gives the name back."""
    # The reference is kept: an AdminClient that is garbage-collected fails its futures.
    admin = AdminClient({"bootstrap.servers": bootstrap})
    made = admin.create_topics(
        [NewTopic(name, partitions, 1, config=config or {})], operation_timeout=_TIMEOUT
    )
    made[name].result(_TIMEOUT)
    deadline = time.monotonic() + _TIMEOUT
    while not _has_leaders(admin, name, partitions):
        if time.monotonic() > deadline:
            raise TimeoutError(f"topic {name} has no leaders after {_TIMEOUT:g} s")
        time.sleep(0.02)
    return name


def _has_leaders(admin: AdminClient, name: str, partitions: int) -> bool:
    found = admin.list_topics(name, timeout=_TIMEOUT).topics[name].partitions
    return len(found) == partitions and all(partition.leader >= 0 for partition in found.values())
