"""Object storage as a source: what is listed below a prefix is what there is to load."""

from bisect import insort
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from loader.remote.addresses import listed_place, refuse_bad_key
from loader.remote.departures import Departures
from loader.remote.leaving import Root
from loader.remote.objects import Found
from loader.remote.port import Arrivals, Fate, ObjectVersion, Reference, Refusal, RefusedError, Settled

_A_SENSOR = 64  # references of one sensor at a time: the next ones are listed again when these are gone
_MAX_KNOWN = 262_144  # objects that stay and are remembered; the oldest beyond are fetched again, which changes nothing


@dataclass(slots=True)
class Oldest:
    """Of each folder the objects that come first by their keys, so many at most less those that are held already."""

    limit: int
    held: Counter[str]
    _found: dict[str, list[Found]] = field(default_factory=dict, init=False)

    def add(self, found: Found) -> None:
        """One more object, in any order."""
        folder = found.key.rpartition("/")[0]
        ones = self._found.setdefault(folder, [])
        insort(ones, found, key=lambda one: one.key)
        del ones[max(0, self.limit - self.held[folder]) :]

    def all(self) -> list[Found]:
        """The first of each folder, then the second of each ..."""
        rounds = zip_longest(*self._found.values())
        return [found for ones in rounds for found in ones if found is not None]


@dataclass(slots=True)
class ListingSource:
    """Lists every so often. An object is known by its key and version: one that is replaced is a new one."""

    root: Root
    departures: Departures
    default_sensor: str
    poll_s: float
    clock: Callable[[], float]
    _held: dict[str, ObjectVersion] = field(default_factory=dict, init=False)  # handed out
    _stays: dict[str, ObjectVersion] = field(default_factory=dict, init=False)  # refused, or kept
    _listed_at: float = field(default=float("-inf"), init=False)

    def arrivals(self, room: int) -> Arrivals:
        """Raises `SourceAwayError`."""
        if room <= 0 or self.clock() - self._listed_at < self.poll_s:
            return Arrivals()
        refusals: list[Refusal] = []
        oldest = Oldest(_A_SENSOR, self._moving())
        for found in self.root.bucket.objects(self.root.address.prefix + "/"):
            try:
                if self._is_new(found):
                    oldest.add(found)
            except RefusedError as error:
                refusals.append(Refusal(reason=error.reason, detail=f"{found.key[:200]!r} is passed over: {error}"))
                self._remember(found.key, found.version)
        references = [self._reference(found) for found in oldest.all()[:room]]
        self._held.update({reference.key: reference.version for reference in references if reference.version is not None})
        self._listed_at = self.clock()
        return Arrivals(references=references, refusals=refusals)

    def _moving(self) -> Counter[str]:
        """How many are held of each folder; those that cannot leave it do not keep the next ones out."""
        stuck = {reference.key for reference in self.departures.stuck()}
        return Counter(key.rpartition("/")[0] for key in self._held.keys() - stuck)

    def _is_new(self, found: Found) -> bool:
        known = self._stays.get(found.key)
        if found.key in self._held or (known is not None and known.is_same(found.version)):
            return False
        return self._place(found) is not None

    def _place(self, found: Found) -> tuple[str, str] | None:
        place = listed_place(found.key.removeprefix(self.root.address.prefix + "/"), self.default_sensor)
        if place is not None:
            refuse_bad_key(found.key)
        return place

    def _reference(self, found: Found) -> Reference:
        place = self._place(found)
        assert place is not None
        sensor, name = place
        return Reference(
            token=(found.key, found.version),
            root=self.root.address.url,
            key=found.key,
            sensor=sensor,
            name=name,
            told=f"{self.root.address.bucket}/{found.key}",
            version=found.version,
            size=found.version.size,
        )

    def acknowledge(self, settled: Sequence[Settled]) -> Sequence[Settled]:
        """Disposing of the object is the acknowledgement."""
        self.departures.add(settled)
        done = self.departures.go()
        for one in done:
            self._let_go(one)
        return done

    def _let_go(self, one: Settled) -> None:
        reference = one.reference
        listed = self._held.pop(reference.key, None)
        version = one.version or listed
        stays = one.fate is Fate.LEFT or (self.departures.leaving.after == "keep" and one.fate is not Fate.REFUSED)
        if stays and version is not None:
            self._remember(reference.key, version)

    def _remember(self, key: str, version: ObjectVersion) -> None:
        self._stays.pop(key, None)
        self._stays[key] = version
        if len(self._stays) > _MAX_KNOWN:
            del self._stays[next(iter(self._stays))]

    def close(self) -> None:
        """Nothing is held at the server."""
