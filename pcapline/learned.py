"""The names that a capture would add to the dictionary: told by DNS, or said by flows."""

from collections.abc import Iterator, Sequence
from typing import Any

from loader.commit.alone import builder_alone
from loader.decode.columns import DecodedBatch
from pcapline.output import Field, table_lines
from pcapline.text import count_text, printable
from schema.objects import row_objects
from schema.tables import NAMES_BY_IP

Object = dict[str, Any]
_SHOWN = 20
_FIELDS = (
    Field("address", 40, lambda item: str(item["ip"])),
    Field("evidence", 10, lambda item: str(item["evidence"])),
    Field("name", 0, lambda item: printable(item["hostname"])),
)


class NamesLearned:
    """Looks at a capture's batches, then tells."""

    def __init__(self) -> None:
        self._builder = builder_alone()

    def look(self, batch: DecodedBatch) -> None:
        """One after the other."""
        for _ in self._builder.build(batch):
            pass

    def names(self) -> list[Object]:
        """By address and name: the evidence, the first and the last time (Unix ms). To be asked once."""
        made = [rows for rows in self._builder.finish(b"") if rows.table is NAMES_BY_IP]
        self._builder.close()
        items = [item for rows in made for item in row_objects(NAMES_BY_IP, list(rows.rows()))]
        return [{name: value for name, value in item.items() if name != "sensor"} for item in items]


def learned_lines(names: Sequence[Object]) -> Iterator[str]:
    """Some of them, for people."""
    if names:
        yield from ("", f"[{count_text(len(names), 'name')}]", *table_lines(names[:_SHOWN], _FIELDS))
    if len(names) > _SHOWN:
        yield f"and {len(names) - _SHOWN:,} more (--json has them all)"
