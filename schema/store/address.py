"""Where a store is: `sqlite:PATH` or `cassandra://HOST[,HOST...][:PORT]/KEYSPACE`, told apart without opening anything."""

import re
from dataclasses import dataclass

from schema.errors import SettingsError

CASSANDRA_PORT = 9042
_GRAMMAR = "sqlite:PATH or cassandra://HOST[,HOST...][:PORT]/KEYSPACE"
# Hosts are names, IPv4 addresses, or IPv6 addresses in brackets; a keyspace is a CQL identifier in lower case.
_CASSANDRA = re.compile(
    r"(?P<hosts>(?:\[[0-9a-fA-F:.]+\]|[\w.-]+)(?:,(?:\[[0-9a-fA-F:.]+\]|[\w.-]+))*)(?::(?P<port>\d+))?/(?P<keyspace>\w+)"
)
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """One file."""

    path: str


@dataclass(frozen=True, slots=True)
class CassandraAddress:
    """Contact points, their native-protocol port, and the keyspace."""

    hosts: tuple[str, ...]
    port: int
    keyspace: str


def parse_store_url(url: str) -> SqliteAddress | CassandraAddress:
    """Read a store's address; raises `SettingsError` with the grammar when it is none."""
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite" and rest:
        return SqliteAddress(rest)
    if scheme == "cassandra" and rest.startswith("//"):
        return _cassandra(url, rest.removeprefix("//"))
    raise SettingsError(f"{url!r} is not a store: expected {_GRAMMAR}")


def _cassandra(url: str, rest: str) -> CassandraAddress:
    found = _CASSANDRA.fullmatch(rest)
    if found is None:
        raise SettingsError(f"{url!r} is not a store: expected {_GRAMMAR}")
    port = int(found["port"] or CASSANDRA_PORT)
    if not 0 < port < 65_536:
        raise SettingsError(f"{url!r}: {port} is not a port")
    if _KEYSPACE.fullmatch(found["keyspace"]) is None:
        raise SettingsError(f"{url!r}: a keyspace is lower-case letters, digits and _, at most 48, beginning with a letter")
    hosts = tuple(host.strip("[]") for host in found["hosts"].split(","))
    return CassandraAddress(hosts, port, found["keyspace"])
