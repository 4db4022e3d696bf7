"""A producer and the thread that polls it."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from eventspan_connectors.kafka import options
from eventspan_connectors.kafka.config import KafkaSink
from eventspan_connectors.kafka.errors import unusable

POLL_SECS = 0.1
FLUSH_SECS = 2.0


class Pump(threading.Thread):
    """Serves delivery reports and errors until it is stopped; then gives up what is left."""

    def __init__(
        self, settings: KafkaSink, limits: dict[str, Any], on_error: Callable[[KafkaError], None]
    ) -> None:
        super().__init__(name="eventspan-kafka-producer", daemon=True)
        self._stopping = False
        try:
            self.producer = Producer(options.producer(settings, {**limits, **settings.options}, on_error))
        except (KafkaException, ValueError) as error:
            raise unusable(error) from error

    def run(self) -> None:
        while not self._stopping:
            self.producer.poll(POLL_SECS)
        self.producer.purge()
        if not self.producer.flush(FLUSH_SECS):
            self.producer.close()  # with nothing left it does not wait; its threads end here

    def give_up(self) -> None:
        """Drop what has not been confirmed; it is reported as failed."""
        with contextlib.suppress(RuntimeError):  # closed already
            self.producer.purge(blocking=False)

    def stop(self) -> None:
        """End within seconds; from any thread."""
        self._stopping = True
