"""Each node's virtual tables: what a cluster's metrics are made of, without JMX."""

from collections.abc import Iterable
from typing import Any

from schema.errors import StoreUnavailableError
from schema.store.cassandra.connection import Connection, Row
from schema.store.nodes import NodeHealth, PoolTasks, TableOnNode

_MIB = 1 << 20
_POOLS = "SELECT name, pending_tasks, blocked_tasks_all_time FROM system_views.thread_pools"
_CLIENTS = "SELECT address, port FROM system_views.clients"
_OF_TABLES = "SELECT keyspace_name, table_name, {} FROM system_views.{}"
_DISK = _OF_TABLES.format("mebibytes", "disk_usage")
_LARGEST = _OF_TABLES.format("mebibytes", "max_partition_size")
_WRITES = _OF_TABLES.format("p99th_ms", "local_write_latency")
_READS = _OF_TABLES.format("p99th_ms", "local_read_latency")


def read_nodes(connection: Connection) -> list[NodeHealth]:
    """Every node that the cluster has, by address. Raises `StorePermissionError` where this user may not read system_views."""
    hosts = sorted(connection.cluster.metadata.all_hosts(), key=lambda host: str(host.address))
    return [_node(connection, host) for host in hosts]


def _node(connection: Connection, host: Any) -> NodeHealth:
    node = str(host.address)
    if host.is_up is False:  # None: the driver does not know yet
        return NodeHealth(node=node, up=False)
    try:
        pools = {
            name: PoolTasks(pending=pending, blocked=blocked) for name, pending, blocked in connection.read_at(host, _POOLS)
        }
        connections = len(connection.read_at(host, _CLIENTS))
        return NodeHealth(node=node, up=True, connections=connections, pools=pools, tables=_tables(connection, host))
    except StoreUnavailableError:  # of this one: whether the store answers is asked elsewhere
        return NodeHealth(node=node, up=False)


def _tables(connection: Connection, host: Any) -> dict[str, TableOnNode]:
    def own(rows: Iterable[Row]) -> dict[str, float]:
        return {table: float(value or 0) for keyspace, table, value in rows if keyspace == connection.keyspace}

    disk, largest, writes, reads = (own(connection.read_at(host, what)) for what in (_DISK, _LARGEST, _WRITES, _READS))
    return {
        table: TableOnNode(
            disk_bytes=int(mebibytes) * _MIB,
            largest_partition_bytes=int(largest.get(table, 0)) * _MIB,
            write_p99_s=writes.get(table, 0) / 1_000,
            read_p99_s=reads.get(table, 0) / 1_000,
        )
        for table, mebibytes in sorted(disk.items())
    }
