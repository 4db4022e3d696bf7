"""What the oracle feeds and reads: plain data that a test writes and the oracle's process builds."""

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class KafkaEnd:
    """A topic that exists."""

    bootstrap: str
    topic: str


@dataclass(frozen=True)
class AmqpEnd:
    """A queue; the oracle declares it, durable, of the type `kind`."""

    url: str
    queue: str
    kind: str = "quorum"


@dataclass(frozen=True)
class FileEnd:
    """A file of one JSON event a line; it can be fed only."""

    path: str


End: TypeAlias = KafkaEnd | AmqpEnd | FileEnd
_KINDS = {"kafka": KafkaEnd, "amqp": AmqpEnd, "file": FileEnd}


@dataclass(frozen=True)
class Plan:
    """Everything one oracle needs to know.

    `size` is the payload's, in bytes, 0 for sizes that differ; every `poison`-th record is no event, 0 for
    none; with `native` a record has to arrive with the very headers it was sent with.
    """

    seed: int
    source: End
    target: End
    dead: End | None = None
    keys: int = 20
    size: int = 0
    poison: int = 0
    native: bool = False

    def packed(self) -> dict[str, Any]:
        """The plan as JSON can hold it."""
        ends = {name: _packed(getattr(self, name)) for name in ("source", "target", "dead")}
        return {**asdict(self), **ends}


def unpacked(fields: dict[str, Any]) -> Plan:
    """The plan `packed` was made of."""
    ends = {name: _unpacked(fields[name]) for name in ("source", "target", "dead")}
    return Plan(**{**fields, **ends})


def _packed(end: End | None) -> dict[str, Any] | None:
    if end is None:
        return None
    kind = next(name for name, known in _KINDS.items() if isinstance(end, known))
    return {"kind_of_end": kind, **asdict(end)}


def _unpacked(fields: dict[str, Any] | None) -> End | None:
    if fields is None:
        return None
    end: End = _KINDS[fields["kind_of_end"]](
        **{name: value for name, value in fields.items() if name != "kind_of_end"}
    )
    return end
