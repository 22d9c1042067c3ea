"""Addresses as people and programs read them."""

from functools import lru_cache
from ipaddress import ip_address


@lru_cache(maxsize=65_536)
def address_text(address: bytes) -> str:
    """4 or 16 bytes as an address is written."""
    return str(ip_address(address))


def address_bytes(text: str) -> bytes:
    """An address as it is written, as its 4 or 16 bytes; raises `ValueError`."""
    return ip_address(text).packed
