"""Builds what commands run, top to bottom. The only importer of store adapters, and the only reader of the wall clock."""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from schema.errors import SettingsError, StoreUnavailableError
from schema.settings import StoreSettings
from schema.store.address import CassandraAddress, SqliteAddress, parse_store_url
from schema.store.writing import Store

if TYPE_CHECKING:
    from schema.store.sqlite.integrity import Integrity


class Purpose(Enum):
    """What a command wants of a store. Only the last two make an embedded store that is not there."""

    READ = "read"  # nothing is written
    REPAIR = "repair"  # rows of what is loaded
    FOLLOW = "follow"  # read, but for the exporter's own admissions
    APPLY = "apply"  # the tables are made
    LOAD = "load"  # rows are brought: an embedded store is given its tables, a server by `pcapline schema apply` alone


def open_store(settings: StoreSettings, purpose: Purpose) -> Store:
    """Open the store that the settings name; raises `StoreUnavailableError` with what to do, `SettingsError` for what can
    never be a store."""
    address = parse_store_url(settings.url)
    if isinstance(address, SqliteAddress):
        return _open_sqlite(address, purpose)
    return _open_cassandra(address, settings)


def refuse_impossible_store(settings: StoreSettings) -> None:
    """Raise `SettingsError` or `PermissionDeniedError` where waiting would not help; an absent store may yet come."""
    address = parse_store_url(settings.url)
    if isinstance(address, SqliteAddress):
        with suppress(StoreUnavailableError), closing(_open_sqlite(address, Purpose.READ)) as store:
            store.health()


def _open_sqlite(address: SqliteAddress, purpose: Purpose) -> Store:
    from schema.store.sqlite import open_sqlite

    path = Path(address.path).expanduser()
    makes = purpose in (Purpose.APPLY, Purpose.LOAD)
    store = open_sqlite(path, time.time, read_only=purpose is Purpose.READ, create=makes)
    if purpose is Purpose.LOAD:
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
def opened_store(settings: StoreSettings, purpose: Purpose) -> Iterator[Store]:
    """The same for the length of a block."""
    store = open_store(settings, purpose)
    try:
        yield store
    finally:
        store.close()


def store_kind(settings: StoreSettings) -> str:
    """`sqlite` or `cassandra`, as metrics name it."""
    return "sqlite" if isinstance(parse_store_url(settings.url), SqliteAddress) else "cassandra"


def store_files(settings: StoreSettings) -> tuple[Path, ...]:
    """The files that an embedded store is made of, whether they are there or not; a server has none here."""
    address = parse_store_url(settings.url)
    if not isinstance(address, SqliteAddress):
        return ()
    path = Path(address.path).expanduser().resolve()
    return (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")))


def store_damage(settings: StoreSettings) -> "Integrity | None":
    """What a whole reading of an embedded store finds; None of a server. Raises `StoreError`."""
    address = parse_store_url(settings.url)
    if not isinstance(address, SqliteAddress):
        return None
    from schema.store.sqlite.integrity import check_integrity

    return check_integrity(Path(address.path).expanduser())


def lease_owner() -> str:
    """Who this process is to a lease: HOST:PID:RANDOM."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
