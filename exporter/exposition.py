"""The metrics page: what the ledgers say is written ahead, when it changes; the rest when it is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from exporter.metrics import of_build, of_ledgers, of_moment
from exporter.snapshot import Snapshot

_END = b"# EOF\n"  # of an OpenMetrics page
# Content types that are written ahead: text, OpenMetrics, and two more as clients name them.
_KINDS = 4


@dataclass(frozen=True, slots=True)
class _Shown:
    """A snapshot, and what its ledgers say by content type."""

    snapshot: Snapshot
    ledgers: dict[str, bytes] = field(default_factory=dict)


class Exposition:
    """The metrics page of one exporter: the snapshot it was shown last, and the process itself. `show` is for one thread,
    `page` for any."""

    def __init__(self, snapshot: Snapshot, version: str) -> None:
        self._shown = _Shown(snapshot)
        self._encoders: dict[str, Callable[[CollectorRegistry], bytes]] = {}  # of the content types that were asked for
        self._process = CollectorRegistry()
        self._process.register(_Families(lambda: of_build(version)))
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)

    def show(self, snapshot: Snapshot) -> None:
        """From now on, this one. Takes 10 us a series where its ledgers say something else than those of the one before."""
        ledgers = self._shown.ledgers
        if snapshot.networks != self._shown.snapshot.networks:
            ledgers = {content_type: _written(encode, snapshot) for content_type, encode in list(self._encoders.items())}
        self._shown = _Shown(snapshot, ledgers)

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """The exposition and its content type, chosen by an `Accept` header. All of it is of one snapshot."""
        encode, content_type = choose_encoder(accept)
        shown = self._shown
        ledgers = shown.ledgers.get(content_type)
        if ledgers is None:
            ledgers = _written(encode, shown.snapshot)
            if len(self._encoders) < _KINDS:
                self._encoders[content_type] = encode
                shown.ledgers[content_type] = ledgers
        moment = CollectorRegistry()
        moment.register(_Families(lambda: of_moment(shown.snapshot)))
        return b"".join((ledgers, encode(moment).removesuffix(_END), encode(self._process))), content_type


def _written(encode: Callable[[CollectorRegistry], bytes], snapshot: Snapshot) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Families(lambda: of_ledgers(snapshot)))
    return encode(registry).removesuffix(_END)


class _Families(Collector):
    """Builds its metrics anew each time, so that what is gone is gone from the page."""

    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return self._families()
