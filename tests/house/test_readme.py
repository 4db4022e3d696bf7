"""What the README says of connectors, commands and files is so."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from eventspan import SinkTraits, SourceTraits, registry
from eventspan_bridges.cli.catalogue import SUMMARIES
from eventspan_bridges.delivery.dead_letters import PREFIX, Failure
from eventspan_bridges.settings.check import check_text
from harness.documents import ROOT, blocks, table

README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("examples/**/*.md")])
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def _word(value: bool) -> str:
    return "yes" if value else "no"


def test_sources_promise_what_the_table_says() -> None:
    columns = {
        "Ordered in a lane": "ordered", "Redelivers": "redelivers", "Shared by processes": "shared",
        "Same position after a reconnect": "stable",
    }  # fmt: skip
    rows = {row["Connector"].strip("`"): row for row in table(README, "Connector", "Reads")}
    assert sorted(rows) == registry.names()
    for name, row in rows.items():
        spec = registry.load(name).source
        assert spec is not None
        told = {trait: row[column] for column, trait in columns.items()}
        assert told == {trait: _word(getattr(spec.traits, trait)) for trait in told}, name
    assert set(columns.values()) < set(SourceTraits.__struct_fields__)


def test_sinks_promise_what_the_table_says() -> None:
    columns = {
        "Keeps order": "keeps_order", "Idempotent": "idempotent", "A write is whole or not at all": "atomic",
        "Dead letters are raw records": "carries_records",
    }  # fmt: skip
    rows = {row["Connector"].strip("`"): row for row in table(README, "Connector", "Writes")}
    assert sorted(rows) == registry.names()
    for name, row in rows.items():
        spec = registry.load(name).sink
        assert spec is not None
        told = {trait: row[column] for column, trait in columns.items()}
        assert told == {trait: _word(getattr(spec.traits, trait)) for trait in told}, name
    assert set(columns.values()) < set(SinkTraits.__struct_fields__)


def test_connectors_lose_what_the_table_says() -> None:
    rows = [tuple(row.values()) for row in table(README, "Connector", "Has no place for")]
    names = list(dict.fromkeys(row[0].strip("`") for row in rows))
    assert sorted(names) == [name for name in registry.names() if registry.load(name).losses]
    assert rows == [
        (f"`{name}`", loss.of, loss.becomes, _word(loss.returns))
        for name in names
        for loss in registry.load(name).losses
    ]


def test_every_command_is_in_the_table() -> None:
    cells = [row["Command"] for row in table(README, "Command", "Does")]
    first = {re.sub(r"^eventspan ", "", cell.strip("`").partition("`")[0]).split()[0] for cell in cells}
    also = {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}
    assert set(SUMMARIES) <= first | also
    assert first <= set(SUMMARIES)


def test_dead_letter_headers_are_those_it_names() -> None:
    text = README.read_text()
    assert {name for name in Failure.__struct_fields__ if f"-{name}`" not in text} == set()
    assert f"`{PREFIX}reason`" in text


def test_the_mistake_it_shows_is_told_so() -> None:
    [bridge] = blocks(README, "yaml")
    [shown] = blocks(README, "text")
    wrong = bridge.replace("quorum", "quorom").encode()
    assert [problem.render() for problem in check_text(wrong, "orders.yaml", {}).problems] == [shown.rstrip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_bridge_files_on_a_page_are_whole(page: Path) -> None:
    for text in blocks(page, "yaml"):
        found = check_text(text.encode(), page.name, {})
        assert found.bridges
        assert found.problems == ()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    local = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_exit_codes_are_those_of_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "eventspan_bridges", "--help"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    codes = [row["Exit code"] for row in table(README, "Exit code", "Means")]
    assert codes == ["0", "1", "2", "3", "130, 143"]
    said = " ".join(done.stdout.split())
    assert "Exit codes: 0 done, 1 failed, 2 the file or the call is wrong" in said
    assert "3 stopped with work pending, 130 and 143" in said


def test_conservation_names_every_outcome() -> None:
    from eventspan_bridges.delivery.counters import Outcome

    [line] = [line for line in README.read_text().splitlines() if "Received equals" in line]
    names = {outcome.value for outcome in Outcome}
    assert {name for name in names if name not in line.replace("-", "")} == set()
    assert msgspec.convert("delivered", Outcome) is Outcome.DELIVERED
