"""An hour of traffic in which names are hard: the generator's own scenes, and beside them late answers, answers to others,
addresses that move, flows longer than any time-out, 5-tuples used again, DNS over TCP, handshakes."""

from collections.abc import Iterator
from itertools import groupby, takewhile
from pathlib import Path
from random import Random

from capture.frames import Tcp
from capture.pcap import file_header, record
from capture.traffic import TrafficPlan, generate
from tests.loader.naming.script import Call, Script

START_S = 1_795_003_200  # a full hour
HOUR_S, CAPTURES = 3_600, 360
_SECOND = 1_000_000_000
_CLIENTS = [f"10.9.0.{n}" for n in range(1, 13)]
_PACKETS = 20_000

Frames = list[tuple[int, bytes]]


def an_hour(seed: int = 7) -> Frames:
    """Times (Unix ns, rising) and frames."""
    rng, script = Random(seed), Script(START_S)
    for play in (_late, _moving, _of_others, _long, _used_again, _over_tcp, _said, _stale, _announced, _poisoned):
        for n in range(60):
            play(rng, script, n)
    plan = TrafficPlan(seed=seed, packets=None, start_ns=START_S * _SECOND, packets_per_second=_PACKETS / HOUR_S, clients=12)
    base = takewhile(_within, generate(plan))
    return sorted([*base, *filter(_within, script.frames())])


def _within(frame: tuple[int, bytes]) -> bool:
    return frame[0] < (START_S + HOUR_S) * _SECOND


def cut(frames: Frames, folder: Path, parts: int = CAPTURES) -> list[Path]:
    """Captures of equal length in time; one without packets is none."""
    length = HOUR_S * _SECOND // parts
    folder.mkdir()
    return [_written(folder / f"{n:03d}.pcap", part) for n, part in _parts(frames, length)]


def _parts(frames: Frames, length_ns: int) -> Iterator[tuple[int, Frames]]:
    for n, part in groupby(frames, lambda frame: (frame[0] - START_S * _SECOND) // length_ns):
        yield n, list(part)


def _written(path: Path, frames: Frames) -> Path:
    path.write_bytes(file_header() + b"".join(record(ts, frame) for ts, frame in frames))
    return path


def _address(kind: int, n: int) -> str:
    return f"198.18.{kind}.{n}"


def _late(rng: Random, script: Script, n: int) -> None:
    """Answers up to six minutes after the flow: in the same capture, in one of the next, too late."""
    at, client = rng.uniform(1, 3_000), rng.choice(_CLIENTS)
    script.call(at, client, _address(1, n), packets=rng.randint(1, 9), every=7)
    script.tell(at + rng.choice((2, 30, 100, 250, 299.9, 300.2, 350)), client, f"late-{n}.example", _address(1, n))


def _moving(rng: Random, script: Script, n: int) -> None:
    at, client, address = rng.uniform(1, 2_800), rng.choice(_CLIENTS), _address(2, n % 7)
    for k in range(4):
        script.tell(
            at + 100 * k, client, f"moved-{k}.example", address, ttl=rng.choice((5, 60, 3_600)), aliases=["edge.example"]
        )
        script.call(at + 100 * k + rng.uniform(0, 150), client, address, packets=3)


def _of_others(rng: Random, script: Script, n: int) -> None:
    at, (one, other) = rng.uniform(1, 3_000), rng.sample(_CLIENTS, 2)
    script.tell(at, one, f"shared-{n}.example", _address(3, n), ttl=60)
    script.call(at + rng.uniform(-20, 200), other, _address(3, n), packets=2)


def _long(rng: Random, script: Script, n: int) -> None:
    if n % 10:
        return
    client = rng.choice(_CLIENTS)
    script.tell(5 + n, client, f"long-{n}.example", _address(4, n), asked=bool(n % 20))
    script.call(6 + n, client, _address(4, n), packets=170, every=20)


def _used_again(rng: Random, script: Script, n: int) -> None:
    """The same 5-tuple three times: ended by FIN, by silence; another name for each."""
    at, client, address = rng.uniform(1, 2_800), rng.choice(_CLIENTS), _address(5, n)
    call = Call(client, 0)
    for k in range(3):
        begun = at + 150 * k
        script.tell(begun, client, f"again-{n}-{k}.example", address, ttl=100)
        call = call if call.port else script.call(begun + 1, client, address)
        script.go_on(begun + 2, call, address, Tcp.SYN)
        script.go_on(begun + 3, call, address)
        if k == 1:
            script.go_on(begun + 4, call, address, Tcp.FIN | Tcp.ACK)


def _over_tcp(rng: Random, script: Script, n: int) -> None:
    at, client = rng.uniform(1, 3_500), rng.choice(_CLIENTS)
    script.tell(at, client, f"tcp-{n}.example", _address(6, n), over_tcp=True)
    script.call(at + rng.uniform(0.1, 40), client, _address(6, n), packets=2)


def _said(rng: Random, script: Script, n: int) -> None:
    at, client = rng.uniform(10, 3_400), rng.choice(_CLIENTS)
    script.tell(at + rng.uniform(-5, 5), client, f"front-{n % 2}.example", _address(7, n))
    script.call(at, client, _address(7, n), sni=rng.choice((f"front-{n % 2}.example", "hidden.example")), packets=4, every=9)


def _stale(rng: Random, script: Script, n: int) -> None:
    at, client = rng.uniform(1, 2_000), rng.choice(_CLIENTS)
    script.tell(at, client, f"stale-{n}.example", _address(8, n), ttl=rng.choice((0, 1, 300)))
    for _ in range(3):
        script.call(at + rng.uniform(0, 1_200), client, _address(8, n))


def _announced(rng: Random, script: Script, n: int) -> None:
    script.announce(rng.uniform(1, 3_400), f"10.9.1.{n % 20}", f"device-{n % 20}.local", ttl=rng.choice((120, 900)))
    script.call(rng.uniform(1, 3_400), rng.choice(_CLIENTS), f"10.9.1.{n % 20}")


def _poisoned(rng: Random, script: Script, n: int) -> None:
    at, client, address = rng.uniform(20, 3_200), rng.choice(_CLIENTS), _address(9, n)
    script.call(at, client, address, packets=2)
    script.tell(at + rng.uniform(-15, 200), client, "evil.example", address, resolver="203.0.113.66", asked=False)
    script.tell(at + rng.uniform(-15, 200), client, f"true-{n}.example", address)
