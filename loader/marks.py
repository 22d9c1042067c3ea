"""How much of a disk is to stay free, as an operator writes it: bytes, or a share of the disk."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from schema.errors import SettingsError

_WRITTEN = re.compile(r"(?P<amount>[0-9]{1,18}(?:\.[0-9]{1,6})?) ?(?P<share>%?)")


class Room(NamedTuple):
    """Of a file system, in bytes, for who is not root."""

    free: int
    total: int  # what all its files and the free room are together, as `df` counts it


@dataclass(frozen=True, slots=True)
class FreeMark:
    """A mark of free room: `amount` bytes, or so many hundredths of the disk."""

    amount: float
    is_share: bool

    def is_above(self, room: Room) -> bool:
        """Whether less is free than the mark says."""
        return room.free < (self.amount * room.total / 100 if self.is_share else self.amount)

    def __str__(self) -> str:
        return f"{self.amount:g}%" if self.is_share else f"{self.amount:,.0f} bytes"


def free_mark(key: str, given: int | str) -> FreeMark:
    """The mark that somebody wrote for a setting. Raises `SettingsError`, which names the setting."""
    written = _WRITTEN.fullmatch(str(given).strip())
    if written is None or not (written["share"] or written["amount"].isdecimal()):
        raise SettingsError(f'{key} is {given!r}: give the bytes that are free (268435456), or their share of the disk ("5%")')
    amount, is_share = float(written["amount"]), bool(written["share"])
    if is_share and amount >= 100:
        raise SettingsError(f"{key} is {given!r}: no disk that is used has so much free; give less than 100%")
    return FreeMark(amount, is_share)


def refuse_crossed(high: tuple[str, int | str], low: tuple[str, int | str]) -> None:
    """Raises `SettingsError` where a shortage that begins at the high mark would not end at the low one. Each is a setting's
    name and what was written for it."""
    begins, ends = free_mark(*high), free_mark(*low)
    if not begins.amount:  # there is never a shortage
        return
    if begins.is_share != ends.is_share:
        raise SettingsError(f"{high[0]} is {begins} and {low[0]} is {ends}: give both in bytes, or both as a share of the disk")
    if ends.amount < begins.amount:
        told = f"{low[0]} ({ends}) is less than {high[0]} ({begins})"
        raise SettingsError(f"{told}: both say how much is free, not how much is used; raise the one, or lower the other")
