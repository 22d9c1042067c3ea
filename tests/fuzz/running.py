"""A range of numbers, each made into its input and checked: `python -m tests.fuzz.running JOB`, both told as JSON objects."""

import faulthandler
import json
import resource
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TypedDict

from loader.build import kernels_compiled
from tests.fuzz.checks import Decoded, check, features
from tests.fuzz.corpus import Corpus
from tests.fuzz.inputs import Input, make
from tests.fuzz.lines import Lines

# What would take more address space is ended by a MemoryError at the input that wants it.
MAX_SPACE = 4 << 30
# Far above what is measured; what grows without bound goes beyond it.
MAX_RESIDENT_MIB = 400
# Processor time of one input, all its readings together: kernels as Python are slower by a factor.
_BASE_S, _PER_BYTE_S, _UNCOMPILED = 1.0, 20e-6, 100


class Job(TypedDict):
    """What a process does. `progress`: a file that holds the number at work, for whoever finds the process dead."""

    first: int
    count: int
    bounds: str
    scratch: str
    progress: str
    lines: bool  # collect the decoder's lines that are run


class Failure(TypedDict):
    """An input that broke a rule."""

    number: int
    bounds: str
    told: str
    content: str  # hexadecimal


class Result(TypedDict):
    """What came of a job. `digest`: of all rows, equal in every build."""

    done: int
    failures: list[Failure]
    reached: dict[str, int]
    digest: int
    resident_mib: int
    slowest: list[float]  # nanoseconds a byte (and a thousand more bytes), number
    fingerprint: str
    compiled: bool
    lines: dict[str, list[int]]  # by file name


def run(job: Job) -> Result:
    """All inputs of the job."""
    corpus = Corpus()
    result = Result(
        done=0, failures=[], reached={}, digest=0, resident_mib=0, slowest=[0.0, 0],
        fingerprint=corpus.fingerprint(), compiled=kernels_compiled(), lines={},
    )  # fmt: skip
    lines = Lines()
    if job["lines"]:
        lines.begin()
    path = Path(job["scratch"]) / f"{job['first']}.capture"
    reached: Counter[str] = Counter()
    for number in _numbers(job):
        made = make(corpus, number)
        try:
            seen, took = _checked(made, path)
        except Exception:  # whatever it is, it is a finding
            told = traceback.format_exc()
            result["failures"].append(Failure(number=number, bounds=job["bounds"], told=told, content=made.content.hex()))
        else:
            reached.update(features(seen))
            result["digest"] = (result["digest"] + _digest(seen)) % (1 << 64)
            result["slowest"] = max(result["slowest"], [took / (1_000 + _octets(made, seen)) * 1e9, number])
        result["done"] += 1
    path.unlink(missing_ok=True)
    result["reached"], result["resident_mib"] = dict(reached), _resident_mib()
    result["lines"] = {name: sorted(numbers) for name, numbers in lines.run.items()}
    return result


def _numbers(job: Job) -> Iterator[int]:
    with Path(job["progress"]).open("wb", buffering=0) as progress:
        for number in range(job["first"], job["first"] + job["count"]):
            progress.seek(0)
            progress.write(struct.pack("<Q", number))
            yield number


def _checked(made: Input, path: Path) -> tuple[Decoded, float]:
    swallowed: list[str] = []
    sys.unraisablehook = lambda raised: swallowed.append(f"{raised.exc_value!r} in {raised.object!r}")
    began = time.process_time()
    seen = check(made, path)
    took = time.process_time() - began
    assert not swallowed, swallowed
    limit = (_BASE_S + _PER_BYTE_S * _octets(made, seen)) * (1 if kernels_compiled() else _UNCOMPILED)
    assert took <= limit, f"{took:.2f} s of processor time for {_octets(made, seen)} bytes"
    assert _resident_mib() <= MAX_RESIDENT_MIB, f"{_resident_mib()} MiB resident"
    return seen, took


def _octets(made: Input, seen: Decoded) -> int:
    return max(seen.content_bytes, len(made.content))


def _resident_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _digest(seen: Decoded) -> int:
    told = repr((seen.rows, seen.report, seen.error)).encode() + seen.carried
    return int.from_bytes(sha256(told).digest()[:8], "little")


def main() -> None:
    """The process of one job."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_SPACE, MAX_SPACE))
    sys.stdout.write(json.dumps(run(json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
