"""The fuzzer's command: hands ranges of numbers to worker processes, looks after them, and tells what came of it."""

import argparse
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import get_args

from tests.builds import Bounds, Build, environment, tree
from tests.fuzz.corpus import Corpus
from tests.fuzz.inputs import make
from tests.fuzz.lines import never_run
from tests.fuzz.running import Failure, Job, Result

# Nothing takes so long: what does is a hang, and is ended with a traceback.
_HANG_S = 120.0
_PER_PROCESS = {"release": 20_000, "checked": 20_000, "plain": 1_000}


def jobs(build: Build, first: int, count: int, bounds: Bounds | None, folder: str, *, lines: bool) -> Iterator[Job]:
    """Ranges; unless told, every second one has the small bounds."""
    size = min(_PER_PROCESS[build], max(count // 2, 1))
    which = cycle([bounds] if bounds else get_args(Bounds))
    for at in range(first, first + count, size):
        yield Job(
            first=at, count=min(size, first + count - at), bounds=next(which), scratch=folder,
            progress=f"{folder}/{at}.progress", lines=lines,
        )  # fmt: skip


def run_job(job: Job, root: Path) -> list[Result]:
    """A process for the job; where it dies or hangs, the input is a failure and another process goes on behind it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.running", json.dumps(job)],
        cwd=root, env=environment(root), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    told, errors = _watched(process, Path(job["progress"]))
    if process.returncode == 0:
        result: Result = json.loads(told)
        return [result]
    number = _at(Path(job["progress"]))
    if number < job["first"]:
        raise RuntimeError(f"a worker ended before its first input: {errors}")
    content = make(Corpus(), number).content.hex()
    dead = Failure(number=number, bounds=job["bounds"], told=f"exit {process.returncode}\n{errors}", content=content)
    lost = Result(
        done=1, failures=[dead], reached={}, digest=0, resident_mib=0, slowest=[0.0, 0], fingerprint="", compiled=True, lines={}
    )
    left = job["first"] + job["count"] - number - 1
    rest = Job(**{**job, "first": number + 1, "count": left})  # type: ignore[typeddict-item]
    return [lost, *(run_job(rest, root) if left else [])]


def _watched(process: "subprocess.Popen[str]", progress: Path) -> tuple[str, str]:
    number, since = -1, time.monotonic()
    while True:
        try:
            return process.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            if _at(progress) != number:
                number, since = _at(progress), time.monotonic()
            elif time.monotonic() - since > _HANG_S:
                process.send_signal(signal.SIGABRT)


def _at(progress: Path) -> int:
    content = progress.read_bytes() if progress.exists() else b""
    number: int = struct.unpack("<Q", content)[0] if len(content) == 8 else -1
    return number


def summed(results: list[Result]) -> Result:
    """Of all processes."""
    reached: Counter[str] = Counter()
    lines: dict[str, set[int]] = defaultdict(set)
    for result in results:
        reached.update(result["reached"])
        for name, numbers in result["lines"].items():
            lines[name].update(numbers)
    return Result(
        done=sum(result["done"] for result in results),
        failures=[failure for result in results for failure in result["failures"]],
        reached=dict(sorted(reached.items())),
        digest=sum(result["digest"] for result in results) % (1 << 64),
        resident_mib=max(result["resident_mib"] for result in results),
        slowest=max(result["slowest"] for result in results),
        fingerprint=results[0]["fingerprint"],
        compiled=results[0]["compiled"],
        lines={name: sorted(numbers) for name, numbers in lines.items()},
    )


def fuzz(
    build: Build,
    first: int,
    count: int,
    *,
    workers: int = 1,
    bounds: Bounds | None = None,
    lines: bool = False,
) -> Result:
    """Inputs first, first + 1, ... in one build."""
    roots = {each: tree(build, each) for each in ([bounds] if bounds else get_args(Bounds))}
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with ThreadPoolExecutor(workers) as pool, tempfile.TemporaryDirectory(prefix="pcapline-fuzz-", dir=memory) as folder:
        wanted = jobs(build, first, count, bounds, folder, lines=lines)
        found = pool.map(lambda job: run_job(job, roots[job["bounds"]]), wanted)
        return summed([result for results in found for result in results])


def keep(failures: list[Failure], folder: Path, build: Build) -> None:
    """Each failing input, with what was said of it and how to try it again."""
    folder.mkdir(parents=True, exist_ok=True)
    for failure in failures:
        name = f"{failure['number']}-{build}-{failure['bounds']}"
        (folder / f"{name}.capture").write_bytes(bytes.fromhex(failure["content"]))
        again = f"python -m tests.fuzz --build {build} --bounds {failure['bounds']} --seed {failure['number']} --inputs 1"
        (folder / f"{name}.txt").write_text(f"{again}\n\n{failure['told']}")


def main() -> int:
    """Exit 1 if any input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--build", choices=get_args(Build), default="checked")
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--bounds", choices=get_args(Bounds), help="default: in turn")
    parser.add_argument("--failures", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--lines", action="store_true", help="tell which lines of the decoder were never run (build plain)")
    given = parser.parse_args()
    began = time.monotonic()
    total = fuzz(given.build, given.seed, given.inputs, workers=given.jobs, bounds=given.bounds, lines=given.lines)
    took = time.monotonic() - began
    keep(total["failures"], given.failures, given.build)
    for name, count in total["reached"].items():
        sys.stdout.write(f"{count:>9,}  {name}\n")
    if given.lines:
        run = {name: set(numbers) for name, numbers in total["lines"].items()}
        sys.stdout.writelines(f"{line}\n" for line in never_run(run, tree(given.build)))
    pace = total["done"] / took / given.jobs
    sys.stdout.write(
        f"{given.build}: {total['done']:,} inputs in {took:.0f} s, {pace:,.0f} a second and process; "
        f"{len(total['failures'])} failures; {total['resident_mib']} MiB at most; slowest {total['slowest'][0]:,.0f} ns a byte "
        f"(input {total['slowest'][1]}); rows {total['digest']:016x}; captures {total['fingerprint']}\n"
    )
    return 1 if total["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
