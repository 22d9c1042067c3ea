"""`pcapline query`: what the store holds of an address or a name, newest first."""

import re
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcapline.options import ConfigOption, JsonOption, StoreOption, settings_of
from schema.settings import StoreSettings

if TYPE_CHECKING:
    from schema.store.port import QueryResult

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_NAME = re.compile(r"(?=.*[^\d.])[^\s/:@]{1,255}")  # generous: a name holds what somebody put into DNS
_NOTHING = 6  # exit code: nothing matched


def query(
    what: Annotated[str, typer.Argument(metavar="IP|NAME", help="who was called: an address, or a name DNS gave for one")],
    source: Annotated[str | None, typer.Option("--source", metavar="IP", help="only flows that this client opened")] = None,
    last: Annotated[
        str | None, typer.Option("--last", metavar="TIME", help="only flows that began so recently: 90s, 15m, 1h, 7d")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="at most so many rows")] = 100,
    store: StoreOption = None,
    as_json: JsonOption = False,
    show_statements: Annotated[
        bool, typer.Option("--cql", help="print the statements that find the rows (CQL, or SQL with SQLite) to stderr")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Flow rows of a destination, newest first; exit code 6 when there are none.

    pcapline query 93.184.216.34 --last 1h

    pcapline query www.example.com --json --source 10.0.0.7
    """
    from pcapline.text import printable, time_text
    from pcapline.wiring import Purpose, opened_store
    from schema.store.lookup import flows_of, parse_address
    from schema.store.port import FlowQuery

    since_ms = None if last is None else int(time.time() * 1000) - _duration_ms(last)
    client = None if source is None else parse_address(source)
    if source is not None and client is None:
        raise typer.BadParameter(f"{source!r} is not an address", param_hint="--source")
    settings = settings_of(config, {"store.url": store})
    with opened_store(settings.of(StoreSettings), Purpose.READ) as reader:
        wanted = FlowQuery(source=client, since_ms=since_ms, limit=limit)
        results = list(flows_of(reader, what, wanted))
        newest = _newest(flows_of(reader, what, replace(wanted, since_ms=None, limit=1))) if last else None
    if show_statements:
        for statement in dict.fromkeys(s for result in results for s in result.statements):
            sys.stderr.write(statement + "\n")
    if _write(results, limit, as_json=as_json) == 0:
        _refuse_nonsense(what)
        older = f"; the newest row is of {time_text(newest)}" if newest is not None else ""
        sys.stderr.write(f"pcapline: nothing found for {printable(what)}{f' in the last {last}' if last else ''}{older}\n")
        raise typer.Exit(_NOTHING)


def _refuse_nonsense(what: str) -> None:
    """Nothing can be found for what is neither an address nor, by its letters, a name."""
    from schema.store.lookup import parse_address

    if parse_address(what) is None and not _NAME.fullmatch(what):
        hint = "an address (192.0.2.1, 2001:db8::1) or a name (www.example.com), without port, prefix or scheme"
        raise typer.BadParameter(f"{what!r} is neither: give {hint}", param_hint="IP|NAME")


def _newest(results: "Iterable[QueryResult]") -> int | None:
    """Time of the newest flow row (Unix ns), whenever it was."""
    from schema.tables import FLOWS

    ms, ns = FLOWS.index("ts"), FLOWS.index("ns")
    times = [(row[ms], row[ns]) for result in results if result.table is FLOWS for row in result.rows]
    return max((t * 1_000_000 + n for t, n in times if isinstance(t, int) and isinstance(n, int)), default=None)


def _write(results: list["QueryResult"], limit: int, *, as_json: bool) -> int:
    from pcapline.objects import row_objects
    from pcapline.output import FLOW_FIELDS, Format, write
    from schema.tables import FLOWS

    flows: list[dict[str, Any]] = []
    for result in results:
        if result.table is FLOWS:
            flows += row_objects(result.table, result.rows)
    flows.sort(key=lambda item: item["ts_ns"], reverse=True)
    return write(flows[:limit], Format.of(as_json=as_json), FLOW_FIELDS)


def _duration_ms(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a length of time: 90s, 15m, 1h, 7d", param_hint="--last")
    return int(found[1]) * _UNIT_MS[found[2]]
