"""The sensors that this loader has taken: their leases, their loaders, and the file number each expects next."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from loader.backoff import is_over
from loader.carried import NO_SEQUENCE, CarriedState
from loader.naming.listed import Inventory
from loader.pipeline import SensorLoader
from loader.sensornames import inventory_of
from loader.settings import LoaderSettings
from schema.capture_names import CaptureName
from schema.errors import STORE_WIDE, LeaseHeldError, StoreError
from schema.store.port import Store

_HELD_POLL_S = 1.0  # how often a lease that somebody else holds is asked for again


@dataclass(slots=True)
class LeasedSensor:
    """A sensor that this loader holds, and where its files stand."""

    loader: SensorLoader
    expected_sequence: int | None  # None: none of its files had a number
    newest_start_ns: int = 0  # of the newest numbered file, by the sensor's clock

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
    """Takes sensors when their first file comes, keeps them while it runs. One thread uses it."""

    store: Store
    settings: LoaderSettings
    network: str
    owner: str  # HOST:PID:RANDOM
    clock: Callable[[], float]
    tell: Callable[[str], None]
    _inventory: Callable[[], Inventory] = field(init=False)
    _held: dict[str, LeasedSensor] = field(default_factory=dict, init=False)
    # sensor -> when to ask again, and who has it
    _elsewhere: dict[str, tuple[float, str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._inventory = inventory_of(self.settings, self.tell)
        self._inventory()  # what is wrong with it is told now, not when the first capture comes

    def take(self, sensor: str) -> LeasedSensor | None:
        """The sensor, taken if it is not; None while another loader has it. Raises `StoreError`."""
        held = self._held.get(sensor)
        if held is None and is_over(self._elsewhere.get(sensor, (0.0, ""))[0], self.clock()):
            held = self._take(sensor)
        return held

    def _take(self, sensor: str) -> LeasedSensor | None:
        now = self.clock()
        until_ms = int((now + self.settings.lease_s) * 1000)
        try:
            lease = self.store.take_sensor(sensor, self.network, self.owner, until_ms)
        except LeaseHeldError as error:
            if sensor not in self._elsewhere:
                self.tell(str(error))
            self._elsewhere[sensor] = now + _HELD_POLL_S, error.owner
            return None
        self._elsewhere.pop(sensor, None)
        state = CarriedState.decode(lease.carried())
        self._held[sensor] = held = LeasedSensor(
            loader=SensorLoader(self.store, lease, self.settings, self.clock, self._inventory),
            expected_sequence=None if state.sequence == NO_SEQUENCE else state.sequence + 1,
            newest_start_ns=state.first_ts_ns,
        )
        return held

    def drop(self, sensor: str) -> None:
        """Begin again from the sensor's ledger: the lease is lost, or nobody knows how an attempt ended."""
        self._held.pop(sensor, None)

    def held_elsewhere(self, sensor: str) -> str:
        """Which other loader had the sensor when it was last asked for; empty: none had."""
        return self._elsewhere.get(sensor, (0.0, ""))[1]

    def expected_sequence(self, sensor: str) -> int | None:
        """The file number that a sensor which is held expects next."""
        held = self._held.get(sensor)
        return None if held is None else held.expected_sequence

    def held(self) -> list[str]:
        """Sensors whose lease this loader holds."""
        return sorted(self._held)

    def renew(self) -> None:
        """Keep all leases, long before they end; raises `StoreError` where the store is away."""
        until_ms = int((self.clock() + self.settings.lease_s) * 1000)
        for sensor, held in list(self._held.items()):
            try:
                held.loader.lease.renew(until_ms)
            except STORE_WIDE:
                raise
            except StoreError as error:  # this sensor's alone: it is taken anew with its next file
                self.drop(sensor)
                self.tell(str(error))

    def release(self, *, keep: Collection[str] = ()) -> None:
        """Let other loaders have the sensors, but for some, at once."""
        for sensor, held in list(self._held.items()):
            if sensor in keep:
                continue
            self.drop(sensor)
            try:
                held.loader.lease.release()
            except StoreError:
                self.tell(f"the store did not take the lease of {sensor} back; it ends by itself")
