"""Late names of flow rows that other captures brought."""

from collections.abc import Iterable

from schema.records import NameRepair
from schema.store.sqlite.database import Transaction
from schema.store.sqlite.values import address_text
from schema.tables import FLOWS

_KEY = " AND ".join(f"{name} = ?" for name in FLOWS.key)
_NAME = f"UPDATE flows SET hostname = ?, name_evidence = ?, name_conflict = ? WHERE {_KEY} AND sensor = ?"


def repair_flows(transaction: Transaction, sensor: str, repairs: Iterable[NameRepair]) -> int:
    """Name the rows that are there; returns how many. A row's lifetime is that of its capture, whoever names it."""
    return sum(transaction.change(_NAME, _bindings(repair, sensor)) for repair in repairs)


def _bindings(repair: NameRepair, sensor: str) -> tuple[object, ...]:
    key = repair.key
    return (repair.hostname, repair.evidence, repair.conflict, address_text(key.destination_ip), *key[1:], sensor)
