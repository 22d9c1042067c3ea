"""What mutations begin with: the golden captures, made-up traffic, and the public captures where they are."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from random import Random

from capture.traffic import TrafficPlan, generate
from tests.fuzz.containers import Block, Packet, read_blocks, read_packets, write_pcap
from tests.fuzz.fields import fields_of
from tests.golden.make import CAPTURES
from tests.shared_captures import shared_captures

_MAX_BYTES = 262_144  # of one capture: what lies behind is not mutated
_MAX_PACKETS = 1_024
_LOOKED_AT = 200


@dataclass(frozen=True)
class Seed:
    """One capture."""

    name: str
    content: bytes

    @cached_property
    def packets(self) -> list[Packet]:
        return read_packets(self.content, _MAX_PACKETS)

    @cached_property
    def blocks(self) -> list[Block]:
        return read_blocks(self.content, _MAX_PACKETS)


def _traffic() -> list[Seed]:
    plans = [TrafficPlan(seed=seed, packets=300, packets_per_second=20.0) for seed in range(4)]
    made = [[Packet(ts, len(frame), 1, frame) for ts, frame in generate(plan)] for plan in plans]
    return [Seed(f"traffic-{n}", write_pcap(packets, 0xA1B23C4D)) for n, packets in enumerate(made)]


class Corpus:
    """All captures, and where in them the conversations are that are worth most: few packets of many are DNS or TLS."""

    def __init__(self) -> None:
        self.seeds = [Seed(name, content) for name, content in sorted(CAPTURES.items())] + _traffic()
        self.seeds += [Seed(path.name, path.read_bytes()[:_MAX_BYTES]) for path in shared_captures()]
        kinds: dict[str, list[tuple[Seed, int]]] = {}
        for seed in self.seeds:
            for at, packet in enumerate(seed.packets[:_LOOKED_AT]):
                kinds.setdefault(fields_of(packet.link, packet.frame).kind, []).append((seed, at))
        self._kinds = [kinds[kind] for kind in sorted(kinds)]

    def capture(self, rng: Random) -> Seed:
        """Any of them."""
        return rng.choice(self.seeds)

    def place(self, rng: Random) -> tuple[Seed, int]:
        """A capture and a packet in it: of a kind, each as often as the others, or any."""
        if rng.random() < 0.6:
            return rng.choice(rng.choice(self._kinds))
        seed = rng.choice(self.seeds)
        return seed, rng.randrange(len(seed.packets)) if len(seed.packets) > 8 else 0

    def fingerprint(self) -> str:
        """Two runs make the same inputs of the same numbers if this is equal."""
        digest = sha256()
        for seed in self.seeds:
            digest.update(sha256(seed.content).digest())
        return digest.hexdigest()[:16]
