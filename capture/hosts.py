"""Who talks in made-up traffic: clients of a private network, sites with names and addresses that nobody owns.

Names are under reserved domains (RFC 2606, RFC 6761), addresses from the documentation blocks (RFC 5737, RFC 3849);
clients live in 10/8 and 2001:db8:a::/48.
"""

from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from capture.dns_messages import Answer, RecordType
from capture.frames import EtherType, ethernet

_GATEWAY_MAC = bytes.fromhex("020000000001")
_SERVICES = ("www", "api", "cdn", "mail", "static", "login", "img", "git", "media", "updates", "1and1", "a-b", "a.b")
_DOMAINS = ("example.com", "example.net", "example.org", "shop.example", "video.example", "bank.example", "wiki.example",
            "a-name-of-more-than-forty-eight-characters.department.example", "play.test", "news.test")  # fmt: skip
_NETWORKS_V4 = (bytes((192, 0, 2)), bytes((198, 51, 100)), bytes((203, 0, 113)))
_NAMELESS_HOSTS = range(224, 255)  # of 203.0.113.0/24: no name ever leads there
_ZIPF = 1.1
_TTLS = (120, 300, 3600)


@dataclass(slots=True)
class Client:
    """One host of the private network; it has one address, and resolves names over it."""

    address: bytes
    resolver: bytes
    outward: bytes  # link headers, to and from the gateway
    inward: bytes
    mac: bytes
    vlan: int | None
    next_port: int
    names: dict[str, tuple[int, int]] = field(default_factory=dict)  # it knows them from, until (ns)
    pinged_ns: dict[bytes, int] = field(default_factory=dict)

    @property
    def is_ipv6(self) -> bool:
        """Which family it speaks."""
        return len(self.address) == 16

    def take_port(self) -> int:
        """The next ephemeral port (RFC 6335 6: 49152-65535); each comes round after 16,384 flows."""
        port = self.next_port
        self.next_port = 49_152 if port == 65_535 else port + 1
        return port


@dataclass(frozen=True, slots=True)
class Site:
    """A name that people visit, and what its DNS says."""

    name: str  # as it is typed: some mix case
    chain: tuple[str, ...]  # CNAME targets behind it, last one holds the addresses
    ipv4: tuple[bytes, ...]
    ipv6: tuple[bytes, ...]
    ttl: int

    def addresses(self, ipv6: bool) -> tuple[bytes, ...]:
        """Of one family."""
        return self.ipv6 if ipv6 else self.ipv4

    def answers(self, qtype: RecordType) -> tuple[Answer, ...]:
        """The answer section for A or AAAA."""
        owners = (self.name, *self.chain)
        hops = zip(owners, self.chain, strict=False)
        cnames = (Answer(owner, RecordType.CNAME, self.ttl, target=target) for owner, target in hops)
        found = self.addresses(qtype is RecordType.AAAA)
        return (*cnames, *(Answer(owners[-1], qtype, self.ttl, address=address) for address in found))


@dataclass(frozen=True, slots=True)
class Hosts:
    """Everybody. `weights` are cumulative: a few sites get most visits."""

    clients: tuple[Client, ...]
    sites: tuple[Site, ...]
    weights: tuple[float, ...]
    nameless: tuple[bytes, ...]  # servers that are called by address


def make_hosts(rng: Random, clients: int, servers: int) -> Hosts:
    """Draw a population: the same for the same state of `rng`."""
    sites = tuple(_site(rng, number) for number in range(servers))
    weights = tuple(accumulate(1 / (rank + 1) ** _ZIPF for rank in range(servers)))
    nameless = tuple(bytes((203, 0, 113, host)) for host in _NAMELESS_HOSTS)
    return Hosts(tuple(_client(rng, number) for number in range(clients)), sites, weights, nameless)


def _client(rng: Random, number: int) -> Client:
    """Every fifth speaks IPv6, every seventh sits behind a VLAN tag."""
    mac = b"\x02\x10" + (number + 1).to_bytes(4, "big")
    vlan = 20 if number % 7 == 6 else None
    host = number + 16
    if number % 5 == 4:
        network = bytes.fromhex("20010db8000a")
        address, resolver, kind = network + host.to_bytes(10, "big"), network + (53).to_bytes(10, "big"), EtherType.IPV6
    else:
        address, resolver, kind = b"\x0a" + host.to_bytes(3, "big"), bytes((10, 255, 0, 53)), EtherType.IPV4
    outward, inward = ethernet(_GATEWAY_MAC, mac, kind, vlan), ethernet(mac, _GATEWAY_MAC, kind, vlan)
    return Client(address, resolver, outward, inward, mac, vlan, rng.randrange(49_152, 65_536))


def _site(rng: Random, number: int) -> Site:
    """A third lead through CNAMEs, one in nine shares its first address with others, as sites of one CDN do."""
    service = _SERVICES[number % len(_SERVICES)]
    generation = number // (len(_SERVICES) * len(_DOMAINS))
    domain = _DOMAINS[number // len(_SERVICES) % len(_DOMAINS)]
    name = f"{service}{generation or ''}.{domain}"
    links = rng.choice((0, 0, 0, 0, 1, 2)) if number % 9 else 1
    chain = tuple(f"edge{link}-{number}.cdn.example" for link in range(links))
    ipv4 = tuple(_ipv4(number * 3 + offset) for offset in range(rng.choice((1, 1, 2, 3))))
    if number % 9 == 0:
        ipv4 = (bytes((203, 0, 113, 200 + number % 8)), *ipv4[1:])
    site_network = bytes.fromhex("20010db80100") + number.to_bytes(4, "big")
    ipv6 = tuple(site_network + (host + 1).to_bytes(6, "big") for host in range(rng.choice((1, 1, 2))))
    return Site(name.title() if number % 16 == 5 else name, chain, ipv4, ipv6, rng.choice(_TTLS))


def _ipv4(number: int) -> bytes:
    """Documentation addresses below .192, in turn; many sites share them."""
    host = number % (3 * 191)
    return _NETWORKS_V4[host // 191] + bytes((host % 191 + 1,))
