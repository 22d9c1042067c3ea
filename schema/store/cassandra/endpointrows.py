"""Totals by endpoint on their way into a ledger: many rows as one statement of a batch, encoded ahead of the driver."""

from collections.abc import Iterable
from struct import Struct
from typing import Any

from schema.records import EndpointTotals
from schema.store.cassandra.rowbytes import Gathered, RowBytes
from schema.store.cassandra.rows import bound_rows, form_for

_KINDS = ("text", "int", "text", "tuple", "bigint")
_ON_WIRE = Struct(">" + "iq" * len(EndpointTotals._fields))  # a length of 8 before each of them


def endpoint_rows(
    prepared: Any, place: tuple[str, int], names: list[str], totals: Iterable[EndpointTotals], at_seqs: list[int]
) -> Any:
    """As one statement of a batch, which holds 65,535 at most, and where there is one endpoint at least. `prepared`: inserts
    sensor, segment, endpoint, totals, and the seq that last changed them; `place`: sensor and segment."""
    pack = _ON_WIRE.pack
    columns: list[list[Any]] = [
        [place[0]] * len(names),
        [place[1]] * len(names),
        names,
        [
            pack(8, flows, 8, packets, 8, sent, 8, packets_rev, 8, received)
            for flows, packets, sent, packets_rev, received in totals
        ],
        at_seqs,
    ]
    groups: dict[bytes, Gathered] = {}
    RowBytes().gather(form_for(prepared, _KINDS, len(place)), columns, groups, len(names) + 1)
    (gathered,) = groups.values()
    return bound_rows(prepared, gathered)
