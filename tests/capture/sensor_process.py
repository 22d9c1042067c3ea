"""A sensor as a process of its own: `sensor_process INTERFACE DIR ROTATE_S [BPF]`; its events as JSON lines."""

import json
import signal
import sys
import threading
from pathlib import Path

from capture.events import SensorEvent
from capture.sensor import run_sensor
from capture.settings import CaptureSettings
from capture.writing import Journal


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    interface, directory, rotate_s, bpf = (*sys.argv[1:4], (sys.argv[4:] or [""])[0])
    settings = CaptureSettings(sensor="probe", rotate_s=float(rotate_s), retry_s=0.1, retry_max_s=0.5)
    run_sensor(settings, interface, Path(directory), bpf or None, stop, Journal(tell))


def tell(event: SensorEvent) -> None:
    line = {"kind": event.kind, "detail": event.detail, "restarts": event.counts.restarts}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
