"""Made-up traffic at its own pace, handed over as a sensor does, until the service is stopped."""

import os
import sys
from pathlib import Path

from pcapline.demo import LIVE_SENSOR, make_live_traffic
from pcapline.signals import stop_on_signals


def main() -> int:
    """The exit code says which signal ended it."""
    captures = Path("/captures") / LIVE_SENSOR
    captures.mkdir(exist_ok=True)
    with stop_on_signals() as stop:
        make_live_traffic(captures, int(os.environ["SEED"]), float(os.environ["PACKETS_PER_SECOND"]), stop.event)
    return stop.exit_code


if __name__ == "__main__":
    sys.exit(main())
