"""Rules that make partitions of hot addresses and names shorter: a list that only grows."""

from schema.bucketpolicy import BucketRule
from schema.store.sqlite.database import Session, Transaction

_RULES = "SELECT scope, subject, valid_from, granularity FROM bucket_policy ORDER BY version"
_VERSION = "SELECT scope, subject, valid_from, granularity FROM bucket_policy WHERE version = ?"
_ADD = """
    INSERT INTO bucket_policy (version, scope, subject, valid_from, granularity) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""


def read_rules(session: Session) -> list[BucketRule]:
    """All of them, the first version first."""
    return [BucketRule(*row) for row in session.execute(_RULES)]


def add_rule(transaction: Transaction, version: int, rule: BucketRule) -> bool:
    """Add a rule as this version, where there is none yet; the same rule from another loader is as good."""
    values = (rule.scope, rule.subject, rule.valid_from_ms, rule.granularity)
    if transaction.change(_ADD, (version, *values)):
        return True
    return transaction.execute(_VERSION, (version,)) == [values]
