"""Values in a request's parameters: times, addresses, cursors."""

import base64
import binascii
import re
from calendar import timegm
from datetime import datetime
from typing import Annotated, Any

import msgspec

from exporter.api.problems import BAD_CURSOR, ProblemError, bad_parameter
from schema.store.lookup import parse_address

_NS = 1_000_000_000
_LARGEST = (1 << 63) - 1  # that stores keep
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)")
Seq = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]  # in a ledger
_TIMES = "give Unix nanoseconds (1780000000000000000) or RFC 3339 (2026-05-28T20:26:40Z; a + is written %2B in an address)"


def instant_ns(parameter: str, text: str | None) -> int | None:
    """Unix ns of a time as it was given; raises a problem for anything that is none, or lies before 1970 or after 2262."""
    if text is None:
        return None
    instant = int(text) if text.isascii() and text.isdecimal() else _rfc_3339_ns(text)
    if instant is None or not 0 <= instant <= _LARGEST:
        raise bad_parameter(parameter, f"{text!r} is no time between 1970 and 2262", _TIMES)
    return instant


def _rfc_3339_ns(text: str) -> int | None:
    found = _RFC_3339.fullmatch(text)
    if found is None:
        return None
    day, time, fraction, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{'+00:00' if offset in 'Zz' else offset}")
        return timegm(moment.utctimetuple()) * _NS + int((fraction or "").ljust(9, "0"))
    except (ValueError, OverflowError):
        return None


def address_of(parameter: str, text: str | None) -> bytes | None:
    """4 or 16 bytes; raises a problem for anything that is no address."""
    if text is None:
        return None
    address = parse_address(text)
    if address is None:
        raise bad_parameter(parameter, f"{text!r} is no address", "give one like 192.0.2.1 or 2001:db8::1")
    return address


def cursor_text(place: object) -> str:
    """A place as a client carries it."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def cursor_place(parameter: str, text: str, shape: Any) -> Any:
    """The place that `cursor_text` gave, of this type; raises a problem for what is none."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=shape)
    except (UnicodeError, binascii.Error, msgspec.DecodeError, RecursionError) as error:
        remedy = "give the `next` of an answer to the same question as it was, or leave it out to begin anew"
        raise ProblemError(BAD_CURSOR, f"{parameter} is not what an answer gave", remedy, parameter=parameter) from error
