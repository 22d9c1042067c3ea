"""What nodes say of themselves is asked now and then, and shown by its usual names."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from exporter.node_metrics import of_nodes
from exporter.nodes import NodeWatch
from schema.errors import StoreUnavailableError
from schema.store.nodes import NodeHealth, PoolTasks, TableOnNode
from tests.servers.prometheus import promtool_lint

UP = NodeHealth(
    node="10.0.0.1",
    up=True,
    connections=3,
    pools={"MutationStage": PoolTasks(pending=7, blocked=2)},
    tables={"flows": TableOnNode(disk_bytes=5 << 20, largest_partition_bytes=1 << 20, write_p99_s=0.002, read_p99_s=0.5)},
)
DOWN = NodeHealth(node="10.0.0.2", up=False)


class Store:
    """Says what it is told to say, and how often it was asked."""

    def __init__(self, *answers: Sequence[NodeHealth] | None) -> None:
        self.answers, self.asked = answers, 0

    def nodes(self) -> list[NodeHealth]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if answer is None:
            raise StoreUnavailableError("away")
        return list(answer)


class Page:
    def __init__(self, nodes: Sequence[NodeHealth]) -> None:
        self.nodes = nodes

    def collect(self) -> list[Metric]:
        return of_nodes(self.nodes)


def page(nodes: Sequence[NodeHealth]) -> str:
    registry = CollectorRegistry()
    registry.register(Page(nodes))  # type: ignore[arg-type]
    return generate_latest(registry).decode()


def test_what_is_shown() -> None:
    text = page([UP, DOWN])
    for line in (
        'pcapline_store_node_up{node="10.0.0.1"} 1.0',
        'pcapline_store_node_up{node="10.0.0.2"} 0.0',
        'cassandra_client_native_connections{node="10.0.0.1"} 3.0',
        'cassandra_thread_pool_pending_tasks{node="10.0.0.1",pool="MutationStage"} 7.0',
        'cassandra_thread_pool_blocked_tasks_total{node="10.0.0.1",pool="MutationStage"} 2.0',
        'cassandra_table_disk_space_bytes{node="10.0.0.1",table="flows"} 5.24288e+06',
        'cassandra_table_partition_size_maximum_bytes{node="10.0.0.1",table="flows"} 1.048576e+06',
        'cassandra_table_operation_latency_p99_seconds{node="10.0.0.1",operation="read",table="flows"} 0.5',
    ):
        assert line in text.splitlines(), line
    assert 'native_connections{node="10.0.0.2"}' not in text
    assert promtool_lint(text) == ""


def test_a_store_without_nodes_has_none() -> None:
    assert [line for line in page([]).splitlines() if not line.startswith("#")] == []


def test_they_are_asked_now_and_then() -> None:
    store, watch = Store([UP], [UP, DOWN], None), NodeWatch()
    assert [len(watch.look(store, now)) for now in (100.0, 105.0, 129.9)] == [1, 1, 1]  # type: ignore[arg-type]
    assert store.asked == 1
    assert len(watch.look(store, 130.0)) == 2  # type: ignore[arg-type]
    assert len(watch.look(store, 50.0)) == 0  # type: ignore[arg-type]  # a clock that was set back; the store does not say
    assert store.asked == 3
