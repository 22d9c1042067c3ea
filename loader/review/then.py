"""A committed capture decoded once more as it was then: what was recorded of it, and what proves that it came out the same."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loader.commit.carried import StateUsed
from loader.commit.inputs import loaded_part
from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading, LoadedPart, PartOfFile
from loader.settings import LoaderSettings
from schema.errors import SettingsError
from schema.records import CaptureRecord, CommitRecord
from schema.store.reading import StoreReader

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
    """What was made then cannot be made again; the message says why, in half a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """A capture as the store recorded it."""

    record: CaptureRecord
    commit: CommitRecord  # with its deltas, where they are there

    @property
    def inputs(self) -> Mapping[str, str]:
        """What its rows depended on."""
        return self.record.inputs

    @property
    def went_on(self) -> bool:
        """Whether it was in its place in its sensor's order, with or without open flows to go on from."""
        return self.inputs.get("state", StateUsed.NONE.value) != StateUsed.NONE.value

    @property
    def began_from(self) -> str:
        """Digest of the open flows that it went on from; "": there were none. Raises `NotTheSameError` where damaged inputs do
        not tell it."""
        state, digest = self.inputs.get("state", ""), self.inputs.get("carried", "")
        if digest or not self.went_on or state.startswith((f"{StateUsed.UNREADABLE.value}:", "0:")):
            return digest
        raise NotTheSameError("its inputs do not tell which open flows it goes on from")

    def settings(self, now: LoaderSettings) -> LoaderSettings:
        """The settings of now, with those that change rows as they were. Raises `NotTheSameError`."""
        try:
            numbers: dict[str, Any] = {name: int(self.inputs[name]) for name in _NUMBERS}
            return replace(now, **numbers, packets=self.inputs["packets"] == "true", deep=self.inputs["deep"] != "off")
        except (KeyError, ValueError, SettingsError) as error:
            raise NotTheSameError(f"its inputs cannot be read ({error})") from error

    def refuse_other(self, now: Mapping[str, str]) -> None:
        """Raise `NotTheSameError` where an input is another now."""
        for name, value in now.items():
            if self.inputs.get(name) != value:
                raise NotTheSameError(f"{name} was {self.inputs.get(name)!r}, now it is {value!r}")

    def part_before(self, store: StoreReader) -> LoadedPart | None:
        """What of its file was loaded before it; None: nothing. Raises `NotTheSameError` where that is not known any more."""
        if self.inputs.get("prefix") == self.record.facts.capture_id.hex():
            return None
        try:
            after = bytes.fromhex(self.inputs.get("after", ""))
            record = store.capture(after) if after else None
            if record is not None:
                return loaded_part(record)
        except ValueError as error:
            raise NotTheSameError(f"its inputs, or those of the part before it, cannot be read ({error})") from error
        raise NotTheSameError("it is what a file grew by, and what was loaded of that file before is not known")

    def reading(
        self, path: Path, settings: LoaderSettings, began_from: bytes | None, part_before: LoadedPart | None
    ) -> CaptureReading:
        """Its file, or one that has grown since, to be decoded as then; `settings`: of then."""
        options = DecodeOptions(
            idle_timeout_s=settings.idle_timeout_s,
            active_timeout_s=settings.active_timeout_s,
            max_carried_flows=settings.max_carried_flows,
            carries=self.went_on,
            packets=settings.packets,
        )
        part = PartOfFile(after=part_before, until=self.record.facts.content_bytes)
        return CaptureReading(path, options, began_from, True, part)

    def prove_read(self, reading: CaptureReading) -> None:
        """Raise `NotTheSameError` where a file that was decoded is not the capture, or its packets came out otherwise."""
        if reading.capture_id != self.record.facts.capture_id:
            raise NotTheSameError("its file has another content by now")
        if reading.deep_outcome != self.inputs.get("deep"):
            raise NotTheSameError(f"tshark then: {self.inputs.get('deep')}, now: {reading.deep_outcome}")
        commit, report = self.commit, reading.report
        packets = (report.frames, report.flow_packets, dict(report.non_flow))
        if reading.state_refused or packets != (commit.frames, commit.flow_packets, dict(commit.non_flow)):
            raise NotTheSameError("decoding it again gives other packets than its commit has")
