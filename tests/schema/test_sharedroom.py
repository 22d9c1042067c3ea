"""Those who share a room have the same part of it, and who is idle makes room too."""

from schema.sharedroom import SharedRoom


class Hoard:
    """Remembers numbers."""

    def __init__(self, room: SharedRoom) -> None:
        self.held: list[int] = []
        self._room = room
        room.join(self)

    def fill(self) -> "Hoard":
        self.held = list(range(self._room.part))
        return self

    def make_room(self) -> None:
        del self.held[self._room.part :]


def test_whoever_comes_and_however_idle_the_others_are_no_more_is_held_than_there_is_room() -> None:
    room = SharedRoom(1_000)
    hoards: list[Hoard] = []
    for count in range(1, 51):
        hoards.append(Hoard(room).fill())
        assert sum(len(hoard.held) for hoard in hoards) <= 1_000
        assert room.part == 1_000 // count
    hoards.clear()
    assert len(Hoard(room).fill().held) == 1_000, "who is gone has no part"


def test_more_than_there_is_room_for_have_none() -> None:
    room = SharedRoom(3)
    hoards = [Hoard(room).fill() for _ in range(4)]
    assert [len(hoard.held) for hoard in hoards] == [0] * 4
