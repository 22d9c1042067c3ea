"""Where the fields of a frame are: a guess, good enough to know what to break. It never fails, whatever the bytes."""

from dataclasses import dataclass, field
from functools import lru_cache

_ETHERTYPES = {0x8100: 4, 0x88A8: 4, 0x9100: 4}
_EXTENSIONS = {0, 43, 44, 51, 60}
_TUNNEL_PORTS = {1701, 2152, 3544, 4789, 6081}
_HTTP = {b"GET ", b"POST", b"HEAD", b"PUT ", b"HTTP"}
_LINK_BYTES = {1: 14, 113: 16, 276: 20, 0: 4, 108: 4, 101: 0, 12: 0, 14: 0, 228: 0, 229: 0}


@dataclass(slots=True)
class Fields:
    """Of one frame. Offsets are -1 where there is no such thing."""

    places: list[tuple[int, int]] = field(default_factory=list)  # (offset, octets) of numbers worth a change
    link_end: int = 0  # where the network layer begins
    ip: int = -1
    transport: int = -1
    protocol: int = -1
    payload: int = -1
    kind: str = "no IP"

    def add(self, base: int, *pairs: tuple[int, int]) -> None:
        self.places += [(base + at, octets) for at, octets in pairs]


@lru_cache(maxsize=65_536)
def fields_of(link: int, frame: bytes) -> Fields:
    """The guess for one frame."""
    found = Fields()
    found.link_end = min(_LINK_BYTES.get(link, 14), len(frame))
    if link in (1, 113):
        _ethertypes(frame, found)
    elif link == 276:
        found.add(0, (0, 2))
    elif found.link_end:
        found.add(0, (0, 4))
    _network(frame, found)
    found.places = [(at, octets) for at, octets in found.places if at + octets <= len(frame)]
    return found


def _u16(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 2], "big")


def _ethertypes(frame: bytes, found: Fields) -> None:
    at = found.link_end - 2
    found.add(at, (0, 2))
    while skipped := _ETHERTYPES.get(_u16(frame, at)):
        at += skipped
        found.add(at, (0, 2), (-2, 2))
    found.link_end = at + 2


def _network(frame: bytes, found: Fields) -> None:
    at = found.link_end
    version = frame[at] >> 4 if at < len(frame) else 0
    if version == 4 and at + 20 <= len(frame):
        found.ip = at
        found.add(at, (0, 1), (2, 2), (4, 2), (6, 2), (9, 1), (12, 4), (16, 4))
        found.protocol, found.transport = frame[at + 9], at + (frame[at] & 15) * 4
        found.kind = "fragment" if _u16(frame, at + 6) & 0x3FFF else f"protocol {found.protocol}"
    elif version == 6 and at + 40 <= len(frame):
        found.ip = at
        found.add(at, (0, 1), (4, 2), (6, 1), (8, 2), (23, 1), (24, 2), (39, 1))
        found.protocol, found.transport = _extensions(frame, at + 40, frame[at + 6], found)
        found.kind = "fragment" if frame[at + 6] == 44 else f"protocol {found.protocol}"
    if found.transport >= 0:
        _transport(frame, found)


def _extensions(frame: bytes, at: int, protocol: int, found: Fields) -> tuple[int, int]:
    while protocol in _EXTENSIONS and at + 8 <= len(frame):
        found.add(at, (0, 1), (1, 1), (2, 2), (4, 4))
        octets = 8 if protocol == 44 else (frame[at + 1] + 2) * 4 if protocol == 51 else (frame[at + 1] + 1) * 8
        protocol, at = frame[at], at + octets
    return protocol, at


def _transport(frame: bytes, found: Fields) -> None:
    at = found.transport
    if found.protocol == 6 and at + 20 <= len(frame):
        found.add(at, (0, 2), (2, 2), (4, 4), (8, 4), (12, 1), (13, 1))
        found.payload = at + (frame[at + 12] >> 4) * 4
    elif found.protocol == 17 and at + 8 <= len(frame):
        found.add(at, (0, 2), (2, 2), (4, 2))
        found.payload = at + 8
    elif found.protocol in (1, 58):
        found.add(at, (0, 1), (1, 1))
        found.payload = at + 8
    elif found.protocol == 47:
        found.add(at, (0, 2), (2, 2), (4, 4))
        found.payload = at + 4
    if 0 <= found.payload < len(frame):
        _payload(frame, found)


def _payload(frame: bytes, found: Fields) -> None:
    at = found.payload
    ports = {_u16(frame, found.transport), _u16(frame, found.transport + 2)}
    if ports & {53, 5353, 5355}:
        found.kind += f" DNS {min(ports & {53, 5353, 5355})}"
        _dns(frame, at + (2 if found.protocol == 6 else 0), found)
    elif found.protocol == 17 and frame[at] & 0x80:
        found.kind += " QUIC" if 443 in ports else ""
        _quic(frame, at, found)
    elif found.protocol == 6 and frame[at] == 22:
        found.kind += " TLS"
        _tls(frame, at, found)
    else:
        found.kind += f" port {min(ports)}" if ports & _TUNNEL_PORTS else " HTTP" if frame[at : at + 4] in _HTTP else ""
        found.add(at, *((n, 1) for n in range(0, 16, 4)), (2, 2), (4, 4))


def _dns(frame: bytes, at: int, found: Fields) -> None:
    """Counts, flags, the length before a message over TCP; then whatever looks like a pointer, a label or a record's head."""
    found.add(at, (-2, 2), (0, 2), (2, 2), (4, 2), (6, 2), (8, 2), (10, 2))
    for n in range(at + 12, min(len(frame), at + 400)):
        if frame[n] >= 0xC0:
            found.add(n, (0, 2), (2, 2), (4, 2), (6, 4), (10, 2))
        elif 0 < frame[n] <= 8:
            found.add(n, (0, 1))


def _tls(frame: bytes, at: int, found: Fields) -> None:
    """Record, handshake, session id, cipher suites, compression methods, then the extensions one by one."""
    found.add(at, (0, 1), (1, 2), (3, 2), (5, 1), (6, 1), (7, 2), (9, 2), (43, 1))
    if at + 44 >= len(frame):
        return
    suites = at + 44 + frame[at + 43]
    methods = suites + 2 + _u16(frame, suites)
    found.add(suites, (0, 2))
    if methods >= len(frame):
        return
    extension = methods + 1 + frame[methods]
    found.add(extension, (-1, 1), (0, 2))
    extension += 2
    while extension + 4 <= len(frame) and len(found.places) < 400:
        found.add(extension, (0, 2), (2, 2), (4, 2), (6, 1), (7, 2))
        extension += 4 + _u16(frame, extension + 2)


def _quic(frame: bytes, at: int, found: Fields) -> None:
    """Long header: version, connection ids, token, length."""
    destination = frame[at + 5] if at + 5 < len(frame) else 0
    source_at = at + 6 + destination
    source = frame[source_at] if source_at < len(frame) else 0
    token = source_at + 1 + source
    found.add(at, (0, 1), (1, 4), (5, 1))
    found.add(source_at, (0, 1))
    found.add(token, (0, 1), (0, 2), (1, 1), (1, 2), (3, 1))
