"""The JSON format: every rule of the specification, and bytes that stay the same."""

import json
import string
import time
import tracemalloc
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan.attributes import canonical
from eventspan.errors import Undecodable
from eventspan.event import Event, Transport, Value
from eventspan.formats import json as format_json

HEAD = b'"specversion":"1.0","id":"1","source":"/s","type":"t"'
REQUIRED: dict[str, Value] = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def envelope(rest: str | bytes) -> bytes:
    return b"{" + HEAD + b"," + (rest.encode() if isinstance(rest, str) else rest) + b"}"


def decode(rest: str | bytes) -> tuple[dict[str, Value], bytes | None]:
    return format_json.decode_parts(envelope(rest))


def encode(data: bytes | None, **attributes: Value) -> bytes:
    return format_json.encode(Event.new({**REQUIRED, **attributes}, data))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ('"ext":"x"', "x"),
        ('"ext":true', True),
        ('"ext":5', 5),
        ('"ext":-2147483648', -(2**31)),
        ('"ext":"007"', "007"),
        ('"ext":"true"', "true"),
        ('"ext":""', ""),
        ('"ext":"\\u20ac \\ud83d\\ude00"', "€ 😀"),
        ('"sampledrate":10', 10),
        ('"sampledrate":"10"', 10),
        ('"sampledrate":"010"', "010"),
        ('"deprecated":"true"', True),
        ('"dssematerial":"+/8="', b"\xfb\xff"),
        ('"dssematerial":"+/9="', "+/9="),
        ('"knativekafkapartition":3', 3),
    ],
)
def test_an_attribute_keeps_its_type_and_its_text(member: str, value: Value) -> None:
    attributes, _ = decode(member)
    (name,) = attributes.keys() - REQUIRED.keys()
    assert attributes[name] == value
    assert type(attributes[name]) is type(value)


@pytest.mark.parametrize("name", ["ext", "subject", "time", "dataschema", "datacontenttype"])
def test_null_is_unset(name: str) -> None:
    assert decode(f'"{name}":null') == (REQUIRED, None)


@pytest.mark.parametrize(
    ("rest", "content_type", "data"),
    [
        ('"data":"I\'m just a string"', "application/json", b'"I\'m just a string"'),
        ('"data":"{\\"a\\":1}"', "application/json", b'"{\\"a\\":1}"'),
        ('"data":null', "application/json", b"null"),
        ('"datacontenttype":"application/json","data":null', "application/json", b"null"),
        ('"datacontenttype":"text/plain","data":null', "text/plain", None),
        ('"data_base64":"eyAieHl6IjogMTIzIH0="', None, b'{ "xyz": 123 }'),
        ('"data_base64":""', None, b""),
        ('"data_base64":null', None, None),
        ('"data_base64":null,"data":1', "application/json", b"1"),
        ('"datacontenttype":"text/plain"', "text/plain", None),
        ('"datacontenttype":"text/plain","data":"caf\\u00e9"', "text/plain", "café".encode()),
        (
            '"datacontenttype":"text/plain; charset=ISO-8859-1","data":"\\u00e9"',
            "text/plain; charset=ISO-8859-1",
            b"\xe9",
        ),
        ('"datacontenttype":"text/a;charset=\\"us-ascii\\"","data":"a"', 'text/a;charset="us-ascii"', b"a"),
        ('"dssematerial":"AA==","data":{"a":1}', None, b'{"a":1}'),
        ('"data":{ "x":1e400, "a":1, "a":2 }', "application/json", b'{ "x":1e400, "a":1, "a":2 }'),
        ('"data":123456789012345678901234567890', "application/json", b"123456789012345678901234567890"),
        ('"data":-0.0', "application/json", b"-0.0"),
        ('"data":' + "9" * 5000, "application/json", b"9" * 5000),
    ],
)  # fmt: skip
def test_data_is_read_as_its_type_says(rest: str, content_type: str | None, data: bytes | None) -> None:
    attributes, found = decode(rest)
    assert found == data
    assert attributes.get("datacontenttype") == content_type


@pytest.mark.parametrize(
    "content_type",
    [
        "APPLICATION/JSON",
        "model/gltf+json",
        "application/vnd.foo_bar+json",
        "application/json ;charset=utf-8",
        "text/json",
    ],
)
def test_json_goes_through_raw(content_type: str) -> None:
    data = b'{ "x":1e400,"y":"\xe2\x82\xac",  "a":1, "a":2 }'
    written = encode(data, datacontenttype=content_type)
    assert b'"data":' + data in written
    assert format_json.decode_parts(written)[1] == data


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("application/json", b"{bad"),
        ("application/json", b""),
        ("application/json", b'{"a":1}\n'),
        ("application/json", b" 1"),
        ("application/json", b"\xef\xbb\xbf1"),
        ("application/json", b'"\xff"'),
        ("application/json", b'"\xed\xa0\x80"'),
        ("application/json", b'"\\ud800"'),
        ("application/json", b"NaN"),
        ("application/json", b"1 2"),
        ("application/json", b"[" * 100_000 + b"]" * 100_000),
        ("application/json; charset=utf-16", '{"a":1}'.encode("utf-16")),
        ("application/json-seq", b"1"),
        ("application/x-ndjson", b"1"),
        ("application/jsonp", b"1"),
        ("application/geo+json-seq", b"1"),
        ("text/plain; charset=iso-8859-1", b"\xe9"),
        ("text/plain; charset=us-ascii", "é".encode()),
        ("text/plain", b"\xff"),
        ("image/png", b"ascii"),
        (None, b'{ "xyz": 123 }'),
        (None, b""),
    ],
)
def test_what_cannot_be_embedded_travels_as_base64(content_type: str | None, data: bytes) -> None:
    written = encode(data, **({"datacontenttype": content_type} if content_type else {}))
    assert json.loads(written)["data_base64"] == b64encode(data).decode()
    attributes, found = format_json.decode_parts(written)
    assert found == data
    assert attributes.get("datacontenttype") == content_type


@pytest.mark.parametrize(
    "content_type", ["text/plain", "TEXT/XML; Charset=UTF-8", "text/csv;charset=us-ascii"]
)
def test_text_is_a_string(content_type: str) -> None:
    written = encode(b'a "b"\n', datacontenttype=content_type)
    assert json.loads(written)["data"] == 'a "b"\n'
    assert format_json.decode_parts(written)[1] == b'a "b"\n'


def test_no_data_is_no_member() -> None:
    assert (
        json.loads(encode(None, datacontenttype="application/json"))
        .keys()
        .isdisjoint({"data", "data_base64"})
    )


def test_attributes_are_written_by_type() -> None:
    written = encode(None, sampledrate="10", deprecated="true", n="5", sig=b"\xfb\xff", severitynumber="x")
    members = json.loads(written)
    assert (
        members | {"sampledrate": 10, "deprecated": True, "n": "5", "sig": "+/8=", "severitynumber": "x"}
        == members
    )


def test_declared_types_are_used() -> None:
    attributes, _ = format_json.decode_parts(envelope('"n":"5","m":"5"'), {"n": "integer"})
    assert (attributes["n"], attributes["m"]) == (5, "5")


@pytest.mark.parametrize(
    ("rest", "place"),
    [
        ('"n":1.5', "'n'"),
        ('"n":1.0', "'n'"),
        ('"n":2147483648', "'n'"),
        ('"n":18446744073709551616', "'n'"),
        ('"n":' + "9" * 5000, "'n'"),
        ('"n":{}', "'n'"),
        ('"n":[1]', "'n'"),
        ('"n":1e400', "'n'"),
        ('"my_ext":1', "'my_ext'"),
        ('"MyExt":"x"', "'MyExt'"),
        ('"":"x"', "''"),
        ('"__proto__":{}', "'__proto__'"),
        ('"' + "k" * 10**6 + '_":1', "name"),
        ('"subject":""', "'subject'"),
        ('"subject":5', "'subject'"),
        ('"ext":"\\u0000"', "'ext'"),
        ('"ext":"\\ufdd0"', "'ext'"),
        ('"time":"2018-04-05T18:31Z"', "'time'"),
        ('"dataschema":"relative"', "'dataschema'"),
        ('"datacontenttype":"xyz"', "'datacontenttype'"),
        ('"data":1,"data_base64":"AA=="', "'data_base64'"),
        ('"data":null,"data_base64":"AA=="', "'data_base64'"),
        ('"data_base64":"A"', "'data_base64'"),
        ('"data_base64":"AA==\\n"', "'data_base64'"),
        ('"data_base64":5', "'data_base64'"),
        ('"datacontenttype":"text/plain","data":{}', "'data'"),
        ('"datacontenttype":"text/plain;charset=evil","data":"a"', "charset"),
        ('"datacontenttype":"text/plain;charset=idna","data":"a"', "charset"),
        ('"datacontenttype":"text/plain;charset=base64","data":"a"', "charset"),
        ('"datacontenttype":"text/plain;charset=us-ascii","data":"\\u00e9"', "charset"),
        ('"id":"2"', "'id'"),
        (' "id" : "1"', "twice (byte 54)"),
        ('"\\u0069d":"2"', "'id'"),
        ('"ext":1,"ext":1', "twice (byte 62)"),
        ('"data":1,"data":1', "twice"),
        ('"data":1, "data":12', "'data'"),
        ('"data":NaN', "byte"),
        ('"data":Infinity', "byte"),
        ('"data":01', "byte"),
        ('"data":"\\ud800"', "truncated"),
        (b'"data":"\xff"', "byte 63"),
        (b'"ext":"\xff"', "byte 62"),
        (b'"\xff":1', "byte"),
        (b'"data":' + b"[" * 200_000, "deep"),
        ('"data":1}x{"a":1', "byte"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_place(rest: str | bytes, place: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(rest)
    assert place in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"1", b"{}", b"{", b"\xef\xbb\xbf{}", b"\x00", b" { } "]
)
def test_what_is_no_envelope_is_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable):
        format_json.decode(data)


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_a_required_attribute_is_never_invented(name: str) -> None:
    with pytest.raises(Undecodable, match=name):
        format_json.decode(
            json.dumps({key: value for key, value in REQUIRED.items() if key != name}).encode()
        )


def test_white_space_and_escapes_in_the_envelope_are_no_duplicates() -> None:
    head = b'\n{ "\\u0069d" : "1",\t"source":"/s" , "type" : "t", "specversion":"1.0",\r\n'
    data = head + b'"data" : { "id": 1, "id": 2 } } '
    attributes, found = format_json.decode_parts(data)
    assert attributes["id"] == "1"
    assert found == b'{ "id": 1, "id": 2 }'


@pytest.mark.parametrize(
    "text",
    [
        "2018-04-05T17:31:00.123456789+02:00",
        "2016-12-31T23:59:60Z",
        "2018-04-05T17:31:00-00:00",
        "2018-04-05t17:31:00.000z",
    ],
)
def test_time_is_never_printed_again(text: str) -> None:
    event = format_json.decode(envelope(f'"time":"{text}"'))
    assert event.time == text
    assert f'"{text}"'.encode() in format_json.encode(event)


def test_the_transport_stays_with_the_event() -> None:
    transport = Transport(address="orders", key=b"k")
    event = format_json.decode(envelope('"data":1'), transport)
    assert event.transport is transport
    assert event.binding is None


def test_an_event_that_cannot_be_written_is_undecodable() -> None:
    with pytest.raises(Undecodable):
        encode(None, ext="\ud800")


def test_a_batch_is_read_and_written() -> None:
    events = [Event.new({**REQUIRED, "id": str(n)}, b"%d" % n) for n in range(3)]
    assert format_json.FORMAT.decode_batch(format_json.FORMAT.encode_batch(events)) == events
    assert format_json.FORMAT.decode_batch(b"[]") == []
    assert format_json.FORMAT.encode_batch([]) == b"[]"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"{}", "array"),
        (b"[" + envelope('"a":1') + b",{}]", "event 1"),
        (b"[1]", "event 0"),
        (b"[", "truncated"),
    ],
)
def test_a_batch_names_the_event_that_is_none(data: bytes, place: str) -> None:
    with pytest.raises(Undecodable, match=place):
        format_json.decode_batch(data)


OPTIONAL = ("time", "dataschema", "subject", "datacontenttype")
NAMES = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(lambda n: n != "data")
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1)
VALUES: st.SearchStrategy[Value] = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**31), 2**31 - 1), st.binary()
)
JSON_BYTES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
).map(lambda value: json.dumps(value, ensure_ascii=False).encode())
TYPES = st.sampled_from(
    [None, "application/json", "a/b+json", "text/plain", "text/plain;charset=us-ascii", "image/png"]
)


@given(
    st.dictionaries(NAMES.filter(lambda name: name not in OPTIONAL), VALUES),
    TYPES,
    st.none() | st.binary() | JSON_BYTES,
)
def test_any_event_comes_back(
    extensions: dict[str, Value], content_type: str | None, data: bytes | None
) -> None:
    attributes = {**extensions, **REQUIRED, **({"datacontenttype": content_type} if content_type else {})}
    found, body = format_json.decode_parts(format_json.encode(Event.new(attributes, data)))
    assert body == data
    assert {n: canonical(v) for n, v in found.items()} == {n: canonical(v) for n, v in attributes.items()}


@given(st.binary() | st.binary().map(envelope) | st.text().map(lambda text: json.dumps(text).encode()))
def test_any_bytes_are_an_event_or_undecodable(data: bytes) -> None:
    try:
        event = format_json.decode(data)
    except Undecodable:
        return
    assert format_json.decode(format_json.encode(event)) == event


def test_a_huge_event_costs_a_few_copies() -> None:
    data = b'"' + b"x" * 2**26 + b'"'
    started = time.process_time()
    tracemalloc.start()
    written = encode(data, datacontenttype="application/json")
    assert format_json.decode_parts(written)[1] == data
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**26
    assert time.process_time() - started < 5
