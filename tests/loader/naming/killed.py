"""A loader that is killed at a chosen look at the clock: `python -m tests.loader.naming.killed URL SENSOR CAPTURE MOMENT`."""

import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.settings import LoaderSettings
from pcapline.wiring import Purpose, lease_owner, opened_store
from schema.enums import FileState
from schema.records import DEFAULT_NETWORK
from schema.settings import StoreSettings

NEVER = 0  # a moment that does not come
_ROOT = Path(__file__).resolve().parents[3]


def load_until_killed(url: str, sensor: str, capture: Path, moment: int) -> int | None:
    """Load in a process of its own; how often that looked at the clock, None if it was killed."""
    command = [sys.executable, "-m", "tests.loader.naming.killed", url, sensor, str(capture), str(moment)]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return int(ended.stdout) if ended.returncode == 0 else None


def main(url: str, sensor: str, capture: str, moment: str) -> int:
    """Load, and be killed."""
    looks = count(1)

    def clock() -> float:
        if next(looks) == int(moment):
            os.kill(os.getpid(), signal.SIGKILL)
        return time.time()

    with opened_store(StoreSettings(url=url), Purpose.LOAD) as store:
        lease = store.take_sensor(sensor, DEFAULT_NETWORK, lease_owner(), int((time.time() + 60) * 1000))
        settings = LoaderSettings()
        outcome = SensorLoader(store, lease, settings, clock, Shared.of(store, settings, print)).load(Path(capture))
    print(next(looks) - 1)
    return int(outcome.state is not FileState.LOADED)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
