"""Untouched records in a row: the sink's hot path."""

from collections.abc import Callable, Sequence
from itertools import islice

from confluent_kafka import KafkaException

from eventspan.event import Event
from eventspan_connectors.kafka.receipt import Slot


def pass_on(
    produce: Callable[..., None],
    topic: str,
    events: Sequence[Event],
    slots: Sequence[Slot],
    at: int,
    stop: int,
) -> int:
    """Queue records of our own protocol as they are, without a look at their content.

    Returns the index of the first event that is anything else, or was not taken: it is
    judged by who writes events one by one.
    """
    ours = events[at].binding
    if ours is None or ours.name != "kafka":
        return at
    index = at
    try:
        for event, slot in zip(islice(events, at, stop), islice(slots, at, stop), strict=True):
            transport = event.transport
            headers = transport.headers
            if event.binding is not ours or headers.__class__ is not list:
                return index
            stamp = transport.timestamp
            # fmt: off
            produce(
                topic, transport.body, transport.key, -1, slot, None,
                stamp if stamp and stamp > 0 else 0, headers,
            )
            # fmt: on
            index += 1
    except (BufferError, KafkaException, TypeError, ValueError):
        return index
    return stop
