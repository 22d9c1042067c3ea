"""Presents what nodes say of themselves, by the names that exporters of Cassandra have in common."""

from collections.abc import Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from schema.store.nodes import NodeHealth


def of_nodes(nodes: Sequence[NodeHealth]) -> list[Metric]:
    """Every family; of a store without nodes the first one alone, which is empty."""
    up = GaugeMetricFamily("pcapline_store_node_up", "1 when this node of the store answered the exporter.", labels=("node",))
    for node in nodes:
        up.add_metric((node.node,), int(node.up))
    return [up, *_of_pools(nodes), *_of_tables(nodes)] if nodes else [up]


def _of_pools(nodes: Sequence[NodeHealth]) -> list[Metric]:
    clients = GaugeMetricFamily("cassandra_client_native_connections", "Connections of clients to the node.", labels=("node",))
    of_pool = ("node", "pool")
    pending = GaugeMetricFamily(
        "cassandra_thread_pool_pending_tasks", "Tasks that wait for a thread of the pool.", labels=of_pool
    )
    blocked = CounterMetricFamily(
        "cassandra_thread_pool_blocked_tasks", "Tasks that found the pool's queue full.", labels=of_pool
    )
    for node in nodes:
        if node.up:
            clients.add_metric((node.node,), node.connections)
        for pool, tasks in node.pools.items():
            pending.add_metric((node.node, pool), tasks.pending)
            blocked.add_metric((node.node, pool), tasks.blocked)
    return [clients, pending, blocked]


def _of_tables(nodes: Sequence[NodeHealth]) -> list[Metric]:
    of_table = ("node", "table")
    disk = GaugeMetricFamily("cassandra_table_disk_space_bytes", "The table on the node's disk, in whole MiB.", labels=of_table)
    largest = GaugeMetricFamily(
        "cassandra_table_partition_size_maximum_bytes",
        "The node's largest partition of the table, in whole MiB.",
        labels=of_table,
    )
    latency = GaugeMetricFamily(
        "cassandra_table_operation_latency_p99_seconds",
        "99 of 100 operations on the table took the node less, in the last minutes.",
        labels=(*of_table, "operation"),
    )
    for node in nodes:
        for table, state in node.tables.items():
            disk.add_metric((node.node, table), state.disk_bytes)
            largest.add_metric((node.node, table), state.largest_partition_bytes)
            for operation, seconds in (("write", state.write_p99_s), ("read", state.read_p99_s)):
                latency.add_metric((node.node, table, operation), seconds)
    return [disk, largest, latency]
