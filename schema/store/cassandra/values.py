"""Values as they cross the store port and as CQL's wire has them: encoded column by column, without the driver's `bind`."""

import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

from cassandra.cqltypes import BytesType, DateType, InetAddressType, LongType, SimpleDateType, UUIDType
from cassandra.protocol import ProtocolHandler, ResultMessage
from cassandra.query import UNSET_VALUE

from schema.buckets import day_text
from schema.tables import Kind, RowBatch

_DAY_ZERO = 2**31  # `date` counts days from the middle of an unsigned 32-bit range
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG = struct.Struct(">q").pack
_INT = struct.Struct(">i").pack
_SHORT = struct.Struct(">h").pack
_UNSIGNED = struct.Struct(">I")


def _same(value: Any) -> Any:
    return value


def _flag(value: Any) -> bytes:
    return b"\x01" if value else b"\x00"


def _day(value: Any) -> bytes:
    return _UNSIGNED.pack(value + _DAY_ZERO)


ENCODERS: dict[Kind, Callable[[Any], bytes]] = {
    Kind.INET: _same,
    Kind.TEXT: str.encode,
    Kind.UUID: _same,
    Kind.INTEGER: _INT,
    Kind.BIGINT: _LONG,
    Kind.SMALLINT: _SHORT,
    Kind.TIMESTAMP: _LONG,
    Kind.DATE: _day,
    Kind.BOOLEAN: _flag,
}


def encode_long(value: int) -> bytes:
    """A `bigint` or `timestamp`."""
    return _LONG(value)


def encode_int(value: int) -> bytes:
    """An `int`."""
    return _INT(value)


def encoded_rows(batch: RowBatch) -> Iterator[tuple[Any, ...]]:
    """A batch's rows as the wire has them; an absent value is unset, because a null would be written as a tombstone."""
    columns = zip(batch.table.columns, batch.columns, strict=True)
    return zip(*(_encoded(ENCODERS[column.kind], values) for column, values in columns), strict=True)


def _encoded(encode: Callable[[Any], bytes], values: Sequence[Any]) -> list[Any]:
    return [UNSET_VALUE if value is None else encode(value) for value in values]


class _Day(SimpleDateType):  # type: ignore[misc]
    """A `date` as days since 1970-01-01. The underscore keeps it out of the driver's own registry of types."""

    @staticmethod
    def deserialize(data: bytes, _protocol: int) -> int:
        return int(_UNSIGNED.unpack(data)[0]) - _DAY_ZERO

    @staticmethod
    def serialize(days: int, _protocol: int) -> bytes:
        return _day(days)


_PORT_TYPES = {DateType: LongType, UUIDType: BytesType, InetAddressType: BytesType, SimpleDateType: _Day}


class _PortResults(ProtocolHandler.message_types_by_opcode[ResultMessage.opcode]):  # type: ignore[misc]
    """Results whose addresses and ids are bytes, whose times are milliseconds: as values cross the port."""

    type_codes = {code: _PORT_TYPES.get(kind, kind) for code, kind in ResultMessage.type_codes.items()}  # noqa: RUF012


class PortProtocol(ProtocolHandler):  # type: ignore[misc]
    """The driver's protocol with results as they cross the port."""

    message_types_by_opcode = {**ProtocolHandler.message_types_by_opcode, ResultMessage.opcode: _PortResults}  # noqa: RUF012


def with_port_types(prepared: Any) -> Any:
    """A prepared statement that takes and gives values as they cross the port: its answer passes by the session's protocol."""
    prepared.column_metadata = [column._replace(type=_port_type(column.type)) for column in prepared.column_metadata]
    prepared.result_metadata = [(*place, _port_type(kind)) for *place, kind in prepared.result_metadata or ()]
    return prepared


def _port_type(kind: Any) -> Any:
    return _PORT_TYPES.get(kind, kind)


def literal(kind: Kind, value: Any) -> str:
    """A value as a person would type it in cqlsh."""
    match kind:
        case Kind.INET:
            return f"'{inet_ntop(AF_INET if len(value) == 4 else AF_INET6, value)}'"
        case Kind.TEXT:
            return "'" + str(value).replace("'", "''") + "'"
        case Kind.DATE:
            return f"'{day_text(value)}'"
        case Kind.TIMESTAMP:
            return f"'{(_EPOCH + timedelta(milliseconds=value)).isoformat(timespec='milliseconds')}'"
        case _:
            return str(int(value))
