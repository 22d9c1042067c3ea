"""Where IP headers begin, out of tshark's PDML (XML; wireshark.org/docs: README.xml-output) as it comes."""

import re
import socket
from collections.abc import Sequence
from xml.parsers import expat

from loader.decode.held import HeldFrame

# Protocol -> version, where its addresses lie in the header, their family.
_HEADERS = {"ip": (4, 12, socket.AF_INET), "ipv6": (6, 8, socket.AF_INET6)}
_ADDRESSES = re.compile(r"Src: (\S+), Dst: (\S+)$")


class GarbledOutput(ValueError):  # noqa: N818 - named by what it is about
    """What came is no PDML of the frames that were asked about."""


class IpOffsets:
    """Takes PDML piece by piece; `offsets` then has one for each frame, None where there is no IP header.

    Of several headers the first counts: what is within it is for our own kernels to read. A position in PDML may be one in
    other bytes than the frame's (put together, decrypted). So an offset is believed only where the frame has the IP version and
    both addresses there that tshark printed.
    """

    def __init__(self, frames: Sequence[HeldFrame]) -> None:
        self.offsets: list[int | None] = [None] * len(frames)
        self.elsewhere = 0  # frames that have an IP header in other bytes than their own
        self.version = ""  # of tshark
        self._frames = frames
        self._index = -1
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
        if element == "proto":
            name = attributes["name"]
            if name in _HEADERS:
                self._header(name, attributes)
            elif name == "geninfo":
                self._shift = len(self._frames[self._index].data) - int(attributes["size"])
        elif element == "packet":
            self._index += 1
            self._doubtful = False
            if self._index == len(self._frames):
                raise GarbledOutput("more frames are told of than were asked about")
        elif element == "pdml":
            self.version = attributes["creator"].removeprefix("wireshark/")[:64]

    def _end(self, element: str) -> None:
        if element == "packet" and self._doubtful and self.offsets[self._index] is None:
            self.elsewhere += 1

    def _header(self, name: str, attributes: dict[str, str]) -> None:
        found = _ADDRESSES.search(attributes["showname"])
        if found is None or self.offsets[self._index] is not None:  # the header is cut, or not the first one
            return
        version, address_at, family = _HEADERS[name]
        at, data = int(attributes["pos"]) + self._shift, self._frames[self._index].data
        place = at + address_at
        addresses = b"".join(_packed(family, text) for text in found.groups())
        if at >= 0 and data[place : place + len(addresses)] == addresses and data[at] >> 4 == version:
            self.offsets[self._index] = at
        else:
            self._doubtful = True


def _packed(family: int, text: str) -> bytes:
    """Raises `ValueError`."""
    try:
        return socket.inet_pton(family, text)
    except OSError as error:
        raise ValueError(f"no address: {text[:80]!r}") from error
