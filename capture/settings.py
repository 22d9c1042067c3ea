"""Settings of the sensor; the grammar that reads them is `schema.settings`."""

import socket
from dataclasses import dataclass

from schema.settings import file_setting


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """Every field with its default; durations in seconds, sizes in bytes."""

    sensor: str = ""  # name of this sensor; empty: the host's name
    rotate_s: float = 10.0  # a capture is handed over after so long, whether packets come or not
    rotate_bytes: int = 67_108_864  # and earlier when it has grown to so much
    snaplen: int = 262_144  # bytes kept of each packet
    kernel_buffer_kib: int = 16_384  # the kernel holds so much while tcpdump is busy: a second at 16 MB/s
    promiscuous: bool = True  # also take packets that are not addressed to this host
    tcpdump: str = "tcpdump"  # the program, by name or path
    retry_s: float = 0.5  # first wait before tcpdump is started again; doubled at each failure in a row
    retry_max_s: float = 30.0
    stop_s: float = 3.0  # how long tcpdump may take to write out what it holds when told to stop
    listen: str = ""  # HOST:PORT of the sensor's own /metrics, such as 127.0.0.1:10112; empty: none
    web_config: str = file_setting()  # TLS, and who may ask there: a file in the format of Prometheus' exporter-toolkit

    def __post_init__(self) -> None:
        if min(self.rotate_s, self.retry_s, self.stop_s) <= 0 or self.retry_max_s < self.retry_s:
            raise ValueError("durations must be positive, and retry_max_s no shorter than retry_s")
        if self.rotate_bytes < 4_096 or self.kernel_buffer_kib < 64 or not 64 <= self.snaplen <= 262_144:
            raise ValueError("rotate_bytes is at least 4096, kernel_buffer_kib at least 64, snaplen 64 to 262144")
        if self.web_config and not self.listen:
            raise ValueError("web_config is of an address: set listen too")

    @property
    def name(self) -> str:
        """The sensor's."""
        return self.sensor or socket.gethostname()
