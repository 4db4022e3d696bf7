"""Plug-ins that are broken: listed as such, named where a file uses them, and in nobody else's way."""

import json
import os
from pathlib import Path

import pytest

from harness.answer import Running, assert_nowhere, assert_quiet, assert_refused, call, canary

WORKING = "from eventspan.connector import Connector\nconnector = Connector(name='odd', summary='A fake.')\n"
GOOD = (
    "version: 1\n"
    "bridges: {a: {source: {type: memory, name: x}, sink: {type: memory, name: y}, dead_letter: stop}}\n"
)
USING = GOOD.replace("{type: memory, name: y}", "{type: odd, name: y}")
FINITE = """\
version: 1
bridges:
  a:
    source: {type: file, path: in.jsonl}
    sink: {type: file, path: out.jsonl}
    dead_letter: stop
"""
EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}\n'
BUILD = """\
from eventspan.connector import Connector, SinkSpec
from eventspan.settings import Settings
class Odd(Settings):
    name: str
"""


def install(
    site: Path, module: str, code: str | None, *, name: str = "odd", attribute: str = "connector"
) -> None:
    """A distribution with one entry point."""
    if code is not None:
        (site / f"{module}.py").write_text(code)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[eventspan.connectors]\n{name} = {module}:{attribute}\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    found = tmp_path / "site"
    found.mkdir()
    return found


@pytest.fixture
def secret() -> str:
    return canary()


def path_of(site: Path, secret: str) -> dict[str, str]:
    here = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": f"{site}{os.pathsep}{here}".rstrip(os.pathsep), "TOKEN": secret}


HEAD = "from eventspan.connector import Connector\nconnector = Connector(name='odd', summary='', "
BROKEN = {
    "module that is missing": (None, "cannot be imported"),
    "class that is missing": ("other = 1", "AttributeError"),
    "package that is missing": ("import no_such_package", "cannot be imported"),
    "import that leaves": ("raise SystemExit(0)", "SystemExit"),
    "import that interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "import that fails with a secret": ("import os\nraise RuntimeError(os.environ['TOKEN'])", "RuntimeError"),
    "import that fails to be found with a secret": (
        "import os\nraise ImportError(os.environ['TOKEN'])", "cannot be imported",
    ),
    "no Python": ("def broken(:", "SyntaxError"),
    "something else": ("connector = object()", "is no Connector"),
    "a class": ("from eventspan.connector import Connector as connector", "is no Connector"),
    "another version of the contract": (
        HEAD + "batches=True)",
        "TypeError",
    ),
    "a side that is none": (
        HEAD + "sink=print)",
        "its sink is no SinkSpec",
    ),
    "settings that are none": (
        "from eventspan.connector import Connector, SinkSpec\n"
        "connector = Connector(name='odd', summary='', sink=SinkSpec(dict, print))",
        "the settings of its sink are no Settings",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("code", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_one_is_named_and_in_nobody_elses_way(
    tmp_path: Path, site: Path, secret: str, code: str | None, said: str
) -> None:
    install(site, "oddplug", code)
    env = path_of(site, secret)
    (tmp_path / "good.yaml").write_text(FINITE)
    (tmp_path / "in.jsonl").write_text(EVENT)
    (tmp_path / "using.yaml").write_text(USING)

    listed = call(tmp_path, "plugins", "ls", "-o", "json", env=env)
    assert listed.status == 0, listed.text
    found = {entry["name"]: entry for entry in json.loads(listed.out)}
    assert (found["odd"]["status"], found["odd"]["origin"]) == ("broken", "oddplug 1.0")
    assert said in found["odd"]["error"]
    assert found["memory"]["status"] == "ok"
    assert_quiet(listed.text, [secret])

    for verb, *more in (["lint"], ["run", "--state", "state"]):
        using = call(tmp_path, verb, "using.yaml", *more, env=env)
        place = f"using.yaml:2:{USING.splitlines()[1].index('odd') + 1}: error[ES302 unusable-connector]"
        assert_refused(using, place, "'odd' from oddplug is broken", said, secrets=[secret])

    ran = call(tmp_path, "run", "good.yaml", "--until", "drained", "--state", "state", env=env)
    assert_refused(ran, status=0, secrets=[secret])
    assert (tmp_path / "out.jsonl").read_text() == EVENT
    assert_nowhere(tmp_path / "state", [secret])


def test_two_that_claim_a_name_are_both_named(tmp_path: Path, site: Path, secret: str) -> None:
    for module in ("firstplug", "otherplug"):
        install(site, module, WORKING)
    env = path_of(site, secret)
    (tmp_path / "using.yaml").write_text(USING)
    (tmp_path / "good.yaml").write_text(GOOD)
    listed = call(tmp_path, "plugins", "ls", env=env)
    assert_refused(listed, "broken", "uninstall one of them", status=0)
    using = call(tmp_path, "run", "using.yaml", "--state", "state", env=env)
    assert_refused(
        using, "using.yaml:2:", "error[ES302 ", "claimed by firstplug and otherplug", "uninstall one"
    )
    assert call(tmp_path, "lint", "good.yaml", env=env).status == 0


def test_one_that_claims_a_name_of_ours_is_refused_and_never_imported(
    tmp_path: Path, site: Path, secret: str
) -> None:
    install(site, "thief", "import pathlib\npathlib.Path('ran').touch()\n" + WORKING, name="memory")
    (tmp_path / "good.yaml").write_text(GOOD)
    answer = call(tmp_path, "run", "good.yaml", "--state", "state", env=path_of(site, secret))
    assert_refused(answer, "good.yaml:2:", "error[ES302 ", "claimed by eventspan and thief")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "code", ["import os\nprint(os.environ['TOKEN'])", "while True: pass", "import os\nos._exit(7)"]
)
def test_one_that_nobody_uses_is_never_imported(tmp_path: Path, site: Path, secret: str, code: str) -> None:
    install(site, "oddplug", f"{code}\n{WORKING}")
    env = path_of(site, secret)
    (tmp_path / "good.yaml").write_text(FINITE)
    (tmp_path / "in.jsonl").write_text(EVENT)
    for verb, *more in (["lint"], ["run", "--until", "drained", "--state", "state"]):
        assert_refused(call(tmp_path, verb, "good.yaml", *more, env=env), status=0, secrets=[secret])
    assert_refused(call(tmp_path, "version", env=env), "oddplug", status=0, secrets=[secret])
    assert (tmp_path / "out.jsonl").read_text() == EVENT


@pytest.mark.parametrize("name", ["../x", "UPPER", "1st", "a_b", "x" * 1000])
def test_a_name_that_is_none_is_refused(tmp_path: Path, site: Path, secret: str, name: str) -> None:
    install(site, "oddplug", WORKING, name=name)
    (tmp_path / "using.yaml").write_text(USING.replace("type: odd", f"type: '{name}'"))
    answer = call(tmp_path, "lint", "using.yaml", env=path_of(site, secret))
    assert_refused(answer, "using.yaml:2:", "error[ES302 ", "not a name")


VERBS = """
class Sink:
    def connect(self): return None
    def write(self, events, spans): return None
    def close(self): return None
connector = Connector(name='odd', summary='', sink=SinkSpec(Odd, lambda settings, context: Sink()))
"""


def test_one_whose_verbs_do_not_wait_is_named_and_tried_again(
    tmp_path: Path, site: Path, secret: str
) -> None:
    install(site, "oddplug", BUILD + VERBS)
    (tmp_path / "using.yaml").write_text(USING)
    arguments = ("run", "using.yaml", "--state", "state")
    with Running(tmp_path, *arguments, env=path_of(site, secret)) as running:
        running.says("a sinks.sink retrying: TypeError")
        assert running.stopped() in (0, 3)
        assert_quiet(running.text, [secret])


def test_one_without_the_side_that_is_asked_for_is_named(tmp_path: Path, site: Path, secret: str) -> None:
    install(site, "oddplug", WORKING)
    (tmp_path / "using.yaml").write_text(USING)
    answer = call(tmp_path, "lint", "using.yaml", env=path_of(site, secret))
    assert_refused(answer, "using.yaml:2:", "error[ES303 wrong-side]", "has no sink")
