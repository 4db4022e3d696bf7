"""Messages that come back for want of a queue: which they were, and what becomes of them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from eventspan import Context, Event, PartialWrite, Rejected
from eventspan.testing.events import numbered, spans_of
from eventspan_connectors.amqp import connector
from eventspan_connectors.amqp.codec import encode, table
from eventspan_connectors.amqp.errors import NotConfirmed
from eventspan_connectors.amqp.publisher import Publisher, address
from eventspan_connectors.amqp.returns import Doubtful, matching
from harness.rabbitmq import Management, RabbitAddress

assert connector.sink is not None
SINK = connector.sink


def headers(*names: str) -> bytes:
    return encode(table((name, "x") for name in names), {})


def test_the_best_match_counts() -> None:
    outstanding = [(1, headers("a")), (2, headers("a", "b")), (3, headers("c"))]
    assert matching(headers("c"), outstanding) == [3]
    assert matching(headers("c", "added"), outstanding) == [3]
    assert matching(headers("a", "b", "added"), outstanding) == [1, 2]
    assert matching(headers("changed"), outstanding) == [1, 2, 3]
    assert matching(b"", outstanding) == [1, 2, 3]
    assert matching(headers("a"), []) == []


def test_equals_stand_for_each_other() -> None:
    assert matching(headers("a"), [(1, headers("a")), (2, headers("a"))]) == [1]


def publisher() -> Publisher:
    return Publisher(1, 2**17, lambda data: None, lambda code, text: None)


async def test_doubt_holds_those_behind_it() -> None:
    """What cannot be told apart is sent again, and what was sent behind it goes after it."""
    where = address("", "q")
    out = publisher()
    written = out.publish(
        [(where, headers(name), b"x") for name in "abc"] + [(where, headers("d"), b"y")], None
    )
    behind = out.publish([(where, headers("e"), b"z")], None)
    out.returned(312, where, headers("changed"), b"x")
    out.confirmed(5, multiple=True, ok=True)
    failures = partial(written)
    assert [type(failures[n]) for n in range(4)] == [Doubtful, Doubtful, Doubtful, NotConfirmed]
    assert isinstance(partial(behind)[0], NotConfirmed)
    after = out.publish([(where, headers("f"), b"")], None)
    out.confirmed(6, multiple=False, ok=True)
    assert after.result() is None


def partial(written: "asyncio.Future[None]") -> dict[int, Exception]:
    error = written.exception()
    assert isinstance(error, PartialWrite)
    return error.failures


async def test_each_return_is_another_message() -> None:
    where = address("", "q")
    out = publisher()
    written = out.publish([(where, headers("a"), b"x")] * 5, None)
    for _ in range(2):
        out.returned(312, where, headers("a"), b"x")
    out.confirmed(5, multiple=True, ok=True)
    assert {n: type(error) for n, error in partial(written).items()} == {0: Rejected, 1: Rejected}


async def test_a_stranger_closes_the_channel() -> None:
    said: list[tuple[int, str]] = []
    out = Publisher(1, 2**17, lambda data: None, lambda code, text: said.append((code, text)))
    out.returned(312, address("", "q"), b"", b"never sent")
    assert said == [(312, "the broker returned a message that was never sent")]


class Scene:
    """An exchange, a queue bound to it, and a sink to it."""

    def __init__(self, api: Management, url: str, name: str) -> None:
        self.api = api
        self.name = name
        self.sink: Any = SINK.build(SINK.settings(url=url, exchange=name, routing_key="k"), Context())

    def make(self) -> None:
        self.api.call("PUT", f"exchanges/%2F/{self.name}", {"type": "direct", "durable": True})
        self.api.call("PUT", f"queues/%2F/{self.name}", {"durable": True})
        self.bind()

    def bind(self) -> None:
        self.api.call("POST", f"bindings/%2F/e/{self.name}/q/{self.name}", {"routing_key": "k"})

    def unbind(self) -> None:
        self.api.call("DELETE", f"bindings/%2F/e/{self.name}/q/{self.name}/k")

    async def write(self, events: Sequence[Event]) -> dict[int, Exception]:
        """Write them; the failures."""
        async with asyncio.timeout(20):
            try:
                await (await self.sink.write(events, spans_of(events)))
            except PartialWrite as partial:
                return partial.failures
        return {}

    async def stored(self) -> list[str]:
        """Ids of what is in the queue, oldest first; it is empty afterwards."""
        wanted = {"count": 10_000, "ackmode": "ack_requeue_false", "encoding": "auto"}
        found = await asyncio.to_thread(self.api.call, "POST", f"queues/%2F/{self.name}/get", wanted)
        assert isinstance(found, list)
        return [message["properties"]["headers"]["ce-id"] for message in found]

    async def leave(self) -> None:
        await self.sink.close()
        self.api.call("DELETE", f"queues/%2F/{self.name}")
        self.api.call("DELETE", f"exchanges/%2F/{self.name}")


@pytest.fixture
async def scene(rabbitmq: RabbitAddress, place: str) -> Any:
    if rabbitmq.management is None:
        pytest.skip("needs the management API")
    found = Scene(rabbitmq.management, rabbitmq.url, place)
    found.make()
    await found.sink.connect()
    yield found
    await found.leave()


@pytest.mark.broker("rabbitmq")
async def test_twins_without_a_route_are_all_refused(scene: Scene) -> None:
    scene.unbind()
    failures = await scene.write(numbered(1) * 200)
    assert len(failures) == 200
    assert all(isinstance(error, Rejected) and "routing key 'k'" in str(error) for error in failures.values())
    assert await scene.stored() == []


@pytest.mark.broker("rabbitmq")
async def test_twins_among_routable_ones(scene: Scene) -> None:
    events = [event for n in range(50) for event in (*numbered(1, n), *numbered(1, 1000))]
    for event in events:
        if event.id == "1000":
            event.destination = (scene.name, "nowhere")
    failures = await scene.write(events)
    assert sorted(failures) == list(range(1, 100, 2))
    assert all(isinstance(error, Rejected) for error in failures.values())
    assert await scene.stored() == [str(n) for n in range(50)]


@pytest.mark.broker("rabbitmq")
async def test_twins_whose_route_vanishes_in_between(scene: Scene) -> None:
    """As many are refused as are not in the queue, and nothing is tried for ever."""
    written: list[asyncio.Future[None]] = []
    unbinding = asyncio.create_task(asyncio.to_thread(scene.unbind))
    async with asyncio.timeout(20):
        while not any(future.done() and future.exception() for future in written):
            events = numbered(1) * 200
            durable = await scene.sink.write(events, spans_of(events))
            written.append(asyncio.ensure_future(durable))
            await asyncio.sleep(0)
        await asyncio.wait(written)
    await unbinding
    failures = [error for future in written for error in failed(future).values()]
    assert failures
    assert all(isinstance(error, Rejected) for error in failures)
    assert len(await scene.stored()) == len(written) * 200 - len(failures)


def failed(future: "asyncio.Future[None]") -> dict[int, Exception]:
    return partial(future) if future.exception() else {}


@pytest.mark.broker("rabbitmq")
@pytest.mark.parametrize("routed", [True, False])
async def test_what_cannot_be_told_apart_is_sent_alone(
    scene: Scene, routed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Returns that say nothing but that something came back."""
    scene.unbind()
    out = scene.sink._publisher
    returned = out.returned

    def vague(code: int, where: bytes, header: bytes, body: bytes) -> None:
        returned(code, where, headers("changed"), body)

    monkeypatch.setattr(out, "returned", vague)
    done = asyncio.get_running_loop().create_future()
    confirmed = out.confirmed

    def bind_after_it(tag: int, *, multiple: bool, ok: bool) -> None:
        if routed and not done.done():
            scene.bind()
            done.set_result(None)
        confirmed(tag, multiple=multiple, ok=ok)

    monkeypatch.setattr(out, "confirmed", bind_after_it)
    failures = await scene.write(numbered(3, data=b"same"))
    # The last one is alone once the others are confirmed, so nothing is in doubt about it.
    assert set(failures) <= {2} if routed else set(failures) == {0, 1, 2}
    assert all(isinstance(error, Rejected) for error in failures.values())
    assert await scene.stored() == [str(n) for n in range(3) if n not in failures]
