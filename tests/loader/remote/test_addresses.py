"""Which URLs name a source, and which objects may become files of a spool: what others write is hostile."""

import pytest

from loader.remote.addresses import (
    MAX_KEY,
    KafkaAddress,
    listed_place,
    parse_objects,
    parse_source,
    refuse_bad_key,
    refuse_bad_names,
)
from loader.remote.port import RefusedError
from schema.errors import SettingsError


def test_a_topic() -> None:
    assert parse_source("kafka://a:9092,b:9092/captures") == KafkaAddress("a:9092,b:9092", "captures")


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://captures/incoming", "s3://captures", "incoming"),
        ("s3://captures/a/b/", "s3://captures", "a/b"),
        ("gs://captures/incoming", "gs://captures", "incoming"),
        ("az://captures/incoming", "az://captures", "incoming"),
        ("file:///srv/captures/incoming", "file:///srv/captures", "incoming"),
    ],
)
def test_a_prefix_of_a_bucket(url: str, bucket: str, prefix: str) -> None:
    address = parse_objects(url)
    assert (address.bucket, address.prefix) == (bucket, prefix)
    assert address.key_of(f"{address.url}/edge/x.pcap") == f"{prefix}/edge/x.pcap"
    assert address.key_of(f"{address.url}-other/x.pcap") is None
    assert not address.place("archive", f"{prefix}/edge/x.pcap").startswith(prefix + "/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "captures",
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3://b/a//c",
        "s3://b/../c",
        "http://host/x",
        "kafka://",
        "kafka://h",
        "kafka://h/",
        "kafka://h/a/b",
        "file://",
        "memory:///x",
        "s3://b/\x00",
    ],
)
def test_what_names_no_source(url: str) -> None:
    with pytest.raises(SettingsError, match="give"):
        parse_source(url)


@pytest.mark.parametrize(
    ("below", "place"),
    [
        ("edge/x.pcap", ("edge", "x.pcap")),
        ("x.pcap", ("host", "x.pcap")),
        ("edge/.x", None),
        (".own/x", None),
        ("edge/x.part", None),
        ("edge/x.pcap.json", None),
        ("edge/ä b.pcap", ("edge", "ä b.pcap")),
    ],
)
def test_where_a_listed_object_goes(below: str, place: tuple[str, str] | None) -> None:
    assert listed_place(below, "host") == place


@pytest.mark.parametrize(
    ("below", "reason"),
    [
        ("edge/deep/x.pcap", "nested"),
        ("-edge/x.pcap", "bad_sensor"),
        ("a" * 65 + "/x", "bad_sensor"),
        ("standalone/x", "bad_sensor"),
        ("edge/" + "x" * 201, "bad_name"),
        ("edge/a\nb", "bad_name"),
        ("edge/a\x1b[2Jb", "bad_name"),
        ("edge/\u202ex", "bad_name"),
        ("a b/x.pcap", "bad_sensor"),
    ],
)
def test_a_listed_object_that_no_file_may_be(below: str, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        listed_place(below, "host")
    assert refused.value.reason == reason


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "x.part", "x.json", "\ud800"])
def test_a_name_that_no_file_may_have(name: str) -> None:
    with pytest.raises(RefusedError):
        refuse_bad_names("edge", name)


@pytest.mark.parametrize("key", ["in/../x", "in//x", "in/./x", "/x", "in/" + "x" * 1100, "in/x\x00"])
def test_a_key_that_no_object_may_have(key: str) -> None:
    with pytest.raises(RefusedError):
        refuse_bad_key(key)


def test_a_key_has_room_for_what_disposal_puts_behind_it() -> None:
    address = parse_objects("s3://captures/in")
    longest = "in/" + "x" * (MAX_KEY - 3)
    refuse_bad_key(longest)
    archived = f"{address.place('archive', longest)}.1700000000-{10**15}"
    assert max(len(archived), len(address.place("quarantine", longest))) <= 1024
    with pytest.raises(RefusedError):
        refuse_bad_key(longest + "x")
