"""Where IP headers begin, out of tshark's PDML (XML; wireshark.org/docs: README.xml-output) as it comes."""

from collections.abc import Sequence
from xml.parsers import expat

from loader.decode.held import HeldFrame

# Protocol -> version, where its source address lies in the header, its length.
_HEADERS = {"ip": (4, 12, 4), "ipv6": (6, 8, 16)}


class GarbledOutput(ValueError):  # noqa: N818 - named by what it is about
    """What came is no PDML of the frames that were asked about."""


class IpOffsets:
    """Takes PDML piece by piece; `offsets` then has one for each frame, None where there is no IP header.

    Of several headers in one another the first counts: what is within it is for our own kernels to read. A position in PDML may
    be one in other bytes than the frame's (put together, decrypted). So an offset is believed only where the frame has the IP
    version and both addresses there that tshark printed.
    """

    def __init__(self, frames: Sequence[HeldFrame]) -> None:
        self.offsets: list[int | None] = [None] * len(frames)
        self.elsewhere = 0  # frames that have an IP header in other bytes than their own
        self.version = ""  # of tshark
        self._frames = frames
        self._index = -1
        self._header = ("", -1)  # protocol and position of the header whose addresses come next
        self._source = ""
        self._shift = 0  # bytes before what tshark takes for the frame: a pseudo header that it has read beforehand
        self._doubtful = False
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def feed(self, piece: bytes, *, final: bool = False) -> None:
        """Raises `GarbledOutput`."""
        try:
            self._parser.Parse(piece, final)
        except GarbledOutput:
            raise
        except (expat.ExpatError, KeyError, ValueError) as error:
            raise GarbledOutput(f"no PDML: {error!r}") from error
        if final and self._index + 1 != len(self._frames):
            raise GarbledOutput(f"{len(self._frames)} frames were asked about, {self._index + 1} told of")

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        match element:
            case "field":
                self._field(attributes)
            case "proto":
                self._protocol(attributes)
            case "packet":
                self._index += 1
                self._doubtful = False
                if self._index == len(self._frames):
                    raise GarbledOutput("more frames are told of than were asked about")
            case "pdml":
                self.version = attributes["creator"].removeprefix("wireshark/")[:64]

    def _protocol(self, attributes: dict[str, str]) -> None:
        name = attributes["name"]
        self._header = (name, int(attributes["pos"]) + self._shift) if name in _HEADERS else ("", -1)
        if name == "geninfo":
            self._shift = len(self._frames[self._index].data) - int(attributes["size"])

    def _end(self, element: str) -> None:
        if element == "packet" and self._doubtful and self.offsets[self._index] is None:
            self.elsewhere += 1

    def _field(self, attributes: dict[str, str]) -> None:
        protocol, at = self._header
        if not protocol:
            return
        name = attributes["name"]
        if name == f"{protocol}.src":
            self._source = attributes["value"]
        elif name == f"{protocol}.dst":
            self._header = ("", -1)
            self._believe(protocol, at, bytes.fromhex(self._source + attributes["value"]))

    def _believe(self, protocol: str, at: int, addresses: bytes) -> None:
        if self.offsets[self._index] is not None:
            return
        version, address_at, length = _HEADERS[protocol]
        data, place = self._frames[self._index].data, at + address_at
        if data[place : place + 2 * length] == addresses and data[at] >> 4 == version:
            self.offsets[self._index] = at
        else:
            self._doubtful = True
