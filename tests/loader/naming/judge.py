"""An independent judge of names: decision 13's table, written down a second time and the slow way, over facts from anywhere."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Address = IPv4Address | IPv6Address
SECOND = 1_000_000_000


class Fact(NamedTuple):
    """One address record. `capture` is any text that orders captures as their ids do."""

    start_ns: int
    capture: str
    frame: int
    hostname: str
    client: Address
    address: Address
    ttl_s: int
    asked: bool

    def runs(self, at_ns: int, grace_s: float) -> bool:
        return at_ns <= self.start_ns + self.ttl_s * SECOND + grace_s * SECOND


class Said(NamedTuple):
    """What a flow says of its destination."""

    name: str
    by: str


class Verdict(NamedTuple):
    """As `flows` has it."""

    hostname: str | None
    evidence: str
    conflict: bool


def _no_inventory(_: Address) -> str | None:
    return None


@dataclass
class Judge:
    """Says what a flow should be called."""

    facts: Iterable[Fact]
    grace_s: float
    late_s: float
    inventory: Callable[[Address], str | None] = _no_inventory
    _of_address: dict[Address, list[Fact]] = field(init=False)

    def __post_init__(self) -> None:
        self._of_address = defaultdict(list)
        for fact in sorted(self.facts, key=_order):
            self._of_address[fact.address].append(fact)

    def name(self, client: Address, address: Address, start_ns: int, said: Said | None = None) -> Verdict:
        own = [fact for fact in self._of_address[address] if fact.client == client or is_group(fact.client)]
        told_before = {fact.hostname for fact in own if fact.start_ns <= start_ns}
        if said is not None:
            return Verdict(said.name, said.by, bool(told_before) and said.name not in told_before)
        for hostname, evidence in self._witnesses(own, address, start_ns):
            if hostname is not None:
                return Verdict(hostname, evidence, False)
        return Verdict(None, "none", False)

    def _witnesses(self, own: list[Fact], address: Address, start_ns: int) -> Iterator[tuple[str | None, str]]:
        before = [fact for fact in own if fact.start_ns <= start_ns]
        running = [fact for fact in before if fact.runs(start_ns, self.grace_s)]
        late = [fact for fact in own if start_ns < fact.start_ns <= start_ns + self.late_s * SECOND]
        others = [fact for fact in self._of_address[address] if fact.start_ns <= start_ns]
        yield _of(max(running, key=_asked_newest, default=None)), "dns"
        yield _of(min(late, key=_asked_oldest, default=None)), "dns_late"
        yield self.inventory(address), "inventory"
        yield _of(max(before, key=_asked_newest, default=None)), "dns_stale"
        yield _of(max(others, key=_order, default=None)), "dns_other_client"


def is_group(address: Address) -> bool:
    """mDNS and LLMNR speak to groups: all who are there are told."""
    return address.is_multicast


def _of(fact: Fact | None) -> str | None:
    return None if fact is None else fact.hostname


def _order(fact: Fact) -> tuple[int, str, int, str]:
    return fact.start_ns, fact.capture, fact.frame, fact.hostname


def _asked_newest(fact: Fact) -> tuple[bool, tuple[int, str, int, str]]:
    return fact.asked, _order(fact)


def _asked_oldest(fact: Fact) -> tuple[bool, tuple[int, str, int, str]]:
    return not fact.asked, _order(fact)
