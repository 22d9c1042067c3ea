from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loader.spool.ordering import in_order
from loader.spool.queues import Queues


@dataclass(eq=False)
class File:
    path: Path
    sensor: str
    sequence: int | None
    first_ts_ns: int | None = None

    def ready_at(self, now: float) -> float | None:
        return now


SENSORS = ("edge", "office")
STEPS = st.lists(st.tuples(st.sampled_from(["add", "drop", "retime", "look"]), st.integers(0, 9), st.integers(0, 50)))


@given(st.lists(st.one_of(st.none(), st.integers(0, 20)), min_size=10, max_size=10), STEPS)
def test_queues_are_what_waits_in_its_order_whatever_comes_and_goes(sequences, steps):
    files = [File(Path(f"f{n}"), SENSORS[n % 2], sequence) for n, sequence in enumerate(sequences)]
    queues, waiting = Queues[File](), set[File]()
    for what, which, moment in steps:
        file = files[which]
        if what == "add":
            queues.add(file)
            waiting.add(file)
        elif what == "drop":
            queues.drop(file)
            waiting.discard(file)
        elif what == "retime":
            queues.drop(file)
            file.first_ts_ns = moment
            queues.add(file)
            waiting.add(file)
        else:
            assert queues.sensors() == sorted({file.sensor for file in waiting})
        for sensor in SENSORS:
            assert list(queues.of(sensor)) == in_order(file for file in waiting if file.sensor == sensor)
        assert set(queues.files()) == waiting
