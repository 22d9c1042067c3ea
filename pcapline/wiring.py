"""Builds what commands run, top to bottom. The only importer of store adapters, and the only reader of the wall clock."""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schema.errors import SettingsError
from schema.settings import StoreSettings
from schema.store.address import CassandraAddress, SqliteAddress, parse_store_url
from schema.store.port import Store


def open_store(settings: StoreSettings, *, loads: bool = False, reads_only: bool = False) -> Store:
    """Open the store that the settings name; raises `StoreUnavailableError` with what to do.

    `loads`: the caller brings rows, so that an embedded store that lacks its schema is given it (a server's schema is applied
    by `pcapline schema apply` alone). `reads_only`: the caller writes nothing at all; the exporter writes its admissions.
    """
    address = parse_store_url(settings.url)
    if isinstance(address, SqliteAddress):
        return _open_sqlite(address, loads=loads, reads_only=reads_only)
    return _open_cassandra(address, settings)


def _open_sqlite(address: SqliteAddress, *, loads: bool, reads_only: bool) -> Store:
    from schema.store.sqlite import open_sqlite

    path = Path(address.path).expanduser()
    store = open_sqlite(path, time.time, read_only=reads_only)
    if loads:
        store.apply_schema()
    return store


def _open_cassandra(address: CassandraAddress, settings: StoreSettings) -> Store:
    try:
        from schema.store.cassandra import open_cassandra
        from schema.store.cassandra.options import CassandraOptions
    except ImportError as error:
        raise SettingsError(f"a Cassandra store needs its driver ({error}): pip install 'pcapline[cassandra]'") from error
    options = CassandraOptions(
        consistency=settings.consistency,
        replication=settings.replication,
        local_dc=settings.local_dc,
        username=settings.username,
        password_file=Path(settings.password_file) if settings.password_file else None,
        ca_file=Path(settings.ca_file) if settings.ca_file else None,
    )
    return open_cassandra(address.hosts, address.port, address.keyspace, clock=time.time, options=options)


@contextmanager
def opened_store(settings: StoreSettings, *, loads: bool = False, reads_only: bool = False) -> Iterator[Store]:
    """The same for the length of a block."""
    store = open_store(settings, loads=loads, reads_only=reads_only)
    try:
        yield store
    finally:
        store.close()


def store_kind(settings: StoreSettings) -> str:
    """`sqlite` or `cassandra`, as metrics name it."""
    return "sqlite" if isinstance(parse_store_url(settings.url), SqliteAddress) else "cassandra"


def lease_owner() -> str:
    """Who this process is to a lease: HOST:PID:RANDOM."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
