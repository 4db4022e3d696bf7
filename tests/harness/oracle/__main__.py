"""The oracle's process: `python -m harness.oracle PLAN` takes a command a line and gives an answer a line."""

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from harness.oracle.amqp_side import AmqpFeed, AmqpWatch
from harness.oracle.ends import AmqpEnd, End, FileEnd, KafkaEnd, Plan, unpacked
from harness.oracle.file_side import FileFeed
from harness.oracle.kafka_side import KafkaFeed, KafkaWatch
from harness.oracle.ledger import Ledger, sample
from harness.oracle.mint import Mint
from harness.oracle.native import Sighting
from harness.oracle.pace import Pace


class Feed(Protocol):
    def feed(self, count: int, pace: Pace) -> None: ...


class Watch(Protocol):
    def step(self) -> None: ...

    def finish(self) -> None: ...


def _feed(end: End, mint: Mint, ledger: Ledger) -> Feed:
    if isinstance(end, KafkaEnd):
        return KafkaFeed(end, mint, ledger)
    return AmqpFeed(end, mint, ledger) if isinstance(end, AmqpEnd) else FileFeed(end, mint, ledger)


def _watch(end: End, see: Callable[[Sighting], None]) -> Watch:
    if isinstance(end, KafkaEnd):
        return KafkaWatch(end, see)
    if isinstance(end, FileEnd):
        raise TypeError("a file can be fed only")
    return AmqpWatch(end, see)


class Watcher(threading.Thread):
    """Reads one target for as long as the process lives; `catch_up` waits until it is at the end."""

    def __init__(self, watch: Watch, failed: Callable[[Exception], None]) -> None:
        super().__init__(daemon=True)
        self._watch = watch
        self._failed = failed
        self._asked = threading.Event()
        self._there = threading.Event()

    def run(self) -> None:
        try:
            while True:
                self._watch.step()
                if self._asked.is_set():
                    self._asked.clear()
                    self._watch.finish()
                    self._there.set()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test has to hear of it
            self._failed(error)
            self._there.set()

    def catch_up(self) -> None:
        """Return when everything that is there now was seen."""
        if self.is_alive():
            self._there.clear()
            self._asked.set()
            self._there.wait()


class Desk:
    """Answers commands."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._mint = Mint(plan.seed, plan.keys, plan.size, plan.poison)
        self._ledger = Ledger(self._mint, native=plan.native)
        self._error: str | None = None
        self._started = time.monotonic()
        self._feed = _feed(plan.source, self._mint, self._ledger)
        self._feeder: threading.Thread | None = None
        watches = [_watch(plan.target, self._ledger.see)]
        if plan.dead is not None:
            watches.append(_watch(plan.dead, self._ledger.bury))
        self._watchers = [Watcher(watch, self._failed) for watch in watches]
        for watcher in self._watchers:
            watcher.start()

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do what a line says."""
        if command["do"] == "feed":
            self._begin(command["count"], Pace(command["rate"]))
        elif command["do"] == "catch up":
            self._catch_up()
        elif command["do"] == "report":
            self._catch_up()
            return self._report()
        return self._status()

    def _begin(self, count: int, pace: Pace) -> None:
        if self._feeder is not None:
            self._feeder.join()
        self._feeder = threading.Thread(target=self._run_feed, args=(count, pace), daemon=True)
        self._feeder.start()

    def _run_feed(self, count: int, pace: Pace) -> None:
        try:
            self._feed.feed(count, pace)
        except Exception as error:  # noqa: BLE001 -- as in Watcher
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._error = self._error or f"{type(error).__name__}: {error}"

    def _catch_up(self) -> None:
        for watcher in self._watchers:
            watcher.catch_up()

    def _status(self) -> dict[str, Any]:
        ledger = self._ledger
        feeding = self._feeder is not None and self._feeder.is_alive()
        return {
            "issued": ledger.issued,
            "confirmed": ledger.confirmed,
            "delivered": ledger.delivered,
            "buried": ledger.buried,
            "duplicates": ledger.duplicates,
            "feeding": feeding,
            "settled": not feeding and ledger.settled,
            "error": self._error,
        }

    def _report(self) -> dict[str, Any]:
        ledger = self._ledger
        lost = ledger.lost()
        findings = {"lost": lost, "spurious": ledger.spurious, "corrupt": ledger.corrupt}
        counts = ("issued", "confirmed", "delivered", "buried", "duplicates", "repeated_letters", "overtaken")
        return {
            "seed": self._plan.seed,
            **{name: getattr(ledger, name) for name in counts},
            **{name: len(found) for name, found in findings.items()},
            "lives": ledger.lives(),
            "secs": round(time.monotonic() - self._started, 2),
            "samples": {name: sample(found) for name, found in findings.items() if found},
        }


def main() -> None:
    desk = Desk(unpacked(json.loads(sys.argv[1])))
    # The first line says that everything is in place; the end of the test's pipe ends the process.
    print(json.dumps(desk.answer({"do": "status"})), flush=True)
    for line in sys.stdin:
        print(json.dumps(desk.answer(json.loads(line))), flush=True)


main()
