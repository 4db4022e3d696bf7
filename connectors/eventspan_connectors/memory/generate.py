"""Made-up orders, for a first look without a broker."""

import asyncio
from datetime import UTC, datetime
from itertools import count

import msgspec

from eventspan import Event, Transport
from eventspan_connectors.memory.config import Generate
from eventspan_connectors.memory.log import Log

_KINDS = ("order.created", "order.paid", "order.shipped", "order.cancelled")
_REGIONS = ("eu", "us", "ap")
_TICK = 0.02
_WAITING = 10_000


def order(number: int) -> Event:
    """The order event of this number; its content depends on nothing else but the time."""
    customer = f"{_REGIONS[number % 3]}-{number % 7}"
    data = {"order_id": f"{number:06}", "customer": customer, "amount": round(number * 7.35 % 200, 2)}
    attributes = {
        "id": f"{number:06}",
        "source": "/shop",
        "type": _KINDS[number % 4],
        "subject": customer,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
    }
    return Event.new(attributes, msgspec.json.encode(data), Transport(key=customer.encode()))


async def generate(target: Log, settings: Generate) -> None:
    """Write orders at an even rate, as long as somebody reads them, until there are enough."""
    loop, numbers = asyncio.get_running_loop(), count(1)
    begun, written = loop.time(), 0
    while settings.count is None or written < settings.count:
        due = int((loop.time() - begun) * settings.rate) + 1
        wanted = min(due, settings.count or due) - written
        if wanted > 0 and target.backlog < _WAITING:
            target.append([order(next(numbers)) for _ in range(wanted)])
            written += wanted
        await asyncio.sleep(max(_TICK, begun + written / settings.rate - loop.time()))
    target.wake()
