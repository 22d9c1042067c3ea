"""What a loader counts of captures that come from elsewhere: a part of its page."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class RemoteTelemetry:
    """On the loader's page; every method may be called from any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._arrived = Counter(
            "pcapline_remote_references", "References to captures that came from elsewhere.", registry=registry
        )
        self._acknowledged = Counter(
            "pcapline_remote_acknowledged", "References acknowledged, by what became of them.", ["fate"], registry=registry
        )
        self._dropped = Counter(
            "pcapline_remote_dropped", "References that are not loaded here, by reason.", ["reason"], registry=registry
        )
        self._stuck = Counter(
            "pcapline_remote_stuck", "Attempts to take away an object that its bucket did not let go.", registry=registry
        )
        self._held = Gauge(
            "pcapline_remote_held",
            "References held: to be fetched, fetched and here, or settled and not acknowledged.",
            ["stage"],
            registry=registry,
        )
        self._held_bytes = Gauge("pcapline_remote_held_bytes", "Bytes fetched and still here.", registry=registry)
        self._fetched_bytes = Counter("pcapline_remote_fetched_bytes", "Bytes of captures fetched.", registry=registry)
        self._up = Gauge("pcapline_remote_up", "1 while the source of captures answers.", registry=registry)
        self.answers(True)

    def arrived(self, references: int) -> None:
        """So many came from elsewhere; each ends as acknowledged or dropped."""
        self._arrived.inc(references)

    def acknowledged(self, fate: str) -> None:
        """A reference is dealt with; `fate` is from a fixed set."""
        self._acknowledged.labels(fate).inc()

    def dropped(self, reason: str, references: int) -> None:
        """References are not loaded here; `reason` is from a fixed set."""
        self._dropped.labels(reason).inc(references)

    def stuck(self) -> None:
        """An object could not be taken away; it is tried again."""
        self._stuck.inc()

    def holds(self, waiting: int, files: int, settled: int, size: int) -> None:
        """References to be fetched; files fetched and still here, and their bytes; references that are not acknowledged yet."""
        self._held.labels("waiting").set(waiting)
        self._held.labels("fetched").set(files)
        self._held.labels("settled").set(settled)
        self._held_bytes.set(size)

    def fetched(self, size: int) -> None:
        """Bytes came."""
        self._fetched_bytes.inc(size)

    def answers(self, up: bool) -> None:
        """Whether the source of captures answers."""
        self._answers = up
        self._up.set(up)

    def ready(self) -> str | None:
        """None while it answers, else why not, in one line."""
        return None if self._answers else "the source of captures does not answer; what is here is loaded"
