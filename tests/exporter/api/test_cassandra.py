"""Cassandra gives the same answers: the tests of SQLite's, over a node."""

from collections.abc import Iterator

import pytest

from tests.exporter.api.scene import Scene, scene_over
from tests.exporter.api.test_answers import (  # noqa: F401  run here as they are
    test_captures_by_sensor_and_by_state,
    test_dns_answers,
    test_flows_by_address_name_domain_and_source,
    test_names,
    test_quarantined_captures,
    test_sensors,
)
from tests.exporter.api.test_changes import (  # noqa: F401
    test_a_busy_sensor_hides_none,
    test_from_the_beginning_and_from_now_on,
)
from tests.exporter.api.test_paging import (  # noqa: F401
    test_rows_that_come_meanwhile_neither_shift_nor_repeat_others,
)
from tests.exporter.captures import clock
from tests.servers.cassandra.keyspace import CassandraFactory


@pytest.fixture
def scene(cassandra_store_factory: CassandraFactory) -> Iterator[Scene]:
    store = cassandra_store_factory(clock=clock)
    with scene_over(store, lambda _: cassandra_store_factory(clock=clock), "cassandra") as made:
        yield made
