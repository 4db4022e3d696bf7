"""Who holds a lease: a process, told from a later one that got the same number."""

import os
import socket
import uuid
from pathlib import Path

import msgspec

VARIABLE = "EVENTSPAN_OWNER"
"""Set by a supervisor for its children, so that all of them are one owner."""


class Owner(msgspec.Struct, frozen=True):
    """A run and the process that answers for it."""

    run: str
    host: str
    pid: int
    started: str
    """Boot and clock ticks of the start of the process; empty where the system does not tell."""

    @property
    def text(self) -> str:
        """How a lease stores it."""
        return f"{self.run} {self.host} {self.pid} {self.started}"

    @property
    def local(self) -> bool:
        """Whether it is of this host, so that ``alive`` can know."""
        return self.host == _host()

    @property
    def alive(self) -> bool:
        """Whether its process still runs here. One of another host counts as alive."""
        return not self.local or (_exists(self.pid) and self.started == _started(self.pid))


def current() -> str:
    """The owner this process acts as: its supervisor's, or its own."""
    return os.environ.get(VARIABLE) or own(_RUN).text


def own(run: str) -> Owner:
    """The process itself, as the one that answers for a run."""
    return Owner(run, _host(), os.getpid(), _started(os.getpid()))


def parse(text: str) -> Owner | None:
    """An owner from its text; None for text of another kind."""
    parts = text.split(" ")
    if len(parts) != 4 or not (parts[2].isascii() and parts[2].isdecimal()) or len(parts[2]) > 10:
        return None
    return Owner(parts[0], parts[1], int(parts[2]), parts[3])


_RUN = uuid.uuid4().hex[:12]


def _host() -> str:
    return socket.gethostname().replace(" ", "-")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    # The command, in parentheses, may hold spaces and parentheses of its own.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else f"{boot[:8]}-{fields[19]}"
