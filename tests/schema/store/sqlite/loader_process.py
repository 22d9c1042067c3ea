"""A loader of its own process: `loader_process.py STORE SENSOR CAPTURES` loads so many captures that nobody has loaded."""

import os
import sys
from pathlib import Path
from uuid import uuid4

from schema.store.sqlite import open_sqlite
from tests.schema.store.samples import load, now_ms, sample


def main(path: str, sensor: str, captures: str) -> None:
    store = open_sqlite(Path(path))
    store.apply_schema()
    lease = store.take_sensor(sensor, "office", f"host:{os.getpid()}:{uuid4().hex}", now_ms() + 600_000)
    for _ in range(int(captures)):
        load(lease, sample(uuid4().hex, flows=200))
        print("committed", flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
