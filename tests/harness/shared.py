"""Servers that the tests of a run share: somebody's own, or one started once in the background."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from harness.errors import StartFailed, Unavailable

AddressT = TypeVar("AddressT")
AddressCoT = TypeVar("AddressCoT", covariant=True)


class OwnServer(Protocol[AddressCoT]):
    """A server that the harness starts itself."""

    @property
    def address(self) -> AddressCoT: ...
    @property
    def pid(self) -> int: ...
    @property
    def version(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill9(self) -> None: ...


@dataclass(frozen=True)
class System(Generic[AddressT]):
    """One kind of server.

    `variable` names the environment variable that points at one somebody runs already; `attach` makes an
    address and a version of its value, or raises Unavailable; `own` prepares a server in a folder.
    """

    name: str
    variable: str
    attach: Callable[[str], tuple[AddressT, str]]
    own: Callable[[Path], OwnServer[AddressT]]
    can_start: Callable[[], bool]

    @property
    def attached(self) -> str | None:
        """The value of the environment variable, None where it is unset or empty."""
        return os.environ.get(self.variable) or None


class Shared(Generic[AddressT]):
    """One server for a whole run; `begin` returns at once, `get` waits for what `begin` started."""

    def __init__(self, system: System[AddressT]) -> None:
        self.system = system
        self.found: str | None = None
        """Version and origin, once it is there."""
        self.missing: str | None = None
        """Why it could not be had."""
        self._address: AddressT | None = None
        self._server: OwnServer[AddressT] | None = None
        self._folder: Path | None = None
        self._thread: threading.Thread | None = None
        self._begun = threading.Lock()

    def begin(self) -> None:
        """Start or attach in a thread; a second call does nothing."""
        with self._begun:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._obtain, name=f"start {self.system.name}", daemon=True
                )
                self._thread.start()

    def get(self) -> AddressT:
        """The address; Unavailable with the reason where there is no server."""
        self.begin()
        if self._thread is not None:
            self._thread.join()
        if self._address is None:
            raise Unavailable(self.missing or f"{self.system.name} is missing")
        return self._address

    @property
    def pid(self) -> int | None:
        return None if self._server is None else self._server.pid

    def end(self) -> None:
        """End a server of ours without ceremony: its data goes with it."""
        if self._thread is not None:
            self._thread.join()
        if self._server is not None:
            self._server.kill9()
            self._server.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _obtain(self) -> None:
        try:
            if self.system.attached is None:
                self._start()
            else:
                self._attach(self.system.attached)
        except (Unavailable, StartFailed, OSError) as error:
            self.missing = str(error)

    def _attach(self, value: str) -> None:
        self._address, version = self.system.attach(value)
        self.found = f"{version} (already running, {self.system.variable})"

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=f"eventspan-{self.system.name}-"))
        self._server = self.system.own(self._folder)
        self._server.start()
        self.found = f"{self._server.version} (local process {self._server.pid})"
        self._address = self._server.address
