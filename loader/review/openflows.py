"""The open flows that a capture of a sensor went on from, made again: by decoding the captures before it, from one on whose
beginning is known. Each state is held to the digest that the next capture's inputs recorded of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from loader.archive.finding import CaptureFiles
from loader.commit.inputs import DECODER_VERSION, digest_of, keeps_beginning
from loader.reading.deep import TsharkBatch
from loader.review.then import NotTheSameError, Then
from loader.settings import LoaderSettings
from schema.errors import CaptureError
from schema.store.reading import StoreReader

FURTHEST_BACK = 256  # commits before a capture that are looked through
_HELD = 2  # states: of the capture in hand, and of the next one


@dataclass(slots=True)
class OpenFlowsAgain:
    """What captures began with. Whoever asks for those of a sensor in their order has each file decoded once."""

    store: StoreReader
    settings: LoaderSettings
    files: CaptureFiles | None  # None: nobody said where they are
    furthest_back: int = FURTHEST_BACK
    _held: dict[str, bytes] = field(default_factory=dict, init=False)  # by digest
    _broken: dict[bytes, str] = field(default_factory=dict, init=False)  # why captures cannot be gone through, by their id

    def before(self, then: Then) -> bytes | None:
        """The open flows that the capture began with; None: with none. Raises `NotTheSameError` where they cannot be made."""
        if not then.began_from:
            return None
        if then.began_from not in self._held:
            links = self._links(then)
            for back, link in zip(range(len(links), 0, -1), links, strict=True):
                try:
                    self._decode(link)
                except NotTheSameError as error:
                    raise self._broken_by(error, link, back) from error
        return self._known(then)

    def hold(self, open_flows: bytes) -> None:
        """Remember what a capture left, for the one behind it."""
        self._held[digest_of(open_flows)] = open_flows
        while len(self._held) > _HELD:
            del self._held[next(iter(self._held))]

    def _links(self, then: Then) -> list[Then]:
        """The captures that lead up to it, from the one on whose beginning is known."""
        links: list[Then] = []
        for link in self._before(then):
            links.append(link)
            if link.record.facts.capture_id in self._broken:
                raise self._broken_at(link, len(links))
            try:
                if self._is_begun(link):
                    return links[::-1]
            except NotTheSameError as error:
                raise self._broken_by(error, link, len(links)) from error
        raise NotTheSameError(
            f"what none of the {len(links)} captures before it began with is known (up to {self.furthest_back} commits are"
            " looked through), so neither are the open flows that it goes on from"
        )

    def _broken_by(self, error: NotTheSameError, link: Then, back: int) -> NotTheSameError:
        """The same told of a capture that goes on from the link, and remembered for the next one."""
        self._broken[link.record.facts.capture_id] = str(error)
        return self._broken_at(link, back)

    def _broken_at(self, link: Then, back: int) -> NotTheSameError:
        name, why = link.record.facts.file_name, self._broken[link.record.facts.capture_id]
        captures = "captures" if back > 1 else "capture"
        return NotTheSameError(f"the open flows that it goes on from are lost with {name}, {back} {captures} before it: {why}")

    def _before(self, then: Then) -> Iterator[Then]:
        """Captures of the sensor in order before it, the newest first; those that came out of order move no flows."""
        seq = then.commit.position.seq
        behind = self.store.commits(then.record.sensor, max(seq - 1 - self.furthest_back, 0))
        for commit in reversed(list(takewhile(lambda each: each.position.seq < seq, behind))):
            record = self.store.capture(commit.capture_id)
            if record is None:
                raise NotTheSameError("a capture before it, which it goes on from, has no record of its own")
            if (link := Then(record=record, commit=commit)).went_on:
                yield link

    def _is_begun(self, link: Then) -> bool:
        """Whether it is known what a capture began with."""
        if not link.began_from or link.began_from in self._held:
            return True
        if keeps_beginning(int(link.inputs["ledger_version"]), int(link.inputs["state"].partition(":")[0])):
            kept = self.store.began_from(link.record.facts.capture_id)
            if kept:
                self.hold(kept)
            return bool(kept)
        return False

    def _known(self, then: Then) -> bytes | None:
        """What a capture began with, which is held by now if it came out as recorded."""
        if then.began_from and then.began_from not in self._held:
            raise NotTheSameError("it goes on from other open flows than decoding the captures before it gives")
        return self._held.get(then.began_from)

    def _decode(self, link: Then) -> None:
        """Hold what a capture left."""
        began_from = self._known(link)
        part_before = link.part_before(self.store)
        path = self.files.of(link.record) if self.files else None
        if path is None:
            raise NotTheSameError("its file is not at hand")
        link.refuse_other({"decoder": DECODER_VERSION})
        settings = link.settings(self.settings)
        reading = link.reading(path, settings, began_from, part_before)
        try:
            for _ in reading.batches(TsharkBatch if settings.deep else None):
                pass
        except CaptureError as error:
            raise NotTheSameError(f"its file cannot be decoded ({error.reason}: {error})") from error
        except OSError as error:
            raise NotTheSameError(f"its file cannot be read ({error.strerror or error})") from error
        link.prove_read(reading)
        self.hold(reading.carried)
