"""What the nodes of a cluster say of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTasks:
    """One of a node's thread pools."""

    pending: int  # now
    blocked: int  # since the node began


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOnNode:
    """One of the store's tables, as one node holds it. Sizes are rounded up to MiB by the node."""

    disk_bytes: int = 0
    largest_partition_bytes: int = 0
    write_p99_s: float = 0.0  # of the last minutes; 0: nothing was written
    read_p99_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHealth:
    """One node. Of one that is down, nothing but that."""

    node: str  # its address
    up: bool
    connections: int = 0  # of clients
    pools: Mapping[str, PoolTasks] = field(default_factory=dict)
    tables: Mapping[str, TableOnNode] = field(default_factory=dict)
