"""Settings of the loader; the grammar that reads them is `schema.settings`."""

from dataclasses import dataclass

from loader.marks import refuse_crossed
from schema.buckets import GRANULARITIES
from schema.errors import SettingsError
from schema.settings import file_setting

MOST_WORKERS = 64
AFTER = ("archive", "delete", "keep")
DISK_POLICIES = ("stop", "drop")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """Every field with its default; durations in seconds. Those marked (rows) change rows and are recorded inputs."""

    idle_timeout_s: int = 60  # (rows) a flow silent for so long, by packet time, has ended
    active_timeout_s: int = 1800  # (rows) a flow row is cut after so long
    max_carried_flows: int = 65_536  # (rows) open flows handed from one capture to the next
    max_name_entries: int = 262_144  # (rows) names held in memory, of all sensors together; the store holds the rest
    name_grace_s: int = 60  # (rows) a name that DNS told holds so long after its TTL
    name_late_s: int = 300  # (rows) an answer names flows that started so long before it
    name_repair_s: int = 86_400  # (rows) an answer out of order names flows that started so long after it, at most
    max_others_asked: int = 10_000  # (rows) addresses of a capture for which is asked what other clients were told
    inventory: str = file_setting()  # (rows, by its content) file of the names of your own addresses; none without
    packets: bool = False  # (rows) write the `packets` table: one row a packet
    deep: bool = True  # (rows) ask tshark about frames of link types that the decoder does not read
    bucket: str = "hour"  # (rows) day | hour | 10min | min: length of partitions; of hot addresses and names it is less
    staging_rows: int = 32_768  # rows of one capture, or sums by one key, held in memory; more go to temporary files
    workers: int = 1  # loader processes of one watch; they share its sensors (docs/decisions/0022)
    lease_s: int = 30  # a loader that dies keeps its sensors for so long at most
    settle_s: float = 2.0  # a foreign file is ready when closed, or unchanged for so long
    gap_wait_s: float = 10.0  # how long a missing file number may hold up its sensor's next file
    rescan_s: float = 5.0  # directory scan beside the file events
    grace_s: int = 60  # an input stays so long after its commit, before it is archived or deleted
    after: str = "archive"  # archive | delete | keep: what becomes of a loaded input
    disk_policy: str = "stop"  # stop | drop: what is done about a disk that is nearly full (docs/decisions/0017)
    disk_high_free: int | str = 268_435_456  # high water mark: with less free on the disk of the captures it is; 0: never
    disk_low_free: int | str = 536_870_912  # low water mark: it is until so much is free again; both are bytes, or both "5%"
    retention_s: int = 60  # how often expired rows are deleted, where the store does not do so itself
    retention_rows: int = 20_000  # at most so many in one step
    archive_check_s: int = 60  # how often the archive is held against the ledger
    archive_check_bytes: int = 67_108_864  # of its files so many bytes are read at a time, all of them by turns
    listen: str = "127.0.0.1:10111"  # the loader's own /metrics
    web_config: str = file_setting()  # TLS, and who may ask there: a file in the format of Prometheus' exporter-toolkit

    def __post_init__(self) -> None:
        """Refuse words that stand for nothing."""
        if self.bucket not in GRANULARITIES:
            raise SettingsError(f"loader.bucket is {self.bucket!r}: give one of {', '.join(GRANULARITIES)}")
        if not 1 <= self.workers <= MOST_WORKERS:
            raise SettingsError(f"loader.workers is {self.workers}: give 1 to {MOST_WORKERS}")
        if self.after not in AFTER:
            raise SettingsError(f"loader.after is {self.after!r}: give one of {', '.join(AFTER)}")
        if self.disk_policy not in DISK_POLICIES:
            raise SettingsError(f"loader.disk_policy is {self.disk_policy!r}: give one of {', '.join(DISK_POLICIES)}")
        refuse_crossed(("loader.disk_high_free", self.disk_high_free), ("loader.disk_low_free", self.disk_low_free))
