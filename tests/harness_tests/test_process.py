"""Child processes end with the process that started them."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.ports import claim, free_ports
from harness.process import Child

_TESTS = Path(__file__).parents[1]
_PARENT = """
import sys, time
from pathlib import Path
from harness.process import Child, end_on_sigterm
end_on_sigterm()
child = Child(["sleep", "300"], Path(sys.argv[1]) / "child.log")
child.start()
print(child.pid, flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_ends_with_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(_TESTS)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        # A descriptor of the process: readable when that very process ends, whoever has its pid later.
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(number)
        parent.wait(10)
    assert _ends(child)
    os.close(child)


def test_kill_takes_the_whole_group(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "sleep 300 & echo $!; wait"], tmp_path / "child.log")
    child.start()
    while not child.log_tail().endswith("\n"):
        assert child.running
    grandchild = os.pidfd_open(int(child.log_tail()))
    child.kill()
    assert not child.running
    assert _ends(grandchild)
    os.close(grandchild)


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = Child(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"], tmp_path / "child.log"
    )
    child.start()
    while not child.log_tail():
        assert child.running
    child.stop(timeout=0.2)
    assert child.exit_status == -signal.SIGKILL


def test_ports_are_distinct_free_and_outside_the_range_of_clients() -> None:
    ports = free_ports(20)
    assert len({*ports, *free_ports(20)}) == 40
    lowest_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(ports) < lowest_ephemeral
    for port in ports:
        claim(port)


def _ends(process: int, timeout: float = 10.0) -> bool:
    return bool(select.select([process], [], [], timeout)[0])
