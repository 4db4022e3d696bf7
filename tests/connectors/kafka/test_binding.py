"""Golden records and round trips of the Kafka binding."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventspan import Event, Transport, Undecodable
from eventspan_connectors.kafka.binding import KafkaBinding, foreign, header_bytes

REQUIRED = [("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t"), ("ce_specversion", b"1.0")]
CORE = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0"}
JSON = b"application/cloudevents+json"


def read(headers: list[tuple[str, Any]], body: bytes | None = None, **options: Any) -> Event:
    return Event(Transport(headers=headers, body=body), KafkaBinding(**options))


def structured(members: str) -> Event:
    body = '{"id":"1","source":"/s","type":"t","specversion":"1.0"' + members + "}"
    return read([("content-type", JSON)], body.encode())


def test_reads_a_binary_record() -> None:
    event = read(
        [*REQUIRED, ("content-type", b"text/plain"), ("ce_subject", "é".encode()), ("other", b"x")], b"d"
    )
    assert event.attributes == {**CORE, "datacontenttype": "text/plain", "subject": "é"}
    assert event.data == b"d"


@pytest.mark.parametrize(
    "headers",
    [
        [("CE_ID", b"1"), ("Ce_Source", b"/s"), ("ce-type", b"t"), ("ce-specversion", b"1.0")],
        [*REQUIRED, ("ce_id", b"1")],
        [*REQUIRED, ("ce-id", b"1")],
        [*REQUIRED, ("ce_unset", None)],
    ],
    ids=["case and dashes", "the same twice", "two prefixes", "no value"],
)
def test_reads_liberally(headers: list[tuple[str, Any]]) -> None:
    assert read(headers).attributes == CORE


@pytest.mark.parametrize(
    "headers",
    [
        REQUIRED[1:],
        [("ce_id", b""), *REQUIRED[1:]],
        [*REQUIRED[:3], ("ce_specversion", b"0.9")],
        [*REQUIRED, ("ce_id", b"2")],
        [*REQUIRED, ("ce_my_ext", b"x")],
        [*REQUIRED, ("ce_data", b"x")],
        [*REQUIRED, ("ce_subject", b"\xff")],
        [*REQUIRED, ("ce_subject", b"a\nb")],
        [*REQUIRED, ("ce_subject", b"")],
        [*REQUIRED, ("ce_time", b"2018-04-05T18:31Z")],
        [*REQUIRED, ("content-type", b"xyz")],
        [*REQUIRED, ("content-type", b"application/cloudevents-batch+json")],
        [*REQUIRED, ("content-type", b"application/cloudevents+foo")],
    ],
)
def test_refuses(headers: list[tuple[str, Any]]) -> None:
    with pytest.raises(Undecodable):
        _ = read(headers).attributes


def test_extension_types_are_those_that_are_known() -> None:
    headers = [
        *REQUIRED,
        ("ce_sampledrate", b"10"),
        ("ce_deprecated", b"true"),
        ("ce_n", b"5"),
        ("ce_s", b"007"),
    ]
    event = read(headers)
    assert event.attributes == {**CORE, "sampledrate": 10, "deprecated": True, "n": "5", "s": "007"}
    assert KafkaBinding("binary").encode(event).headers == headers
    assert read(headers, types={"n": "integer"}).attributes["n"] == 5


@pytest.mark.parametrize(
    "time", ["2018-04-05T17:31:00.123456789+02:00", "2016-12-31T23:59:60Z", "2018-04-05t17:31:00.000z"]
)
def test_time_keeps_its_text(time: str) -> None:
    event = read([*REQUIRED, ("ce_time", time.encode())])
    assert event.time == time
    assert ("ce_time", time.encode()) in KafkaBinding().encode(event).headers


def test_percent_signs_stay() -> None:
    assert read([*REQUIRED, ("ce_subject", b"a%20b")]).subject == "a%20b"


def test_content_type_wins_over_its_attribute() -> None:
    for order in (1, -1):
        both = [("content-type", b"text/xml"), ("ce_datacontenttype", b"text/plain")][::order]
        assert read([*REQUIRED, *both]).datacontenttype == "text/xml"


def test_the_body_of_a_structured_record_wins() -> None:
    event = read([("Content-Type", b"Application/CloudEvents+JSON; Charset=UTF-8"), ("ce_id", b"A")],
                 b'{"id":"B","source":"/s","type":"t","specversion":"1.0"}')  # fmt: skip
    assert event.id == "B"


@pytest.mark.parametrize(
    ("members", "body"),
    [
        ("", None),
        (',"datacontenttype":"application/json","data":null', b"null"),
        (',"data_base64":""', b""),
        (',"data_base64":"eyAieHl6IjogMTIzIH0="', b'{ "xyz": 123 }'),
        (',"data":"I\'m just a string"', b'"I\'m just a string"'),
        (',"data":{ "x":1e400, "a":1, "a":2 }', b'{ "x":1e400, "a":1, "a":2 }'),
    ],
    ids=["tombstone", "null", "empty", "bytes", "string", "json"],
)
def test_data_comes_out_of_json_byte_for_byte(members: str, body: bytes | None) -> None:
    assert KafkaBinding("binary").encode(structured(members)).body == body


def test_a_tombstone_is_no_empty_value() -> None:
    for body in (None, b""):
        event = read(REQUIRED, body)
        back = Event(KafkaBinding("structured").encode(event), KafkaBinding())
        assert back.data == body


def test_text_that_is_no_form_of_its_type_stays_text() -> None:
    """A count with a leading zero harms nobody; taking its event for no event would."""
    odd = [
        ("ce_sampledrate", b"007"),
        ("ce_severitynumber", b"2147483648"),
        ("ce_deprecated", b"True"),
        ("ce_dssematerial", b"no base64"),
    ]
    wanted = {
        **CORE,
        "sampledrate": "007",
        "severitynumber": "2147483648",
        "deprecated": "True",
        "dssematerial": "no base64",
    }
    event = read([*REQUIRED, *odd])
    assert event.attributes == wanted
    assert KafkaBinding().encode(event).headers == [*REQUIRED, *odd]
    assert structured(',"sampledrate":"007"').attributes == {**CORE, "sampledrate": "007"}


def test_foreign_headers_go_along() -> None:
    event = Event.new(
        CORE, b"x", Transport(headers=[("n", 5), ("ce_old", b"x"), ("Content-Type", b"x"), ("b", b"\xff")])
    )
    assert list(KafkaBinding().encode(event).headers)[4:] == [("n", b"5"), ("b", b"\xff")]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None), (b"\x00", b"\x00"), ("é", "é".encode()), (True, b"true"), (1.5, b"1.5"),
        ({"a": [1, b"x"]}, b'{"a": [1, "x"]}'), (bytearray(b"x"), b"x"),
        (datetime(2020, 1, 2, tzinfo=UTC), b"2020-01-02T00:00:00+00:00"),
    ],
)  # fmt: skip
def test_headers_of_other_protocols_become_bytes(value: Any, written: bytes | None) -> None:
    assert header_bytes(value) == written


text = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=30)
names = st.from_regex(r"\Aext[a-z0-9]{1,17}\Z")
events = st.builds(
    lambda id, source, extra, data: Event.new({"id": id, "source": source, "type": "t", **extra}, data),
    text, text, st.dictionaries(names, text, max_size=4), st.none() | st.binary(max_size=40),
)  # fmt: skip


@given(events)
def test_binary_round_trip(event: Event) -> None:
    assert Event(KafkaBinding("binary").encode(event), KafkaBinding()) == event


@given(events)
def test_structured_round_trip(event: Event) -> None:
    assert Event(KafkaBinding("structured").encode(event), KafkaBinding()) == event


def test_a_record_of_another_protocol_keeps_its_content_type() -> None:
    other = Transport(headers=[("n", 1)], body=b"{", properties={"content_type": "application/json"})
    assert foreign(other) == [("n", b"1"), ("content-type", b"application/json")]
    other.headers = [("Content-Type", "text/plain")]
    assert foreign(other) == [("Content-Type", b"text/plain")]
