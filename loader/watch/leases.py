"""The sensors that this loader has taken: their leases, their loaders, and the file number each expects next."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from loader.commit.carried import NO_SEQUENCE, CarriedState
from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.settings import LoaderSettings
from loader.watch.elsewhere import Elsewhere
from loader.watch.fellows import ALONE, Fellows
from schema.capture_names import CaptureName
from schema.errors import STORE_WIDE, LeaseHeldError, StoreError
from schema.store.writing import Store

_UNUSED_S = 600.0  # a sensor without a file for so long is let go: it costs nothing to take it again


@dataclass(slots=True)
class LeasedSensor:
    """A sensor that this loader holds, and where its files stand."""

    loader: SensorLoader
    expected_sequence: int | None  # None: none of its files had a number
    used_at: float
    newest_start_ns: int = 0  # of the newest numbered file, by the sensor's clock
    looked_at: bool = False  # whether the ledger, as it was when it was taken, holds what was answered for before

    def loaded(self, name: CaptureName | None) -> None:
        """A file is answered for; a late one moves nothing, a count that began again (newer, and lower) is followed."""
        if name is None:
            return
        expected = self.expected_sequence
        if expected is None or name.sequence >= expected or name.started_ns > self.newest_start_ns:
            self.expected_sequence = name.sequence + 1
            self.newest_start_ns = max(self.newest_start_ns, name.started_ns)


@dataclass(slots=True)
class LeasedSensors:
    """Takes sensors when their first file comes, keeps them while it runs. One thread uses it, but for `keep`."""

    store: Store
    settings: LoaderSettings
    network: str
    owner: str  # HOST:PID:RANDOM
    clock: Callable[[], float]
    tell: Callable[[str], None]
    fellows: Fellows = ALONE
    shared: Shared = field(init=False)
    _held: dict[str, LeasedSensor] = field(default_factory=dict, init=False)
    _doubtful: set[str] = field(default_factory=set, init=False)  # `keep` could not renew these
    _elsewhere: Elsewhere = field(init=False)

    def __post_init__(self) -> None:
        self._elsewhere = Elsewhere(self.fellows)
        self.shared = Shared.of(self.store, self.settings, self.tell)
        self.shared.inventory()  # what is wrong with it is told now, not when the first capture comes

    def take(self, sensor: str) -> LeasedSensor | None:
        """The sensor, taken if it is not; None while another loader has it. Raises `StoreError`."""
        now = self.clock()
        held = self._held.get(sensor)
        if held is not None and now >= held.loader.kept.until:
            self._ask_again(sensor, held)
            held = self._held.get(sensor)
        if held is None and self.may_take(sensor):
            held = self._take(sensor)
        if held is not None:
            held.used_at = now
        return held

    def may_take(self, sensor: str) -> bool:
        """Whether it is worth while to ask for the sensor now, where it is not held here."""
        return sensor in self._held or self._elsewhere.may_ask(sensor, self.clock(), len(self._held))

    def _take(self, sensor: str) -> LeasedSensor | None:
        now = self.clock()
        try:
            lease = self.store.take_sensor(sensor, self.network, self.owner, int((now + self.settings.lease_s) * 1000))
        except LeaseHeldError as error:
            if self._elsewhere.is_held(sensor, error.owner, now):
                self.tell(str(error))
            return None
        self._elsewhere.is_taken(sensor)
        state = CarriedState.decode(lease.carried())
        self.shared.partitions.read_again()
        self._held[sensor] = held = LeasedSensor(
            loader=SensorLoader(self.store, lease, self.settings, self.clock, self.shared),
            expected_sequence=None if state.sequence == NO_SEQUENCE else state.sequence + 1,
            used_at=now,
            newest_start_ns=state.first_ts_ns,
        )
        return held

    def drop(self, sensor: str) -> None:
        """Begin again from the sensor's ledger: the lease is lost, or nobody knows how an attempt ended."""
        self._held.pop(sensor, None)

    def expected_sequence(self, sensor: str) -> int | None:
        """The file number that a sensor which is held expects next."""
        held = self._held.get(sensor)
        return None if held is None else held.expected_sequence

    def held(self) -> list[str]:
        """Sensors whose lease this loader holds."""
        return sorted(self._held)

    def held_elsewhere(self, sensor: str) -> str:
        """Which other loader had the sensor when it was last asked for; empty: none had."""
        return self._elsewhere.holder(sensor)

    def keep(self) -> None:
        """Keep all leases, long before they end: called by the timer's own thread, so that none runs out while a capture
        takes long. Decides nothing: what cannot be renewed is left to `ask_for_doubtful`."""
        for sensor, held in self._held.copy().items():
            try:
                held.loader.kept.keep_in_time()
            except STORE_WIDE:
                return  # the loop will see it, too
            except StoreError:
                self._doubtful.add(sensor)

    def ask_for_doubtful(self) -> None:
        """Whether those that `keep` could not renew are lost. Raises `StoreError` where the store is away."""
        for sensor in self._doubtful.copy():
            if held := self._held.get(sensor):
                self._ask_again(sensor, held)
            self._doubtful.discard(sensor)

    def _ask_again(self, sensor: str, held: LeasedSensor) -> None:
        """Whether a lease still stands that may have run out: while this process slept, or the store was away."""
        try:
            held.loader.kept.renew()
        except STORE_WIDE:
            raise
        except StoreError as error:
            self.drop(sensor)
            self.tell(str(error))

    def fellow_ended(self) -> None:
        """What it held may be taken at once."""
        self._elsewhere.ask_at_once()

    def share(self, sensor: str) -> None:
        """Let a fellow that holds fewer have a sensor."""
        self._elsewhere.is_given_away(sensor, self.clock())
        self._let_go(sensor)

    def let_go_unused(self) -> None:
        """Sensors that send nothing any more need no loader."""
        now = self.clock()
        for sensor in [sensor for sensor, held in self._held.items() if now - held.used_at > _UNUSED_S]:
            self._let_go(sensor)

    def release(self, *, keep: Collection[str] = ()) -> None:
        """Let other loaders have the sensors, but for some, at once."""
        for sensor in [sensor for sensor in self._held if sensor not in keep]:
            self._let_go(sensor)

    def _let_go(self, sensor: str) -> None:
        held = self._held.pop(sensor)
        try:
            held.loader.lease.release()
        except StoreError:
            self.tell(f"the store did not take the lease of {sensor} back; it ends by itself")
