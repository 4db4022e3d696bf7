"""Members: whatever is set or dropped, the others keep their bytes and their order."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from eventspan_bridges.steps.members import put, without

# Texts that a parser and a printer would change: exponents, trailing zeros, big numbers, escapes, spaces.
SCALARS = st.sampled_from(
    [
        b"1.00",
        b"1e2",
        b"-0.0",
        b"12345678901234567890123",
        b'"\\u00e9\\/"',
        b'" "',
        b"null",
        b"true",
        b"[ 1 , 2.0]",
    ]
)
VALUES = st.recursive(
    SCALARS | st.integers().map(lambda n: b"%d" % n) | st.text().map(lambda s: json.dumps(s).encode("ascii")),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner).map(lambda members: written(members)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcdef"), VALUES)


def written(members: dict[str, bytes]) -> bytes:
    return (
        b"{ " + b" ,\n".join(b'"%s" : %s' % (name.encode(), value) for name, value in members.items()) + b"}"
    )


def read(data: bytes) -> dict[str, bytes]:
    raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    return {name: bytes(value) for name, value in raw.items()}


@given(OBJECTS, st.sampled_from("abcxyz"), VALUES)
def test_setting_one_member_leaves_the_others(members: dict[str, bytes], name: str, value: bytes) -> None:
    result = read(put(written(members), [name], value))
    assert list(result.items()) == list({**members, name: value}.items())


@given(OBJECTS, OBJECTS, st.sampled_from("abcxyz"), VALUES)
def test_setting_a_nested_member_leaves_the_others(
    outer: dict[str, bytes], inner: dict[str, bytes], name: str, value: bytes
) -> None:
    result = read(put(written({**outer, "n": written(inner)}), ["n", name], value))
    assert read(result.pop("n")) == {**inner, name: value}
    assert result == outer


@given(OBJECTS, st.sampled_from("abcxyz"))
def test_dropping_one_member_leaves_the_others(members: dict[str, bytes], name: str) -> None:
    result = without(written(members), [name])
    if name not in members:
        assert result is None
        return
    assert result is not None
    kept = [(key, value) for key, value in members.items() if key != name]
    assert list(read(result).items()) == kept
