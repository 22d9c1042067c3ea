"""Makes one store what another is (docs/decisions/0027): fences the source, copies page by page, goes on where it was killed.

Nothing here knows an adapter. What is done twice is done once: every put may be repeated.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from schema.errors import LeaseHeldError, LeaseLostError, StoreMovedError
from schema.records import CaptureRecord
from schema.store.claimtimes import ClaimTimes
from schema.store.copying import CopySource, CopyTarget, LedgerCopy, RowPage
from schema.store.notes import COPYING, MOVED, Copying, CopyState, Moved
from schema.store.writing import Store
from schema.tables import BY_NAME, TABLES, Ownership, Table

RULES, CAPTURES, ORIGINS, COMMITS, LEDGERS, BOOKS, SENSORS = (
    "bucket_policy",
    "captures",
    "captures_by_origin",
    "commits",
    "ledgers",
    "admissions",
    "sensors",
)
SECTIONS = (RULES, CAPTURES, ORIGINS, *(table.name for table in TABLES), COMMITS, LEDGERS, BOOKS, SENSORS)
_LEASE_MS = 60_000  # longer than it takes to take all sensors and to mark the source


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The two stores, and how a person names them."""

    source: Store
    target: Store
    source_name: str
    target_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How far a copy is: told behind every page."""

    section: str
    copied: int  # things of this section, since this run began
    left_out: int  # likewise, that do not count or whose time is over


@dataclass(slots=True)
class Copier:
    """One run of a copy. `clock`: seconds since the epoch; `owner`: HOST:PID:RANDOM; `tell`: hears of every page."""

    ends: Ends
    clock: Callable[[], float]
    owner: str
    tell: Callable[[Moment], None] = lambda _moment: None
    copied: Counter[str] = field(default_factory=Counter, init=False)
    left_out: Counter[str] = field(default_factory=Counter, init=False)
    _from: CopySource = field(init=False)
    _to: CopyTarget = field(init=False)
    _ledgers: list[LedgerCopy] = field(default_factory=list, init=False)
    _times: ClaimTimes = field(init=False)

    def copy(self) -> CopyState:
        """Copy what is not copied yet: behind it the copy is whole, or was done before.

        Raises `StoreMovedError` where the target is not empty and no half copy of this source, or the source has moved
        elsewhere; `LeaseHeldError` where somebody loads in the source.
        """
        note = self._begun()
        if note.state is CopyState.DONE:
            return note.state
        self._from, self._times = self.ends.source.copy_source(), ClaimTimes(self._to)
        if note.state is CopyState.COPYING:
            self._copy_from(note)
        self._put_books()
        return CopyState.COPIED

    def _copy_from(self, note: Copying) -> None:
        self._ledgers = self._from.ledgers()
        for section in SECTIONS[SECTIONS.index(note.section or RULES) :]:
            note = self._copy_section(note, section)
        self._change(note, replace(note, state=CopyState.COPIED, section="", after=""))

    def finish(self) -> None:
        """The copy was compared: from here on loaders may load in the target, and none ever in the source."""
        note = self._note()
        moved = self._mark()
        assert note is not None
        assert moved is not None
        if not moved.done:
            self.ends.source.change_note(MOVED, moved.text(), replace(moved, done=True).text())
        if note.state is not CopyState.DONE:
            self._change(note, replace(note, state=CopyState.DONE))

    # the beginning

    def _note(self) -> Copying | None:
        text = self.ends.target.notes().get(COPYING)
        return Copying.parse(text) if text else None

    def _mark(self) -> Moved | None:
        text = self.ends.source.notes().get(MOVED)
        return Moved.parse(text) if text else None

    def _begun(self) -> Copying:
        """The target's note, once both stores know of the copy and nobody loads in the source."""
        note, mark = self._note(), self._mark()
        if note is None and mark is not None:
            raise StoreMovedError(f"{self.ends.source_name} is copied to {mark.target}: pcapline store reopen gives that up")
        note = note or self._new_note()
        self._to = self.ends.target.copy_target(bytes.fromhex(note.copy_id), note.started_at_ms)
        if note.state is CopyState.PREPARING:
            if not self._to.is_empty():
                raise self._not_empty()
            if mark is None:
                self._fence(note)
            elif mark.copy_id != note.copy_id:
                raise self._not_empty()
            return self._change(note, replace(note, state=CopyState.COPYING))
        if mark is None or mark.copy_id != note.copy_id:
            raise self._not_empty()
        return note

    def _new_note(self) -> Copying:
        started_at_ms = int(self.clock() * 1000)
        note = Copying(
            copy_id=secrets.token_hex(16),
            source=self.ends.source_name,
            started_at_ms=started_at_ms,
            state=CopyState.PREPARING,
        )
        if not self.ends.target.copy_target(b"", started_at_ms).is_empty():
            raise self._not_empty()
        return self._change(None, note)

    def _not_empty(self) -> StoreMovedError:
        what = f"{self.ends.target_name} is neither empty nor half a copy of {self.ends.source_name} that can be gone on with"
        return StoreMovedError(f"{what}: name a store that is empty")

    def _change(self, before: Copying | None, after: Copying) -> Copying:
        if not self.ends.target.change_note(COPYING, before.text() if before else None, after.text()):
            raise LeaseLostError(f"another process copies to {self.ends.target_name}: leave it to that one")
        return after

    def _fence(self, note: Copying) -> None:
        """See to it that nobody loads in the source, now or later. Raises `LeaseHeldError` where somebody does."""
        source, network_of = self.ends.source, {}
        with ExitStack() as stack:
            for record in source.sensors():
                network_of[record.sensor] = record.network
                until_ms = int(self.clock() * 1000) + _LEASE_MS
                lease = source.take_sensor(record.sensor, record.network, self.owner, until_ms)
                stack.callback(lease.release)
            mark = Moved(copy_id=note.copy_id, target=self.ends.target_name, at_ms=int(self.clock() * 1000), done=False).text()
            if not source.change_note(MOVED, None, mark):
                raise self._not_empty()
            between = [record for record in source.sensors() if record.sensor not in network_of]
            if between:
                source.change_note(MOVED, mark, None)
                raise LeaseHeldError(between[0].sensor, between[0].owner or "another loader", between[0].lease_until_ms)

    # the sections

    def _copy_section(self, note: Copying, section: str) -> Copying:
        after = note.after if note.section == section else ""
        if note.section != section:
            note = self._change(note, replace(note, section=section, after=""))
        for cursor in self._pages(section, after):
            self.tell(Moment(section=section, copied=self.copied[section], left_out=self.left_out[section]))
            note = self._change(note, replace(note, after=cursor))
        return note

    def _pages(self, section: str, after: str) -> Iterator[str]:
        """Copy a section from a cursor on; gives the cursor behind every page that is written."""
        if section in BY_NAME:
            return self._rows(BY_NAME[section], after)
        return {
            RULES: self._rules,
            CAPTURES: self._captures,
            ORIGINS: self._origins,
            COMMITS: self._commits,
            LEDGERS: self._ledgers_from,
            BOOKS: self._books,
            SENSORS: self._sensors,
        }[section](after)

    def _rules(self, _after: str) -> Iterator[str]:
        rules = self.ends.source.bucket_rules()
        self._to.put_rules(rules)
        self.copied[RULES] += len(rules)
        yield ""

    def _captures(self, after: str) -> Iterator[str]:
        ledger_of = {ledger.sensor: ledger for ledger in self._ledgers}
        for page in self._from.captures(after):
            self._to.put_captures([replace(copied, in_ledger=_is_kept(copied.record, ledger_of)) for copied in page.items])
            self.copied[CAPTURES] += len(page.items)
            self.left_out[CAPTURES] += page.left_out
            yield page.after

    def _origins(self, after: str) -> Iterator[str]:
        for page in self._from.origins(after):
            self._to.put_origins(page.items)
            self.copied[ORIGINS] += len(page.items)
            yield page.after

    def _rows(self, table: Table, after: str) -> Iterator[str]:
        for page in self._from.rows(table, after):
            rows, loaded_at_ms = self._living(table, page)
            if rows:
                self._to.put_rows(table, rows, loaded_at_ms)
            self.copied[table.name] += len(rows)
            self.left_out[table.name] += len(page.rows) - len(rows)
            yield page.after

    def _living(self, table: Table, page: RowPage) -> tuple[list[tuple[object, ...]], list[int]]:
        """The rows that count and whose time is not over, and what their lifetime counts from."""
        from_ms = page.loaded_at_ms if table.ownership is Ownership.SHARED else self._times.of(table, page.rows)
        over_ms = int(self.clock() * 1000) - table.ttl_seconds * 1000
        living = [(row, ms) for row, ms in zip(page.rows, from_ms, strict=True) if ms is not None and ms > over_ms]
        return [row for row, _ in living], [ms for _, ms in living]

    def _commits(self, after: str) -> Iterator[str]:
        """The cursor is SEQ:SENSOR."""
        seq, _, name = after.partition(":")
        for ledger in self._ledgers:
            if ledger.sensor < name:
                continue
            for commits in self._from.commits(ledger, int(seq) if ledger.sensor == name else 0):
                self._to.put_commits(ledger, commits)
                self.copied[COMMITS] += len(commits)
                yield f"{commits[-1].record.position.seq}:{ledger.sensor}"

    def _ledgers_from(self, after: str) -> Iterator[str]:
        """The cursor is the last sensor whose ledger is copied."""
        for ledger in self._ledgers:
            if ledger.sensor <= after:
                continue
            for seal in self._from.seals(ledger):
                self._to.put_seal(ledger, seal, self._from.seal_parts(ledger, seal))
            for entries in self._from.endpoints(ledger):
                self._to.put_endpoints(ledger, entries)
            self._to.put_ledger(ledger, self._from.totals(ledger), self._from.carried(ledger))
            self.copied[LEDGERS] += 1
            yield ledger.sensor

    def _books(self, _after: str) -> Iterator[str]:
        for network in sorted({ledger.network for ledger in self._ledgers}):
            book = self.ends.source.admissions(network)
            if book.version:
                self._to.put_book(book)
                self.copied[BOOKS] += len(book.admissions)
        yield ""

    def _put_books(self) -> None:
        """What an exporter of the source, which may have been behind its ledgers, has done to its books since."""
        for network in {record.network for record in self.ends.source.sensors()}:
            book = self.ends.source.admissions(network)
            if book.version > self.ends.target.admissions(network).version:
                self._to.put_book(book)

    def _sensors(self, _after: str) -> Iterator[str]:
        self._to.put_sensors(self._ledgers)
        self.copied[SENSORS] += len(self._ledgers)
        yield ""


def _is_kept(record: CaptureRecord, ledger_of: dict[str, LedgerCopy]) -> bool:
    return record.sensor in ledger_of and ledger_of[record.sensor].keeps(record.position)
