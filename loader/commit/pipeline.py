"""One capture from its file to its commit: decode, name, stage, claim, write, commit. The heart of the loader.

When and in what order files come, and what becomes of them afterwards, is the spool's; how rows are kept is the store's.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from loader.commit.carried import CarriedState
from loader.commit.following import Followed, PlaceInOrder
from loader.commit.inputs import keeps_beginning, ledger_inputs, loaded_part, place_in_file, rows_from_ms, settings_inputs
from loader.commit.keeping import KeptLease
from loader.commit.prepared import (
    CUT_SHORT,
    PreparedCapture,
    believed_start,
    content_origin,
    damage_text,
    disk_drops_beside,
    facts_of,
    file_id_of,
    kernel_drops_beside,
    named_totals,
)
from loader.commit.sensornames import SensorNames
from loader.commit.shared import Shared
from loader.decode.columns import DecodeOptions
from loader.naming.awaiting import Waitlist
from loader.outcome import FileOutcome
from loader.reading.capture import CaptureReading, LoadedPart, PartOfFile, file_identity, first_packet_time, first_part_matches
from loader.reading.deep import TsharkBatch
from loader.rows.building import RowBuilder, RowContext
from loader.rows.staging import StagedRows
from loader.settings import LoaderSettings
from schema.enums import FileState
from schema.errors import CaptureError, LeaseLostError, PcaplineError
from schema.records import STANDALONE_SENSOR, CaptureFacts, CaptureRecord, CommitDeltas, Manifest
from schema.store.sealing import Sealing
from schema.store.writing import Attempt, ClaimRefusal, Known, SensorLease, Store
from schema.tables import RowBatch

_LOG = logging.getLogger(__name__)

_SEALING = Sealing()  # bounds of the segments of a ledger

Clock = Callable[[], float]


class SensorLoader:
    """Loads captures of one sensor, one after the other, under its lease.

    `load` answers for every file: a bad one is quarantined, never raised. Raises `StoreError` where the store is away or the
    lease is lost (nothing of the capture counts then), `FileNotFoundError` where the file is gone.
    """

    def __init__(self, store: Store, lease: SensorLease, settings: LoaderSettings, clock: Clock, shared: Shared) -> None:
        """`shared`: with the other sensors of the process. Files of no sensor stand alone: neither names nor flows go between
        them."""
        self._store, self._lease, self._settings, self._clock = store, lease, settings, clock
        self._carries = lease.sensor != STANDALONE_SENSOR
        self._names = SensorNames(lease, settings, shared.inventory, shared.names, carries=self._carries)
        self._partitions = shared.partitions
        self.kept = KeptLease(lease, settings.lease_s, clock)
        self._keep_lease = self.kept.keep
        self.monotonic: Clock = time.monotonic  # how long the store takes: the clock may be set meanwhile

    @property
    def lease(self) -> SensorLease:
        """The lease that captures are loaded under."""
        return self._lease

    def evictions(self) -> int:
        """Facts about names dropped from memory since the last call: each may cost a read."""
        return self._names.evictions()

    def load(
        self,
        path: Path,
        sequence: int | None = None,
        *,
        notes_refusal: bool = True,
        is_written: Callable[[Path], bool] = lambda _: False,
    ) -> FileOutcome:
        """Load one file; `sequence`: its number in the sensor's own order, where its name has one. `notes_refusal`: the store
        remembers what cannot be loaded. `is_written`: whether somebody writes to it still, so that it waits instead."""
        self._keep_lease()
        try:
            self._lease.seal_if_due(_SEALING)
            return self._load(path, sequence)
        except CaptureError as error:
            if is_written(path):
                return self._not_yet(path, error)
            return self._quarantine(path, error, notes=notes_refusal)
        except PermissionError as error:
            return self._refused(path, f"{error.strerror}; give the loader read access and load it again")
        except IsADirectoryError:
            return self._refused(path, "is a directory; name the captures in it")
        except LeaseLostError:
            self._names.clear()
            raise

    def _load(self, path: Path, sequence: int | None) -> FileOutcome:
        part = self._part_loaded_before(path)
        state = CarriedState.decode(self._lease.carried() if self._carries else None)
        first_ts_ns = first_packet_time(path)
        in_order = self._carries and (first_ts_ns is None or state.is_before(first_ts_ns, sequence))
        carried = state.open_flows if in_order else b""
        reading = CaptureReading(path, self._options(carries=in_order), carried or None, True, PartOfFile(after=part))
        place = PlaceInOrder(state=state, in_order=in_order, carries=self._carries, sequence=sequence)
        with StagedRows(self._settings.staging_rows) as staged, closing(self._builder(first_ts_ns)) as builder:
            waitlist = self._decode(reading, builder, staged, place)
            first = first_ts_ns if part else believed_start(reading.report)
            follows = place.followed(first or 0, reading, builder.names, waitlist)
            known = self._lease.look_up(reading.capture_id, content_origin(reading.capture_id))
            prepared = self._prepare(reading, builder, staged.manifest(), follows, known)
            if reading.report.frames == 0:
                return self._without_packets(path, part, prepared)
            if same := self._same_content(reading, part, known):
                return self._already_loaded(path, prepared, same.facts.capture_id)
            if follows.late:
                prepared = self._with_late_names(prepared, builder)
            return self._commit(path, prepared, staged, builder)

    def _options(self, *, carries: bool) -> DecodeOptions:
        settings = self._settings
        return DecodeOptions(
            idle_timeout_s=settings.idle_timeout_s,
            active_timeout_s=settings.active_timeout_s,
            max_carried_flows=settings.max_carried_flows,
            carries=carries,
            packets=settings.packets,
        )

    def _builder(self, first_ts_ns: int | None) -> RowBuilder:
        policy = self._partitions.policy()
        context = RowContext(
            sensor=self._lease.sensor,
            seq=self._lease.head.position.seq + 1,
            policy=policy,
            carries=self._carries,
        )
        return RowBuilder(context, self._names.for_capture(first_ts_ns, policy), self._settings.staging_rows)

    def _decode(self, reading: CaptureReading, builder: RowBuilder, staged: StagedRows, place: PlaceInOrder) -> Waitlist | None:
        """The capture's rows, and those that await a name. A fault of ours while they are made is the capture's end, not that
        of the files behind it."""
        try:
            return self._rows_of(reading, builder, staged, place)
        except (PcaplineError, OSError, MemoryError):
            raise
        except Exception as error:
            _LOG.exception("a capture could not be decoded")
            raise CaptureError("internal_error", f"{error!r}; report it, with the capture") from error

    def _rows_of(
        self, reading: CaptureReading, builder: RowBuilder, staged: StagedRows, place: PlaceInOrder
    ) -> Waitlist | None:
        for batch in reading.batches(TsharkBatch if self._settings.deep else None):
            for rows in builder.build(batch):
                staged.add(rows)
            self._keep_lease()
        waitlist = place.waitlist(reading.report, self._names.rules)
        for rows in builder.finish(reading.capture_id, waitlist):
            staged.add(rows)
            self._keep_lease()
        return waitlist

    def _prepare(
        self, reading: CaptureReading, builder: RowBuilder, manifest: Manifest, follows: Followed, known: Known
    ) -> PreparedCapture:
        """All that is fixed by the claim, or counted by the commit."""
        path, report = Path(reading.path), reading.report
        drops = kernel_drops_beside(path)
        inputs = settings_inputs(self._settings) | ledger_inputs(self._lease.head, follows.state_used, follows.began_from)
        inputs |= {"sensor": self._lease.sensor} | place_in_file(reading.prefix_id, reading.part.after)
        inputs["rows_from_ms"] = str(rows_from_ms(self._now_ms(), known.content))
        inputs["bucket_policy"] = builder.context.policy.spelled
        inputs["deep"], inputs["inventory"] = reading.deep_outcome, self._names.inventory.digest
        if keeps_beginning(self._lease.head.position.seq, self._lease.head.state_version):
            manifest = replace(manifest, began_from=follows.began_from)
        endpoints, folded = builder.endpoint_deltas()
        totals = {**follows.totals, **builder.named_totals(), "folded_endpoints": folded}
        totals["disk_drops"] = disk_drops_beside(path)
        return PreparedCapture(
            facts=facts_of(path, reading, drops),
            inputs=inputs,
            manifest=manifest,
            report=report,
            deltas=CommitDeltas(endpoints=endpoints, totals=named_totals(report, manifest, drops, further=totals)),
            carried=follows.carried,
            repairs=follows.repairs,
        )

    def _with_late_names(self, prepared: PreparedCapture, builder: RowBuilder) -> PreparedCapture:
        """The same with what it names of rows of captures before it. Nothing that is not going to be written looks for them."""
        late = self._names.late_answers(self._store, builder.names.learned, builder.context.policy, self._keep_lease)
        return prepared.with_repairs(late.repairs(), late.not_sought)

    def _without_packets(self, path: Path, part: LoadedPart | None, prepared: PreparedCapture) -> FileOutcome:
        """Nothing to load: the file is empty, or (being known already) has not grown by a whole packet."""
        if part is not None:
            return self._already_loaded(path, prepared, part.capture_id)
        if spoilt := prepared.report.damage.keys() - CUT_SHORT:
            raise CaptureError(min(spoilt), f"no packet can be read ({damage_text(prepared.report)}); capture it again")
        return prepared.outcome(path, FileState.EMPTY, self._lease.sensor, damage_text(prepared.report) or "no packets")

    def _commit(self, path: Path, prepared: PreparedCapture, staged: StagedRows, builder: RowBuilder) -> FileOutcome:
        capture_id = prepared.facts.capture_id
        asked_at = self.monotonic()
        begun = self._lease.begin(prepared.claim(self._now_ms()))
        if begun is ClaimRefusal.ALREADY_LOADED:
            return self._already_loaded(path, prepared, capture_id)
        if isinstance(begun, ClaimRefusal):
            reason = "the same content is being loaded for another sensor; it is settled when that is done"
            return prepared.outcome(path, FileState.WAITING, self._lease.sensor, reason)
        learned = self._names.let_go(builder.names)
        with begun as attempt:
            self._write(attempt, staged, capture_id)
            repaired = attempt.repair(prepared.repairs) if prepared.repairs else 0
            with self.kept.by_commit() as until:
                loaded_at_ms = self._now_ms()
                attempt.commit(replace(prepared.commit(loaded_at_ms, repaired), lease_until_ms=int(until * 1000)))
            taken_at = self.monotonic()
        self._names.committed(learned)
        self._partitions.committed(prepared.manifest.own, prepared.facts.first_ts_ns, prepared.facts.last_ts_ns)
        outcome = prepared.outcome(path, FileState.LOADED, self._lease.sensor, damage_text(prepared.report), loaded_at_ms)
        return replace(outcome, write_s=taken_at - asked_at)

    def _write(self, attempt: Attempt, staged: StagedRows, capture_id: bytes) -> None:
        attempt.write(self._while_leased(staged.batches(capture_id)))

    def _while_leased(self, batches: Iterator[RowBatch]) -> Iterator[RowBatch]:
        for batch in batches:
            yield batch
            self._keep_lease()

    def _already_loaded(self, path: Path, prepared: PreparedCapture, capture_id: bytes) -> FileOutcome:
        """`capture_id`: of what is in the store, which for a file without a new packet is its first part."""
        record = self._store.capture(capture_id)
        if record is not None and record.facts.file_id != prepared.facts.file_id:
            self._lease.note_origin(prepared.facts.file_id, capture_id, self._now_ms())
        if record is None:
            outcome = prepared.outcome(path, FileState.ALREADY_LOADED, self._lease.sensor)
        else:
            elsewhere = f" of sensor {record.sensor}" if record.sensor != self._lease.sensor else ""
            reason = f"as {record.facts.file_name}{elsewhere}"
            outcome = prepared.outcome(path, FileState.ALREADY_LOADED, record.sensor, reason, record.loaded_at_ms)
        return replace(outcome, capture_id=capture_id)

    def _same_content(self, reading: CaptureReading, part: LoadedPart | None, known: Known) -> CaptureRecord | None:
        """The capture that made this whole content known: in parts as the file grew, or as a copy of the grown file."""
        if part is None:
            return known.of_origin
        return self._store.capture(reading.prefix_id) if self._store.stands(reading.prefix_id) else None

    def _part_loaded_before(self, path: Path) -> LoadedPart | None:
        """What of this file is in the store already: a file that grew after it was loaded goes on behind its first part."""
        record = self._store.capture_of_origin(file_id_of(path))
        if record is None:
            return None
        part = loaded_part(record)
        return part if first_part_matches(path, part) else None

    def _not_yet(self, path: Path, error: CaptureError) -> FileOutcome:
        reason = f"{error.reason}: {error}; it is still being written"
        return FileOutcome(file=str(path), state=FileState.WAITING, reason=reason, sensor=self._lease.sensor)

    def _quarantine(self, path: Path, error: CaptureError, *, notes: bool) -> FileOutcome:
        """A content that cannot be loaded is remembered by its hash: its file may be gone when somebody looks."""
        facts = CaptureFacts(
            capture_id=file_identity(path),
            file_name=path.name,
            file_id=file_id_of(path),
            size_bytes=path.stat().st_size,
        )
        if notes or self._is_begun(facts.capture_id):
            self._lease.quarantine(facts, error.reason, str(error), self._now_ms())
        return FileOutcome(
            file=str(path),
            state=FileState.QUARANTINED,
            reason=f"{error.reason}: {error}",
            sensor=self._lease.sensor,
            capture_id=facts.capture_id,
        )

    def _is_begun(self, capture_id: bytes) -> bool:
        """Whether an attempt at it was given up: its rows go with the quarantine."""
        record = self._store.capture(capture_id)
        return record is not None and record.state == "claimed"

    def _refused(self, path: Path, why: str) -> FileOutcome:
        reason = f"unreadable: {why}"
        return FileOutcome(file=str(path), state=FileState.QUARANTINED, reason=reason, sensor=self._lease.sensor)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
