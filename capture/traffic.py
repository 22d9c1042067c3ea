"""Seeded traffic: look-ups and the flows that follow them, pings, names that do not exist, frames that are no flow.

Pure: a plan gives the same frames for ever. Scenes are laid out whole and merged by time, so memory holds only those under
way. Within a conversation no gap comes near the 60 s after which a flow counts as idle, and every TCP connection ends by
FIN or RST: which rows must come out is beyond doubt (`capture.truth`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from capture.emission import Emission
from capture.frames import Payload
from capture.hosts import make_hosts
from capture.scenes import SCENE_WEIGHTS, SCENES, Scene, stray_frame

_NS = 1_000_000_000
_PACKETS_PER_SCENE = 18.4  # on the average: only the pace depends on it
_PAYLOAD_SIZES = (31, 64, 180, 333, 517, 900, 1200, 1400)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPlan:
    """What to make. `packets` None: without end. `start_ns`: Unix ns before the first frame."""

    seed: int = 1
    packets: int | None = 10_000
    start_ns: int = 1_795_000_000 * _NS
    packets_per_second: float = 1_000.0  # on the average
    clients: int = 40
    servers: int = 200

    def __post_init__(self) -> None:
        if self.packets is not None and self.packets < 0:
            raise ValueError("packets must not be negative")
        if self.packets_per_second <= 0 or not 1 <= self.clients <= 50_000 or not 1 <= self.servers <= 50_000:
            raise ValueError("packets_per_second must be positive, clients and servers 1 to 50,000")


def generate(plan: TrafficPlan) -> Iterator[tuple[int, bytes]]:
    """Time (Unix ns, strictly rising) and bytes of each frame."""
    return ((emission.ts_ns, emission.frame) for emission in emissions(plan))


def emissions(plan: TrafficPlan) -> Iterator[Emission]:
    """The same frames, each with what it is."""
    last_ns = plan.start_ns
    for emission in _merged(plan):
        if emission.ts_ns <= last_ns:
            emission = emission._replace(ts_ns=last_ns + 1)  # two at one time: the later one waits
        last_ns = emission.ts_ns
        yield emission


def _merged(plan: TrafficPlan) -> Iterator[Emission]:
    """Emissions of all scenes, by time. A scene is begun before anything later than its beginning is given out."""
    due: list[tuple[int, int, Emission]] = []
    planned = 0
    for scene in _scenes(plan):
        while due and due[0][0] < scene.began_ns:
            yield heappop(due)[2]
        for emission in scene.emissions:
            planned += 1
            heappush(due, (emission.ts_ns, planned, emission))
    while due:
        yield heappop(due)[2]


def _scenes(plan: TrafficPlan) -> Iterator[Scene]:
    """Scenes in order of their beginnings; one too long for what is left of the plan gives way to stray frames."""
    rng = Random(plan.seed)
    hosts = make_hosts(rng, plan.clients, plan.servers)
    payloads = [Payload.of(rng.randbytes(size)) for size in _PAYLOAD_SIZES]
    rate = plan.packets_per_second / _PACKETS_PER_SCENE / _NS
    left, now_ns = plan.packets, plan.start_ns + 1
    while left is None or left > 0:
        scene = Scene(rng, hosts, payloads, now_ns)
        rng.choices(SCENES, cum_weights=SCENE_WEIGHTS)[0](scene, rng.choice(hosts.clients))
        if left is not None and len(scene.emissions) > left:
            scene = Scene(rng, hosts, payloads, now_ns)
            for _ in range(left):
                stray_frame(scene, rng.choice(hosts.clients))
        scene.emissions.sort(key=_time)
        yield scene
        left = None if left is None else left - len(scene.emissions)
        now_ns += int(rng.expovariate(rate))


def _time(emission: Emission) -> int:
    return emission.ts_ns
