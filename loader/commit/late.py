"""What a capture out of order has to say about flows of captures that were loaded before it.

There is no carried state to tell which rows wait for its answers: it looks for the flows to the addresses that it names, and
chooses their names twice, from the facts without it and with it. What comes out different is repaired, whatever an attempt that
was cut short has written already.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from loader.decode.columns import FlowColumns
from loader.naming.choice import SAID, Name, NamingRules
from loader.naming.learned import LearnedNames
from loader.naming.names import CaptureNames, StoredNames
from schema.records import FlowKey, NameRepair
from schema.store.lookup import flow_pages
from schema.store.reading import FlowQuery, StoreReader
from schema.tables import FLOWS

_MS = 1_000_000
_PAGE_ROWS = 4_096
# So many flow rows, in so many pages, are read for one capture; addresses whose flows are not read, or not all, are counted.
MAX_ROWS_READ, MAX_READS = 262_144, 32_768

_Row = tuple[object, ...]
_AT = {name: FLOWS.index(name) for name in FLOWS.names}


@dataclass(slots=True, kw_only=True)
class LateAnswers:
    """Looks for what the answers of one late capture name."""

    store: StoreReader
    sensor: str
    seq: int  # the ledger version that facts are read as of: rows of later or uncommitted captures are left out
    learned: LearnedNames
    stored: StoredNames
    rules: NamingRules
    repair_ns: int  # an answer names flows that started so long after it
    on_page: Callable[[], None]
    not_sought: int = field(default=0, init=False)
    _rows_read: int = field(default=0, init=False)
    _reads: int = field(default=0, init=False)
    _committed: dict[bytes, bool] = field(default_factory=dict, init=False)

    def repairs(self) -> list[NameRepair]:
        """All rows whose name is another now."""
        made: list[NameRepair] = []
        for address, told_ns in self.learned.table.times():
            for page in self._pages(address, told_ns):
                rows = [row for row in page if row[_AT["sensor"]] == self.sensor and self._is_committed(row)]
                if rows:
                    made += self._chosen_anew(rows)
                self.on_page()
        return made

    def _pages(self, address: bytes, told_ns: list[int]) -> Iterator[list[_Row]]:
        """Flow rows that answers of these times may name, each once."""
        spans = [(since_ns // _MS, until_ns // _MS) for since_ns, until_ns in self._spans(told_ns)]
        queries = (FlowQuery(destination=address, since_ms=since_ms, until_ms=until_ms) for since_ms, until_ms in spans)
        cut = self._is_spent()
        for page in () if cut else chain.from_iterable(flow_pages(self.store, query, _PAGE_ROWS) for query in queries):
            cut = self._is_spent()
            if cut:  # before all was read: this page is the proof
                break
            self._reads += 1
            self._rows_read += len(page.rows)
            yield page.rows
        self.not_sought += cut

    def _is_spent(self) -> bool:
        return self._rows_read >= MAX_ROWS_READ or self._reads >= MAX_READS

    def _spans(self, times_ns: list[int]) -> list[tuple[int, int]]:
        """When flows may have started that answers of these times name; spans that touch are one."""
        spans: list[tuple[int, int]] = []
        for told_ns in sorted(times_ns):
            since_ns, until_ns = told_ns - self.rules.late_ns, told_ns + self.repair_ns
            if spans and since_ns <= spans[-1][1]:
                since_ns = spans.pop()[0]
            spans.append((since_ns, until_ns))
        return spans

    def _is_committed(self, row: _Row) -> bool:
        capture_id = row[_AT["capture_id"]]
        assert isinstance(capture_id, bytes)
        if capture_id not in self._committed:
            record = self.store.capture(capture_id)
            position = record.position if record is not None and record.state == "loaded" else None
            self._committed[capture_id] = position is not None and position.seq <= self.seq
        return self._committed[capture_id]

    def _chosen_anew(self, rows: list[_Row]) -> Iterator[NameRepair]:
        flows = _flows(rows)
        without, with_it = self._names(LearnedNames(0, self.rules), flows), self._names(self.learned, flows)
        for row, old, new in zip(rows, without, with_it, strict=True):
            if new[:2] + new[3:] != old[:2] + old[3:] and new.hostname is not None and _is_better(new, row):
                key = FlowKey(*row[: len(FLOWS.key)])  # type: ignore[arg-type]  # as the table has them
                yield NameRepair(key, new.hostname, new.evidence, new.conflict)

    def _names(self, learned: LearnedNames, flows: FlowColumns) -> list[Name]:
        names = CaptureNames(learned, self.rules, self.stored)
        names.look(flows)
        names.ask_others()
        return names.names(flows)


def _is_better(name: Name, row: _Row) -> bool:
    """What the inventory says goes before an answer that was over, or somebody else's."""
    return name.evidence in (*SAID, "dns", "dns_late") or row[_AT["name_evidence"]] != "inventory"


def _flows(rows: list[_Row]) -> FlowColumns:
    """What naming needs to know of flow rows, as the decoder would give it."""
    columns = dict(zip(FLOWS.names, zip(*rows, strict=True), strict=True))
    said = [evidence in SAID for evidence in columns["name_evidence"]]
    times = zip(columns["ts"], columns["ns"], columns["chain_age_ns"], strict=True)
    return FlowColumns(
        source_ip=columns["source_ip"],
        destination_ip=columns["destination_ip"],
        frame=columns["frame"],
        chain_ts_ns=[ms * _MS + ns - age for ms, ns, age in times],
        said_name=[name if says else None for name, says in zip(columns["hostname"], said, strict=True)],
        said_by=[by if says else None for by, says in zip(columns["name_evidence"], said, strict=True)],
    )
