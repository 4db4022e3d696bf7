"""What doctor asks: can the broker be reached, and is there what an endpoint needs."""

from collections.abc import Awaitable, Callable

from eventspan.endpoint import Finding, Level
from eventspan.errors import EventspanError, summary
from eventspan_connectors.amqp.config import Connection
from eventspan_connectors.amqp.link import Link


async def run(settings: Connection, subject: str, look: Callable[[Link], Awaitable[None]]) -> list[Finding]:
    """Findings from the network up to the queue or exchange; creates nothing."""
    link = Link(settings, "eventspan check")
    try:
        reached = await _try(f"broker {settings.peer}", "reachable, and the log-in works", link.open)
        if reached.level is not Level.OK:
            return [reached]
        found = await _try(subject, "found, and permitted", lambda: look(link))
        return [reached, found]
    finally:
        await link.close()


async def _try(subject: str, good: str, ask: Callable[[], Awaitable[None]]) -> Finding:
    try:
        await ask()
    except EventspanError as error:
        return Finding(subject, Level.FAILED, summary(error), error.help)
    return Finding(subject, Level.OK, good)
