"""Which node has a partition sent to it: partitions of one node may leave together."""

from collections.abc import Callable
from typing import Any

from cassandra.policies import HostDistance

from schema.store.cassandra.rows import routing_key


def owner_of(cluster: Any, keyspace: str) -> Callable[[bytes], Any]:
    """Tells of a partition, by its key as values on the wire, which node its rows are sent to first: of its replicas the first
    that is up and that the load balancing policy takes for local, whatever node of another data centre the ring has before it.
    None where one node has all, or none is known: such rows go to any."""
    metadata, policy = cluster.metadata, cluster.profile_manager.default.load_balancing_policy
    if len(metadata.all_hosts()) == 1:
        return lambda _key: None

    def first_local_replica(key: bytes) -> Any:
        replicas = metadata.get_replicas(keyspace, routing_key(key))
        return next((host for host in replicas if host.is_up and policy.distance(host) == HostDistance.LOCAL), None)

    return first_local_replica
