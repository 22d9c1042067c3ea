"""Messages from Kafka: an honest one is a reference, any other is refused with a reason, whatever its bytes are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.remote.addresses import parse_objects
from loader.remote.messages import reference_in
from loader.remote.port import Reference, RefusedError

ROOTS = [parse_objects("s3://captures/incoming"), parse_objects("file:///srv/captures/more")]
GOOD = {"sensor": "edge", "url": "s3://captures/incoming/edge/x.pcap"}


def read(value: object, key: bytes | None = b"edge") -> Reference:
    return reference_in(key, value if isinstance(value, bytes) else json.dumps(value).encode(), ROOTS, 7, "topic [0] offset 1")


def test_an_honest_message() -> None:
    reference = read(GOOD | {"size": 24, "etag": '"abc"', "more": [1]})
    assert (reference.root, reference.key) == ("s3://captures/incoming", "incoming/edge/x.pcap")
    assert (reference.sensor, reference.name, reference.size, reference.etag) == ("edge", "x.pcap", 24, '"abc"')
    assert read(GOOD | {"url": "file:///srv/captures/more/deep/er/y.pcap"}).key == "more/deep/er/y.pcap"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"{", "not_json"),
        (b"[" * 60_000, "not_json"),
        (b'{"a":' + b"1" * 5000 + b"}", "not_json"),
        (b"x" * 65_537, "bad_message"),
        ([], "bad_message"),
        ("text", "bad_message"),
        ({}, "bad_message"),
        ({"sensor": "edge"}, "bad_message"),
        ({"url": GOOD["url"]}, "bad_message"),
        (GOOD | {"sensor": 1}, "bad_message"),
        (GOOD | {"url": None}, "bad_message"),
        (GOOD | {"size": "1"}, "bad_message"),
        (GOOD | {"size": True}, "bad_message"),
        (GOOD | {"size": -1}, "bad_message"),
        (GOOD | {"size": 1e300}, "bad_message"),
        (GOOD | {"etag": 1}, "bad_message"),
        (GOOD | {"sensor": "other"}, "wrong_key"),
        (GOOD | {"sensor": "\ud800"}, "wrong_key"),
        (GOOD | {"url": "http://169.254.169.254/latest"}, "foreign_url"),
        (GOOD | {"url": "file:///etc/passwd"}, "foreign_url"),
        (GOOD | {"url": "s3://captures/incoming-not/x.pcap"}, "foreign_url"),
        (GOOD | {"url": "s3://others/incoming/x.pcap"}, "foreign_url"),
        (GOOD | {"url": "s3://captures/incoming/../secret/x.pcap"}, "bad_name"),
        (GOOD | {"url": "file:///srv/captures/more/../../../etc/passwd"}, "bad_name"),
        (GOOD | {"url": "s3://captures/incoming/"}, "bad_name"),
        (GOOD | {"url": "s3://captures/incoming/.x"}, "bad_name"),
        (GOOD | {"url": "s3://captures/incoming/" + "x" * 300}, "bad_name"),
    ],
)
def test_a_message_that_is_refused(value: object, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(value)
    assert refused.value.reason == reason


def test_the_key_is_the_sensor() -> None:
    for key in (None, b"", b"other", b"\xff"):
        with pytest.raises(RefusedError, match="key"):
            read(GOOD, key)
    with pytest.raises(RefusedError, match="sensor"):
        read(GOOD | {"sensor": "../edge"}, b"../edge")
    with pytest.raises(RefusedError, match="empty"):
        reference_in(b"edge", None, ROOTS, 1, "")


@given(st.one_of(st.none(), st.binary(max_size=200)), st.one_of(st.none(), st.binary(max_size=400)))
def test_any_bytes_are_a_reference_or_refused(key: bytes | None, value: bytes | None) -> None:
    try:
        reference_in(key, value, ROOTS, 1, "")
    except RefusedError as refused:
        assert refused.reason
