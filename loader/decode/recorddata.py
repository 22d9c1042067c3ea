"""The data of a resource record as text, as master files write it (RFC 1035 5.1), names lower case without the last dot.

What the kernel has kept is of the form of its type: octets before the names, the names, octets behind them. Types whose form
is not known are written as RFC 3597 5 says, cut off after 64 octets.
"""

import base64
import struct
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address

from loader.decode.mnemonics import type_text

_Form = Callable[[bytes, str, str], str]
_ESCAPED = {octet: chr(octet) if 32 <= octet < 127 else f"\\{octet:03}" for octet in range(256)} | {34: '\\"', 92: "\\\\"}
_KEY_TEXT = ("mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp")


def data_text(kind: int, octets: bytes, first: str, second: str) -> str:
    """`octets`: of the data without its names; `first`, `second`: the names in it, empty where there is none."""
    return _FORMS.get(kind, _unknown)(octets, first, second)


def _unknown(octets: bytes, _first: str, _second: str) -> str:
    length, shown = int.from_bytes(octets[:2], "big"), octets[2:]
    more = "..." if length > len(shown) else ""
    return f"\\# {length} {shown.hex()}{more}".rstrip()


def _name(_octets: bytes, first: str, _second: str) -> str:
    return first


def _two_names(_octets: bytes, first: str, second: str) -> str:
    return f"{first} {second}"


def _numbers_and_name(octets: bytes, first: str, _second: str) -> str:
    """MX and its like, SRV: 16-bit numbers, then a name."""
    return " ".join([*map(str, struct.unpack(f">{len(octets) // 2}H", octets)), first])


def _start_of_authority(octets: bytes, first: str, second: str) -> str:
    return " ".join([first, second, *map(str, struct.unpack(">5I", octets))])


def _strings(octets: bytes, _first: str, _second: str) -> str:
    """Character-strings; data without any is one empty string (RFC 6763 6.1)."""
    parts, at = [], 0
    while at < len(octets):
        parts.append(_quoted(octets[at + 1 : at + 1 + octets[at]]))
        at += 1 + octets[at]
    return " ".join(parts) or '""'


def _authorization(octets: bytes, _first: str, _second: str) -> str:
    """CAA: flags, length of the tag, tag, value (RFC 8659 4.1)."""
    behind = 2 + octets[1]
    return f"{octets[0]} {_escaped(octets[2:behind])} {_quoted(octets[behind:])}"


def _next_secure(octets: bytes, first: str, _second: str) -> str:
    """NSEC: the next name, and the types at its own (RFC 4034 4.1.2)."""
    return " ".join([first, *map(type_text, _types(octets))])


def _types(octets: bytes) -> Iterator[int]:
    at = 0
    while at < len(octets):
        window, length = octets[at], octets[at + 1]
        for place, octet in enumerate(octets[at + 2 : at + 2 + length]):
            yield from (window * 256 + place * 8 + bit for bit in range(8) if octet & 128 >> bit)
        at += 2 + length


def _service(octets: bytes, first: str, _second: str) -> str:
    """SVCB and HTTPS: priority, target, parameters (RFC 9460 2)."""
    parts, at = [str(int.from_bytes(octets[:2], "big")), first], 2
    while at < len(octets):
        key, length = struct.unpack_from(">HH", octets, at)
        parts.append(_parameter(key, octets[at + 4 : at + 4 + length]))
        at += 4 + length
    return " ".join(parts)


def _parameter(key: int, value: bytes) -> str:
    name = _key_text(key)
    text = _VALUES[key](value) if key in _VALUES else None
    if text is None:  # a key without a form of its own, or a value that is not of it
        text = _quoted(value)
    return f"{name}={text}" if value else name


def _key_text(key: int) -> str:
    return _KEY_TEXT[key] if key < len(_KEY_TEXT) else f"key{key}"


def _keys(value: bytes) -> str | None:
    numbers = [int.from_bytes(value[at : at + 2], "big") for at in range(0, len(value), 2)]
    return ",".join(map(_key_text, numbers)) if len(value) % 2 == 0 and numbers == sorted(set(numbers)) else None


def _protocols(value: bytes) -> str | None:
    parts, at = [], 0
    while at < len(value):
        part = value[at + 1 : at + 1 + value[at]]
        if len(part) < value[at]:
            return None
        parts.append(part.replace(b"\\", b"\\\\").replace(b",", b"\\,"))
        at += 1 + value[at]
    return _quoted(b",".join(parts))


def _port(value: bytes) -> str | None:
    return str(int.from_bytes(value, "big")) if len(value) == 2 else None


def _addresses(value: bytes, size: int, make: Callable[[bytes], object]) -> str | None:
    if len(value) % size:
        return None
    return ",".join(str(make(value[at : at + size])) for at in range(0, len(value), size))


_VALUES: dict[int, Callable[[bytes], str | None]] = {
    0: _keys,
    1: _protocols,
    3: _port,
    4: lambda value: _addresses(value, 4, IPv4Address),
    5: lambda value: base64.b64encode(value).decode("ascii"),
    6: lambda value: _addresses(value, 16, IPv6Address),
}


def _quoted(octets: bytes) -> str:
    return f'"{_escaped(octets)}"'


def _escaped(octets: bytes) -> str:
    return "".join(map(_ESCAPED.__getitem__, octets))


_FORMS: dict[int, _Form] = {
    **dict.fromkeys((2, 3, 4, 5, 7, 8, 9, 12, 39), _name),
    **dict.fromkeys((14, 17), _two_names),
    **dict.fromkeys((15, 18, 21, 33, 36), _numbers_and_name),
    **dict.fromkeys((13, 16, 99), _strings),
    **dict.fromkeys((64, 65), _service),
    6: _start_of_authority,
    47: _next_secure,
    257: _authorization,
}
