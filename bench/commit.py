"""What one commit of many endpoints takes: `python -m bench.commit [--store URL] [--endpoints N] [--rounds N]`.

Captures of one flow row an endpoint are committed through the store port. Without `--store` an SQLite file of its own. Prints
one JSON object: milliseconds from the last row's acknowledgement to the commit's, as a median of the rounds and at most, where
the ledger has none of the endpoints yet, where its holder wrote their totals itself, and where it has just taken the lease.
"""

import argparse
from functools import partial
from pathlib import Path
from statistics import median

from bench.filled import Filler
from bench.watched import measured
from pcapline.wiring import Purpose, opened_store
from schema.settings import StoreSettings


def main() -> None:
    """Measure and print."""
    given = _arguments()
    measured("commit", given.store, partial(_measure, given))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.commit", description=__doc__)
    parser.add_argument("--store", metavar="URL", help="with its schema applied, and no sensor `bench` in it")
    parser.add_argument("--endpoints", type=int, default=10_000, metavar="N", help="in each commit (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each kind (default %(default)s)")
    return parser.parse_args()


def _measure(given: argparse.Namespace, _directory: Path, store: str) -> dict[str, object]:
    with opened_store(StoreSettings(url=store), Purpose.LOAD) as opened:
        filler, count, rounds = Filler(opened, lambda _: None), given.endpoints, range(given.rounds)
        kinds = {
            "new": [filler.commit(range(number * count, (number + 1) * count), count) for number in rounds],
            "remembered": [filler.commit(range(count), count) for _ in rounds],
            "lease_just_taken": [filler.again().commit(range(count), count) for _ in rounds],
        }
    told: dict[str, object] = {"endpoints": count, "rounds": given.rounds}
    for kind, seconds in kinds.items():
        told |= {f"{kind}_ms": round(median(seconds) * 1000, 1), f"{kind}_most_ms": round(max(seconds) * 1000, 1)}
    return told


if __name__ == "__main__":
    main()
