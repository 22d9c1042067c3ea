"""What happens on a wire, told event by event, as a capture of the generator's frames."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from itertools import count, pairwise
from pathlib import Path
from typing import NamedTuple

from capture.frames import EMPTY, Dialogue, EtherType, Payload, Tcp, ethernet
from capture.pcap import file_header, record
from tests.loader.decode import dns_wire as dns
from tests.loader.decode.said_wire import hello, records, server_name

ALICE, BOB = "10.0.0.1", "10.0.0.2"
ALICE6 = "2001:db8::a"
RESOLVER, RESOLVER6, STRANGER = "10.0.0.53", "2001:db8::53", "203.0.113.66"
WEB, CDN = "198.51.100.80", "198.51.100.81"
WEB6 = "2001:db8:80::1"
MDNS_GROUP = "224.0.0.251"
SECOND = 1_000_000_000
_ASKED_S, _RESPONSE, _QUERY, _ANNOUNCED = 0.02, 0x8180, 0x0100, 0x8400
_GROUP_MAC = bytes.fromhex("01005e0000fb")

Name = str | Sequence[bytes]


class Call(NamedTuple):
    """A flow: what tells it from the others."""

    client: str
    port: int


def wire_name(name: Name) -> bytes:
    """A dotted text, or labels of any octets."""
    return dns.dotted(name) if isinstance(name, str) else dns.name(*name)


def chain_of(names: Sequence[Name], addresses: Sequence[str], ttl: int) -> list[bytes]:
    """Answers from the first name through its aliases to the last one's addresses."""
    links = [dns.record(wire_name(owner), dns.CNAME, wire_name(alias), ttl) for owner, alias in pairwise(names)]
    return links + [dns.address(wire_name(names[-1]), address, ttl) for address in addresses]


class Script:
    """Events at seconds after `start_s`; `write` puts them in order of time. One script may fill several captures."""

    def __init__(self, start_s: int) -> None:
        self._start_ns = start_s * SECOND
        self._frames: list[tuple[int, int, bytes]] = []
        self._ports, self._ids = count(20_000), count(1)
        self._after = -1

    def call(self, at: float, client: str, address: str, *, sni: str = "", packets: int = 1, every: float = 1.0) -> Call:
        """A TCP connection: SYN, then segments that far apart, the first with a ClientHello where `sni` is given."""
        call = Call(client, next(self._ports))
        self.go_on(at, call, address, Tcp.SYN)
        for n in range(packets):
            content = Payload.of(records(hello(server_name(sni.encode())))) if sni and not n else EMPTY
            self.go_on(at + 0.01 + n * every, call, address, Tcp.ACK, content)
        return call

    def go_on(self, at: float, call: Call, address: str, flags: Tcp = Tcp.ACK, content: Payload = EMPTY) -> None:
        """One more segment of the client's."""
        number = 0 if flags & Tcp.SYN else 1
        dialogue = _dialogue(call.client, address)
        self._emit(at, dialogue.tcp(True, (call.port, 443), flags, (number, 0), content))

    def tell(
        self,
        at: float,
        client: str,
        name: Name,
        *addresses: str,
        ttl: int = 300,
        resolver: str = "",
        aliases: Sequence[Name] = (),
        asked: bool = True,
        over_tcp: bool = False,
    ) -> None:
        """An answer that arrives `at`, and its query a moment before where it was `asked`."""
        question = dns.question(wire_name(name), dns.AAAA if ":" in addresses[0] else dns.A)
        txid = next(self._ids)
        query = dns.message(question, flags=_QUERY, txid=txid)
        answer = dns.message(question, chain_of([name, *aliases], addresses, ttl), flags=_RESPONSE, txid=txid)
        resolver = resolver or (RESOLVER6 if ":" in client else RESOLVER)
        send = self._over_tcp if over_tcp else self._over_udp
        send(at, _dialogue(client, resolver), query if asked else b"", answer)

    def announce(self, at: float, host: str, name: Name, *, ttl: int = 120) -> None:
        """An mDNS answer to the group: without a question (RFC 6762 6)."""
        answer = dns.message(b"", [dns.address(wire_name(name), host, ttl)], flags=_ANNOUNCED, txid=0)
        group = Dialogue(*map(_packed, (host, MDNS_GROUP)), ethernet(_GROUP_MAC, bytes(6), EtherType.IPV4), b"")
        self._emit(at, group.udp(True, (5353, 5353), Payload.of(answer)))

    def write(self, path: Path) -> Path:
        """Everything since the last file, in order of time."""
        path.write_bytes(file_header() + b"".join(record(ts, frame) for ts, _, frame in sorted(self._frames)))
        self._frames.clear()
        return path

    def frames(self) -> list[tuple[int, bytes]]:
        """The same as times and frames."""
        return [(ts, frame) for ts, _, frame in sorted(self._frames)]

    def _over_udp(self, at: float, dialogue: Dialogue, query: bytes, answer: bytes) -> None:
        ports = (next(self._ports), 53)
        if query:
            self._emit(at - _ASKED_S, dialogue.udp(True, ports, Payload.of(query)))
        self._emit(at, dialogue.udp(False, ports, Payload.of(answer)))

    def _over_tcp(self, at: float, dialogue: Dialogue, query: bytes, answer: bytes) -> None:
        ports = (next(self._ports), 53)
        numbers = [100, 500]
        steps: list[tuple[bool, Tcp, bytes]] = [(True, Tcp.SYN, b""), (False, Tcp.SYN | Tcp.ACK, b"")]
        steps += [(True, Tcp.PSH | Tcp.ACK, _framed(query)), (False, Tcp.PSH | Tcp.ACK, _framed(answer))]
        for n, (forward, flags, content) in enumerate(steps):
            pair = (numbers[not forward], numbers[forward])
            when = at - _ASKED_S * (len(steps) - 1 - n)
            self._emit(when, dialogue.tcp(forward, ports, flags, pair, Payload.of(content)))
            numbers[not forward] += len(content) + (1 if flags & Tcp.SYN else 0)

    def _emit(self, at: float, packet: tuple[bytes, int]) -> None:
        self._frames.append((self._start_ns + round(at * 1000) * (SECOND // 1000), len(self._frames), packet[0]))


def _framed(message: bytes) -> bytes:
    """RFC 1035 4.2.2."""
    return len(message).to_bytes(2, "big") + message


def _packed(text: str) -> bytes:
    return ip_address(text).packed


def _dialogue(client: str, server: str) -> Dialogue:
    kind = EtherType.IPV6 if ":" in client else EtherType.IPV4
    link: Callable[[], bytes] = lambda: ethernet(bytes(6), bytes(6), kind)  # noqa: E731
    return Dialogue(_packed(client), _packed(server), link(), link())
