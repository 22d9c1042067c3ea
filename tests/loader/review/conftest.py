"""A desk in each store."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from capture.traffic import TrafficPlan, generate
from schema.store.sqlite import open_sqlite
from tests.loader.commit.test_pipeline import cut
from tests.loader.review.desk import PARTS, Desk


@pytest.fixture(params=["sqlite", "cassandra"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    frames = list(generate(TrafficPlan(seed=18, packets=800, packets_per_second=50.0, clients=4, servers=6)))
    cut(frames, PARTS, tmp_path)
    with ExitStack() as stack:
        if request.param == "cassandra":
            store = request.getfixturevalue("cassandra_store_factory")()
        else:
            store = stack.enter_context(closing(open_sqlite(tmp_path / "store.db")))
            store.apply_schema()
        yield Desk(store, tmp_path)
