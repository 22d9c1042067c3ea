"""What the operator calls addresses: the inventory, as one file had it at one time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96 holds the IPv4 addresses (RFC 4291 2.5.5.2)


class Prefix(NamedTuple):
    """A network: 4 or 16 octets with no bit set behind `bits`."""

    address: bytes
    bits: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """Names by prefix. The empty one names nothing, and its digest is empty."""

    names: Mapping[Prefix, str] = field(default_factory=dict)
    digest: str = field(init=False)  # hexadecimal, of what it says and not of how it is written; "": it says nothing
    _lengths: Mapping[int, tuple[int, ...]] = field(init=False)  # octets of an address -> lengths of prefixes, longest first

    def __post_init__(self) -> None:
        lengths = {octets: {prefix.bits for prefix in self.names if len(prefix.address) == octets} for octets in (4, 16)}
        object.__setattr__(self, "digest", _digest(self.names))
        object.__setattr__(self, "_lengths", {octets: tuple(sorted(bits, reverse=True)) for octets, bits in lengths.items()})

    def name_of(self, address: bytes) -> str | None:
        """The name of the longest prefix that holds this address (4 or 16 octets; an IPv4-mapped one is the IPv4 address)."""
        if len(address) == 16 and address.startswith(MAPPED):
            address = address[12:]
        octets = len(address)
        number, width = int.from_bytes(address, "big"), 8 * octets
        for bits in self._lengths[octets]:
            head = number >> (width - bits) << (width - bits)
            name = self.names.get(Prefix(head.to_bytes(octets, "big"), bits))
            if name is not None:
                return name
        return None


def _digest(names: Mapping[Prefix, str]) -> str:
    if not names:
        return ""
    digest = blake2b(digest_size=16)
    for prefix, name in sorted(names.items()):
        digest.update(f"{prefix.address.hex()}/{prefix.bits} {name}\n".encode())
    return digest.hexdigest()


NO_INVENTORY = Inventory()
