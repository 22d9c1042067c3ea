"""Values as they cross the store port, and how the driver is told to take and give them. Rows have an encoder of their own."""

import struct
from datetime import UTC, datetime, timedelta
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

from cassandra.cqltypes import BytesType, DateType, InetAddressType, LongType, SimpleDateType, UUIDType
from cassandra.protocol import ProtocolHandler, ResultMessage

from schema.buckets import day_text
from schema.store.cassandra.rows import RowsMessage
from schema.tables import Kind

_DAY_ZERO = 2**31  # `date` counts days from the middle of an unsigned 32-bit range
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNSIGNED = struct.Struct(">I")


def _day(value: Any) -> bytes:
    return _UNSIGNED.pack(value + _DAY_ZERO)


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
    """The driver's protocol with results as they cross the port, and with batches of rows that are encoded already."""

    message_types_by_opcode = {**ProtocolHandler.message_types_by_opcode, ResultMessage.opcode: _PortResults}  # noqa: RUF012

    @classmethod
    def encode_message(cls, message: Any, *frame: Any, **options: Any) -> bytes:
        """The bytes of one message, as the driver calls it."""
        return bytes(super().encode_message(RowsMessage.around(message), *frame, **options))


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
