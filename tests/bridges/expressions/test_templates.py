"""Templates: what they print, and that no event leads them astray."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan.errors import Rejected
from eventspan.event import Event, Transport
from eventspan_bridges.expressions import ExpressionError
from eventspan_bridges.expressions.templates import compile_template, matches


def event(subject: str = "s") -> Event:
    attributes = {"id": "1", "source": "/s", "type": "t", "subject": subject}
    return Event.new(attributes, None, Transport(address="orders/eu", position=7))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("orders", "orders"),
        ("o-{{event.subject}}-z", "o-s-z"),
        ("o-{{ transport.position }}{{ event.type == 't' }}", "o-7true"),
        ("o-{{ '}}' == event.subject }}", "o-false"),
        ("a..b", "a..b"),
    ],
)
def test_it_renders(text: str, expected: str) -> None:
    assert compile_template(text).render(event()) == expected


def test_an_allow_list_alone_decides() -> None:
    template = compile_template("{{ transport.address }}", ["orders/*", "x"])
    assert template.render(event()) == "orders/eu"
    with pytest.raises(Rejected, match="allow-list"):
        compile_template("{{ event.subject }}", ["orders/*"]).render(event("x/orders/"))


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("{{ event.subject }}", 0),
        ("{{ event.subject }}-x", 0),
        ("a-{{ event.subject", 2),
        ("a-{{ nobody.x }}", 11),
        ("a-{{ }}", 5),
        ("a../{{ event.subject }}", 0),
    ],
)
def test_a_faulty_template_names_its_place(text: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(text)
    assert caught.value.offset == offset


@pytest.mark.parametrize("text", ["p-{{ 1.5 }}", "p-{{ [1] }}", "p-{{ null }}", "p-{{ event.nope }}"])
def test_only_text_numbers_and_booleans_are_printed(text: str) -> None:
    with pytest.raises(Rejected):
        compile_template(text).render(event())


@pytest.mark.parametrize("subject", ["../x", "a/b", "a b", "*", "#", "a,b", "x" * 250, "a\x00", "a\n"])
def test_a_value_that_would_leave_its_prefix_is_rejected(subject: str) -> None:
    with pytest.raises(Rejected):
        compile_template("p-{{ event.subject }}").render(event(subject))


def test_two_values_cannot_join_into_a_way_out() -> None:
    with pytest.raises(Rejected):
        compile_template("p{{ event.subject }}{{ event.subject }}").render(event("."))


@given(st.text(st.sampled_from("ab./\\*#?, \t\n\x00\x85é"), min_size=1) | st.text(min_size=1))
def test_no_text_escapes_its_prefix(subject: str) -> None:
    try:
        result = compile_template("orders.{{ event.subject }}").render(event(subject))
    except Rejected:
        return
    assert result == f"orders.{subject}"
    assert len(result) <= 249
    assert ".." not in result
    assert not any(
        char in "/\\*#?," or char.isspace() or unicodedata.category(char) == "Cc" for char in result
    )


@given(st.text(min_size=1))
def test_no_text_escapes_its_allow_list(subject: str) -> None:
    try:
        result = compile_template("{{ event.subject }}", ["eu-*", "us"]).render(event(subject))
    except Rejected:
        return
    assert result.startswith("eu-") or result == "us"


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("*", "", True),
        ("a*c", "abbc", True),
        ("a*c", "abcd", False),
        ("a?", "ab", True),
        ("[a]", "a", False),
        ("a.c", "abc", False),
        ("*a*a*a*a*b", "a" * 249, False),
        ("us", "us\n", False),
    ],
)
def test_globs_are_anchored_and_literal(glob: str, text: str, expected: bool) -> None:
    assert matches(glob, text) is expected
