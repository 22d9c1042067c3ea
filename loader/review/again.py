"""A committed capture decoded once more with its recorded inputs: by invariant 2 that gives the rows that it gave then.

Nothing of it is believed: what comes out has to have the capture's id, its inputs, its manifest and its commit's numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from loader.commit.inputs import settings_inputs
from loader.commit.sensornames import rules_of, stored_names
from loader.naming.cache import NameCache
from loader.naming.learned import LearnedNames
from loader.naming.listed import Inventory
from loader.naming.names import CaptureNames
from loader.reading.deep import TsharkBatch
from loader.review.openflows import OpenFlowsAgain
from loader.review.then import NotTheSameError, Then
from loader.rows.building import RowBuilder, RowContext
from loader.rows.staging import StagedRows
from loader.settings import LoaderSettings
from schema.bucketpolicy import BucketPolicy
from schema.errors import CaptureError
from schema.records import STANDALONE_SENSOR, EndpointTotals, PartitionCounts
from schema.store.reading import StoreReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """What decoding again needs besides the capture."""

    store: StoreReader
    settings: LoaderSettings
    inventory: Callable[[], Inventory]
    open_flows: OpenFlowsAgain

    @contextmanager
    def rows(self, path: Path, then: Then) -> Iterator[StagedRows]:
        """The capture's rows as they were made. Raises `NotTheSameError` where they cannot be, `OSError` for the file."""
        settings = then.settings(self.settings)
        inventory = self.inventory()
        then.refuse_other(settings_inputs(settings) | {"inventory": inventory.digest})
        part_before = then.part_before(self.store)
        began_from = self.open_flows.before(then)
        with StagedRows(settings.staging_rows) as staged, closing(self._builder(settings, inventory, then)) as builder:
            reading = then.reading(path, settings, began_from, part_before)
            try:
                for batch in reading.batches(TsharkBatch if settings.deep else None):
                    for rows in builder.build(batch):
                        staged.add(rows)
                for rows in builder.finish(reading.capture_id):
                    staged.add(rows)
            except CaptureError as error:
                raise NotTheSameError(f"its file cannot be decoded ({error.reason}: {error})") from error
            then.prove_read(reading)
            self._prove(builder, staged, then)
            if then.went_on:
                self.open_flows.hold(reading.carried)
            yield staged

    def _builder(self, settings: LoaderSettings, inventory: Inventory, then: Then) -> RowBuilder:
        sensor, version = then.record.sensor, int(then.inputs["ledger_version"])
        carries, rules = sensor != STANDALONE_SENSOR, rules_of(settings)
        told = self.store.names_as_of(sensor, version)
        policy = BucketPolicy.of_rules(self.store.bucket_rules())
        cache = NameCache(settings.max_name_entries, rules)
        cache.begin(then.record.facts.first_ts_ns)
        stored = stored_names(told, policy, cache, settings.max_others_asked)
        learned = LearnedNames(settings.max_name_entries, rules)
        names = CaptureNames(learned, rules, stored if carries else None, inventory)
        context = RowContext(sensor=sensor, seq=version + 1, policy=self._policy(then), carries=carries)
        return RowBuilder(context, names, settings.staging_rows)

    def _policy(self, then: Then) -> BucketPolicy:
        try:
            return BucketPolicy.recorded(then.inputs["bucket_policy"], self.store.bucket_rules())
        except (KeyError, ValueError) as error:
            raise NotTheSameError(f"its inputs cannot be read ({error})") from error

    def _prove(self, builder: RowBuilder, staged: StagedRows, then: Then) -> None:
        commit = then.commit
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
