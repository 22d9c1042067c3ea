"""Rules that make partitions of hot addresses and names shorter: a list that only grows, each version written once."""

from schema.bucketpolicy import BucketRule
from schema.store.cassandra.connection import Connection

_RULES = "SELECT scope, subject, valid_from, granularity FROM pcapline.bucket_policy WHERE list = 'rules'"
_ADD = """
    INSERT INTO pcapline.bucket_policy (list, version, scope, subject, valid_from, granularity)
    VALUES ('rules', ?, ?, ?, ?, ?) IF NOT EXISTS
"""


def read_rules(connection: Connection) -> list[BucketRule]:
    """All of them, the first version first."""
    return [BucketRule(*row) for row in connection.read(_RULES, serial=True)]


def add_rule(connection: Connection, version: int, rule: BucketRule) -> bool:
    """Add a rule as this version, where there is none yet; the same rule from another loader is as good."""
    adding = connection.bound(_ADD, (version, rule.scope, rule.subject, rule.valid_from_ms, rule.granularity))
    return connection.conditionally(adding, lambda: read_rules(connection)[version - 1 : version] == [rule])
