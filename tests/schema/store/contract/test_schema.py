"""A store says what it is, and its schema is applied once."""

from schema.store.writing import Store
from tests.schema.store.factory import StoreFactory


def test_health(store: Store) -> None:
    health = store.health()
    assert health.kind in {"sqlite", "cassandra"}
    assert health.version
    assert health.schema_version == health.wanted_schema_version > 0
    assert health.detail


def test_applied_schema_is_not_applied_again(store_factory: StoreFactory) -> None:
    assert store_factory().apply_schema() == []
