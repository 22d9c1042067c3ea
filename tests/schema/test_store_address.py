"""The grammar of store addresses."""

import pytest

from schema.errors import SettingsError
from schema.store.address import CassandraAddress, SqliteAddress, parse_store_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("sqlite:pcapline.db", SqliteAddress("pcapline.db")),
        ("sqlite:/var/lib/a:b.db", SqliteAddress("/var/lib/a:b.db")),
        ("cassandra://127.0.0.1/pcapline", CassandraAddress(("127.0.0.1",), 9042, "pcapline")),
        ("cassandra://a.example,b-2:9142/k1", CassandraAddress(("a.example", "b-2"), 9142, "k1")),
        ("cassandra://[::1],[fd00::2]:9142/k", CassandraAddress(("::1", "fd00::2"), 9142, "k")),
    ],
)
def test_addresses(url: str, address: SqliteAddress | CassandraAddress) -> None:
    assert parse_store_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pcapline.db",
        "sqlite:",
        "cassandra:host/keyspace",
        "cassandra://host",
        "cassandra:///k",
        "cassandra://host:0/k",
        "cassandra://host:65536/k",
        "cassandra://host:x/k",
        "cassandra://host/Upper",
        "cassandra://host/1k",
        f"cassandra://host/{'k' * 49}",
        "postgres://host/k",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        parse_store_url(url)
