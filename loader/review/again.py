"""A committed capture decoded once more with its recorded inputs: by invariant 2 that gives the rows that it gave then.

Nothing of it is believed: what comes out has to have the capture's id, its inputs, its manifest and its commit's numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from loader.commit.carried import StateUsed
from loader.commit.inputs import settings_inputs
from loader.commit.sensornames import rules_of
from loader.decode.columns import DecodeOptions
from loader.naming.cache import NameCache
from loader.naming.learned import LearnedNames
from loader.naming.listed import Inventory
from loader.naming.names import CaptureNames, StoredNames
from loader.reading.capture import CaptureReading
from loader.reading.deep import TsharkBatch
from loader.rows.building import RowBuilder, RowContext
from loader.rows.staging import StagedRows
from loader.settings import LoaderSettings
from schema.bucketpolicy import BucketPolicy
from schema.errors import CaptureError, SettingsError
from schema.records import STANDALONE_SENSOR, CaptureRecord, CommitRecord, EndpointTotals, PartitionCounts
from schema.store.reading import StoreReader

_FREE = {"rows_from_ms"}  # inputs that no column of a row depends on
_NO_STATE = StateUsed.NONE.value
_NUMBERS = (
    "idle_timeout_s",
    "active_timeout_s",
    "max_carried_flows",
    "max_name_entries",
    "name_grace_s",
    "name_late_s",
    "name_repair_s",
    "max_others_asked",
)


class NotTheSameError(Exception):
    """The rows of then cannot be made again; the message says why, in half a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """A capture as the store recorded it."""

    record: CaptureRecord
    commit: CommitRecord  # with its deltas, where they are there

    @property
    def inputs(self) -> Mapping[str, str]:
        """What its rows depended on."""
        return self.record.inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """What decoding again needs besides the capture."""

    store: StoreReader
    settings: LoaderSettings
    inventory: Callable[[], Inventory]

    @contextmanager
    def rows(self, path: Path, then: Then) -> Iterator[StagedRows]:
        """The capture's rows as they were made. Raises `NotTheSameError` where they cannot be, `OSError` for the file."""
        settings = _settings_then(self.settings, then.inputs)
        inventory = self.inventory()
        _refuse_another_world(settings, inventory, then)
        with StagedRows(settings.staging_rows) as staged, closing(self._builder(settings, inventory, then)) as builder:
            reading = _reading(path, settings, then)
            try:
                for batch in reading.batches(TsharkBatch if settings.deep else None):
                    for rows in builder.build(batch):
                        staged.add(rows)
                for rows in builder.finish(reading.capture_id):
                    staged.add(rows)
            except CaptureError as error:
                raise NotTheSameError(f"its file cannot be decoded ({error.reason}: {error})") from error
            self._prove(reading, builder, staged, then)
            yield staged

    def _builder(self, settings: LoaderSettings, inventory: Inventory, then: Then) -> RowBuilder:
        sensor, version = then.record.sensor, int(then.inputs["ledger_version"])
        carries, rules = sensor != STANDALONE_SENSOR, rules_of(settings)
        told = self.store.names_as_of(sensor, version)
        stored = StoredNames(
            cache=NameCache(settings.max_name_entries, rules),
            tell=told.names_told,
            tell_at=told.names_told_at,
            tell_of=told.names_told_of,
            most_asked=settings.max_others_asked,
        )
        learned = LearnedNames(settings.max_name_entries, rules)
        names = CaptureNames(learned, rules, stored if carries else None, inventory)
        context = RowContext(sensor=sensor, seq=version + 1, policy=self._policy(then), carries=carries)
        return RowBuilder(context, names, settings.staging_rows)

    def _policy(self, then: Then) -> BucketPolicy:
        try:
            return BucketPolicy.recorded(then.inputs["bucket_policy"], self.store.bucket_rules())
        except (KeyError, ValueError) as error:
            raise NotTheSameError(f"its inputs cannot be read ({error})") from error

    def _prove(self, reading: CaptureReading, builder: RowBuilder, staged: StagedRows, then: Then) -> None:
        if reading.capture_id != then.record.facts.capture_id:
            raise NotTheSameError("its file has another content by now")
        if reading.deep_outcome != then.inputs.get("deep"):
            raise NotTheSameError(f"tshark then: {then.inputs.get('deep')}, now: {reading.deep_outcome}")
        commit, report = then.commit, reading.report
        packets = (report.frames, report.flow_packets, dict(report.non_flow))
        if packets != (commit.frames, commit.flow_packets, dict(commit.non_flow)):
            raise NotTheSameError("decoding it again gives other packets than its commit has")
        if commit.deltas is None and then.record.sensor != STANDALONE_SENSOR:
            raise NotTheSameError("the ledger has no more what its commit added, so nothing proves the names of its flows")
        if commit.deltas is not None and _counted(builder.endpoint_deltas()[0]) != _counted(commit.deltas.endpoints):
            raise NotTheSameError("its flows would be named differently: what named them then has expired")
        if staged.manifest().own_rows != dict(commit.rows):
            raise NotTheSameError("decoding it again gives other numbers of rows than its commit has")
        stated = _digest(self.store.partitions(commit.capture_id))
        if stated and stated != _digest(staged.manifest().own):
            raise NotTheSameError("decoding it again gives rows in other partitions than its manifest has")


def _digest(parts: Iterable[PartitionCounts]) -> int:
    """Of partitions and the rows in each, in whatever order and parts they come; 0: there are none."""
    digest = 0
    for part in parts:
        for partition, rows in zip(part.partitions, part.rows, strict=True):
            told = blake2b(repr((part.table, partition, rows)).encode(), digest_size=16).digest()
            digest = (digest + int.from_bytes(told)) % (1 << 128)
    return digest


def _counted(endpoints: Mapping[str, EndpointTotals]) -> dict[str, EndpointTotals]:
    return {name: totals for name, totals in endpoints.items() if any(totals)}


def _settings_then(settings: LoaderSettings, inputs: Mapping[str, str]) -> LoaderSettings:
    """The settings of now, with those that change rows as they were."""
    try:
        numbers: dict[str, Any] = {name: int(inputs[name]) for name in _NUMBERS}
        return replace(
            settings,
            **numbers,
            packets=inputs["packets"] == "true",
            deep=inputs["deep"] != "off",
        )
    except (KeyError, ValueError, SettingsError) as error:
        raise NotTheSameError(f"its inputs cannot be read ({error})") from error


def _refuse_another_world(settings: LoaderSettings, inventory: Inventory, then: Then) -> None:
    now = settings_inputs(settings) | {"inventory": inventory.digest}
    for name, value in now.items():
        if then.inputs.get(name) != value and name not in _FREE:
            raise NotTheSameError(f"{name} was {then.inputs.get(name)!r}, now it is {value!r}")
    if then.inputs.get("prefix") != then.record.facts.capture_id.hex():
        raise NotTheSameError("it is what a file grew by after it was loaded")
    state = then.inputs.get("state", "")
    if state != _NO_STATE and not state.startswith((f"{StateUsed.UNREADABLE.value}:", "0:")):
        raise NotTheSameError("it goes on from open flows that the store has no more")


def _reading(path: Path, settings: LoaderSettings, then: Then) -> CaptureReading:
    options = DecodeOptions(
        idle_timeout_s=settings.idle_timeout_s,
        active_timeout_s=settings.active_timeout_s,
        max_carried_flows=settings.max_carried_flows,
        carries=then.inputs["state"] != _NO_STATE,
        packets=settings.packets,
    )
    return CaptureReading(path, options, None, identify=True)
