"""What hosts do on a network: scenes of made-up traffic, each laid out whole as emissions in order of time."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random

from capture.dns_messages import Answer, RecordType, Response, query_tail, response_tail
from capture.emission import Emission, Flow, Lesson
from capture.frames import Dialogue, EtherType, Payload, Protocol, Tcp, arp_request, ethernet, igmp_report
from capture.hosts import Client, Hosts, Site

_MS = 1_000_000
_NS = 1_000_000_000
_DNS_PORT = 53
_NXDOMAIN = 3
_ZONE = "example.org"
_SOA = Answer(_ZONE, RecordType.SOA, 900, target=f"ns.{_ZONE} hostmaster.{_ZONE} 2026010100 7200 900 1209600 900")
_LLDP_MULTICAST = bytes.fromhex("0180c200000e")
_BROADCAST = b"\xff" * 6
_IGMP_MAC, _IGMP_GROUP = bytes.fromhex("01005e0000fb"), bytes((224, 0, 0, 251))
_CACHE_MARGIN_NS = 20 * _NS  # a name is asked for again so long before it expires: no flow starts on a stale one
_PING_PAUSE_NS = 150 * _NS  # pings of one pair are one flow unless they are further apart than the idle time-out


class Scene:
    """A moment that moves on, and everything that was sent until then."""

    def __init__(self, rng: Random, hosts: Hosts, payloads: Sequence[Payload], now_ns: int) -> None:
        self.rng, self.hosts, self.payloads, self.now_ns = rng, hosts, payloads, now_ns
        self.began_ns = now_ns
        self.emissions: list[Emission] = []

    def wait_ms(self, least: float, most: float) -> None:
        """Let time pass."""
        self.now_ns += int(self.rng.uniform(least, most) * _MS)

    def site(self) -> Site:
        """Somewhere to go: a few sites are visited most."""
        return self.rng.choices(self.hosts.sites, cum_weights=self.hosts.weights)[0]

    def stray(self, frame: bytes, reason: str) -> None:
        """A frame that is in no flow."""
        self.emissions.append(Emission(self.now_ns, frame, None, reason))


class Exchange:
    """One conversation of a scene."""

    def __init__(self, scene: Scene, client: Client, destination: bytes, destination_port: int, protocol: int) -> None:
        if protocol in (Protocol.ICMP, Protocol.ICMPV6):
            ports = (8, 0) if protocol == Protocol.ICMP else (128, 129)
        else:
            ports = (client.take_port(), destination_port)
        self.scene, self.ports = scene, ports
        self.dialogue = Dialogue(client.address, destination, client.outward, client.inward, scene.rng.getrandbits(16))
        self.flow = Flow(client.address, destination, *ports, protocol, scene.now_ns)
        self._numbers = {True: scene.rng.getrandbits(31), False: scene.rng.getrandbits(31)}

    def udp(self, forward: bool, payload: Payload, lesson: Lesson | None = None) -> None:
        """One datagram."""
        self._emit(forward, self.dialogue.udp(forward, self.ports, payload), lesson)

    def tcp(self, forward: bool, flags: Tcp, payload: Payload | None = None) -> None:
        """One segment; sequence numbers go on as they must (RFC 9293 3.4)."""
        content = payload or Payload(b"", 0)
        acknowledged = self._numbers[not forward] if flags & Tcp.ACK else 0
        numbers = (self._numbers[forward] & 0xFFFF_FFFF, acknowledged & 0xFFFF_FFFF)
        self._emit(forward, self.dialogue.tcp(forward, self.ports, flags, numbers, content))
        self._numbers[forward] += len(content.content) + (1 if flags & (Tcp.SYN | Tcp.FIN) else 0)

    def echo(self, forward: bool, identifier: int, sequence: int, payload: Payload) -> None:
        """One echo request or reply."""
        self._emit(forward, self.dialogue.echo(forward, identifier, sequence, payload))

    def _emit(self, forward: bool, packet: tuple[bytes, int], lesson: Lesson | None = None) -> None:
        frame, ip_length = packet
        self.scene.emissions.append(Emission(self.scene.now_ns, frame, self.flow, None, forward, ip_length, lesson))


def browse(scene: Scene, client: Client) -> None:
    """A name, then one to three TLS-like connections to one of its addresses."""
    address = _resolve(scene, client, scene.site())
    for _ in range(scene.rng.choice((1, 1, 2, 3))):
        _connection(scene, Exchange(scene, client, address, scene.rng.choice((443, 443, 443, 80)), Protocol.TCP))
        scene.now_ns -= scene.rng.randrange(1, 9) * _MS  # the next one opens as this one closes


def linger(scene: Scene, client: Client) -> None:
    """A connection with long pauses: it spans rotations."""
    exchange = Exchange(scene, client, _resolve(scene, client, scene.site()), 22, Protocol.TCP)
    _connection(scene, exchange, pause_ms=9_000)


def refused(scene: Scene, client: Client) -> None:
    """A SYN answered by a RST."""
    exchange = Exchange(scene, client, _resolve(scene, client, scene.site()), 8080, Protocol.TCP)
    exchange.tcp(True, Tcp.SYN)
    scene.wait_ms(3, 30)
    exchange.tcp(False, Tcp.RST | Tcp.ACK)


def call_by_address(scene: Scene, client: Client) -> None:
    """A connection to a server whose name nobody asked for; IPv6 clients have none and browse."""
    if client.is_ipv6:
        browse(scene, client)
    else:
        _connection(scene, Exchange(scene, client, scene.rng.choice(scene.hosts.nameless), 5671, Protocol.TCP))


def datagrams(scene: Scene, client: Client) -> None:
    """Two-way UDP on 443, more down than up."""
    exchange = Exchange(scene, client, _resolve(scene, client, scene.site()), 443, Protocol.UDP)
    for _ in range(scene.rng.randrange(2, 12)):
        exchange.udp(True, scene.payloads[scene.rng.randrange(4)])
        for _ in range(scene.rng.randrange(1, 4)):
            scene.wait_ms(1, 25)
            exchange.udp(False, scene.payloads[-1])
        scene.wait_ms(1, 400)


def ask_time(scene: Scene, client: Client) -> None:
    """One NTP-like question and answer."""
    exchange = Exchange(scene, client, _resolve(scene, client, scene.site()), 123, Protocol.UDP)
    exchange.udp(True, scene.payloads[1])
    scene.wait_ms(5, 60)
    exchange.udp(False, scene.payloads[1])


def ping(scene: Scene, client: Client) -> None:
    """Some echo requests and their replies; too soon after the last to the same host, it asks the time instead."""
    address = _resolve(scene, client, scene.site())
    if scene.now_ns - client.pinged_ns.get(address, -_PING_PAUSE_NS) < _PING_PAUSE_NS:
        ask_time(scene, client)
        return
    client.pinged_ns[address] = scene.now_ns
    protocol = Protocol.ICMPV6 if client.is_ipv6 else Protocol.ICMP
    exchange, identifier = Exchange(scene, client, address, 0, protocol), scene.rng.getrandbits(16)
    for sequence in range(1, scene.rng.randrange(2, 6)):
        exchange.echo(True, identifier, sequence, scene.payloads[1])
        scene.wait_ms(5, 60)
        exchange.echo(False, identifier, sequence, scene.payloads[1])
        scene.wait_ms(900, 1000)


def ask_in_vain(scene: Scene, client: Client) -> None:
    """A name that does not exist."""
    name = f"missing-{scene.rng.randrange(500)}.{_ZONE}"
    _ask(scene, client, Response(name, RecordType.A, _NXDOMAIN, (), (_SOA,)))


def stray_frame(scene: Scene, client: Client) -> None:
    """A frame that is in no flow: ARP mostly, LLDP, IGMP."""
    kind = scene.rng.randrange(10)
    if kind == 0:
        lldp = bytes.fromhex("0207040200000000010403050100060200780000").ljust(46, b"\0")
        scene.stray(ethernet(_LLDP_MULTICAST, client.mac, EtherType.LLDP) + lldp, "not_ip")
    elif kind == 1 and not client.is_ipv6:
        packet = igmp_report(client.address, _IGMP_GROUP)
        link = ethernet(_IGMP_MAC, client.mac, EtherType.IPV4, client.vlan)
        scene.stray(link + packet.ljust(46, b"\0"), "unsupported_ip_protocol")
    else:
        target = bytes((10, 0, 0, scene.rng.randrange(1, 255)))
        link = ethernet(_BROADCAST, client.mac, EtherType.ARP, client.vlan)
        scene.stray(link + arp_request(client.mac, client.address[-4:], target), "arp")


Play = Callable[[Scene, Client], None]
SCENES: tuple[Play, ...] = (
    browse, linger, refused, call_by_address, datagrams, ask_time, ping, ask_in_vain, stray_frame
)  # fmt: skip
SCENE_WEIGHTS = tuple(accumulate((46, 4, 3, 6, 10, 8, 6, 5, 12)))


def _connection(scene: Scene, exchange: Exchange, pause_ms: float = 300) -> None:
    """A whole TCP connection: handshake, requests and their answers, FIN from both sides."""
    exchange.tcp(True, Tcp.SYN)
    scene.wait_ms(4, 40)
    exchange.tcp(False, Tcp.SYN | Tcp.ACK)
    scene.wait_ms(0.05, 1)
    exchange.tcp(True, Tcp.ACK)
    for _ in range(scene.rng.randrange(1, 4)):
        exchange.tcp(True, Tcp.PSH | Tcp.ACK, scene.rng.choice(scene.payloads))
        scene.wait_ms(4, 60)
        for _ in range(scene.rng.choice((1, 1, 2, 3, 5, 8))):
            exchange.tcp(False, Tcp.PSH | Tcp.ACK, scene.rng.choice(scene.payloads))
            scene.wait_ms(0.02, 2)
        exchange.tcp(True, Tcp.ACK)
        scene.wait_ms(0.1, pause_ms)
    exchange.tcp(True, Tcp.FIN | Tcp.ACK)
    scene.wait_ms(4, 40)
    exchange.tcp(False, Tcp.FIN | Tcp.ACK)
    scene.wait_ms(0.05, 1)
    exchange.tcp(True, Tcp.ACK)


def _resolve(scene: Scene, client: Client, site: Site) -> bytes:
    """An address of the site, asked for where the client does not know it; time has then moved behind the answer."""
    known_from, known_until = client.names.get(site.name, (0, 0))
    if known_until < scene.now_ns + _CACHE_MARGIN_NS:
        qtype = RecordType.AAAA if client.is_ipv6 else RecordType.A
        _ask(scene, client, Response(site.name, qtype, 0, site.answers(qtype)))
        known_from, known_until = scene.now_ns, scene.now_ns + site.ttl * _NS
        client.names[site.name] = (known_from, known_until)
    scene.now_ns = max(scene.now_ns, known_from)
    scene.wait_ms(2, 12)
    return scene.rng.choice(site.addresses(client.is_ipv6))


def _ask(scene: Scene, client: Client, *responses: Response) -> None:
    """Questions and answers over one socket, as a resolver library does."""
    exchange = Exchange(scene, client, client.resolver, _DNS_PORT, Protocol.UDP)
    for response in responses:
        transaction_id = scene.rng.getrandbits(16)
        prefix = transaction_id.to_bytes(2, "big")
        exchange.udp(True, Payload.of(prefix + query_tail(response.qname, response.qtype)))
        scene.wait_ms(1, 30)
        lesson = Lesson(client.address, exchange.ports[0], client.resolver, transaction_id, response)
        exchange.udp(False, Payload.of(prefix + response_tail(response)), lesson)
        scene.wait_ms(0.1, 1)
