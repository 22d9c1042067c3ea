"""Settings of what feeds a spool from elsewhere; the grammar that reads them is `schema.settings`."""

from dataclasses import dataclass

from loader.settings import AFTER
from schema.errors import SettingsError
from schema.settings import file_setting


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """Every field with its default; durations in seconds."""

    source: str = (
        ""  # where captures come from beside the directory: s3://BUCKET/PREFIX (gs, az, file) or kafka://HOST:PORT/TOPIC
    )
    objects: tuple[str, ...] = ()  # s3://BUCKET/PREFIX, ...: references from Kafka may point below these, and nowhere else
    after: str = "archive"  # archive | delete | keep: what becomes of an object whose capture is loaded for good
    group: str = "pcapline"  # the consumer group that loaders of one store share
    ahead_files: int = 16  # files of one sensor that are fetched and not yet loaded, at most
    ahead_bytes: int = 4_294_967_296  # bytes fetched and still in the directory, at most; one sensor has a quarter
    poll_s: float = 5.0  # how often objects are listed
    timeout_s: float = 20.0  # a server that says nothing for so long is away
    objects_options: str = file_setting()  # TOML file of keys that obstore knows (aws_endpoint, aws_region, credentials)
    kafka_options: str = file_setting()  # TOML file of keys that librdkafka knows ("sasl.username" and so on)

    def __post_init__(self) -> None:
        """Refuse words that stand for nothing, and bounds that let nothing through."""
        if self.after not in AFTER:
            raise SettingsError(f"remote.after is {self.after!r}: give one of {', '.join(AFTER)}")
        if self.ahead_files < 1 or self.ahead_bytes < 1:
            raise SettingsError("remote.ahead_files and remote.ahead_bytes must let one file through")
        if self.source:
            from loader.remote.addresses import parse_source

            parse_source(self.source)
