"""Load captures now: one verdict a file. Files are never moved or deleted; --retry alone moves what a watch put in quarantine.

pcapline load holiday.pcap
pcapline load captures/ --sensor gateway --store cassandra://127.0.0.1/pcapline
pcapline load --retry captures/
"""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pcapline.options import add_config_option, add_json_option, add_network_option, add_store_option, settings_of
from pcapline.usage import some_path
from schema.enums import FileState
from schema.errors import SettingsError, StoreUnavailableError
from schema.records import DEFAULT_NETWORK, STANDALONE_SENSOR
from schema.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from loader.once import Surroundings
    from loader.outcome import FileOutcome
    from loader.settings import LoaderSettings
    from pcapline.signals import Stop
    from schema.store.writing import Store

# What a script does next: nothing; look at what was refused; come again when the store or the file is ready.
_REFUSED, _COME_AGAIN = 1, 5


def arguments(parser: ArgumentParser) -> None:
    """What, into which store, as whose."""
    parser.add_argument(
        "paths", metavar="FILE|DIR", nargs="+", type=some_path, help="captures; directories with all below them"
    )
    add_store_option(parser)
    of_one = "who captured: the files share names and open flows, in their order"
    parser.add_argument("--sensor", metavar="NAME", help=of_one)
    again = "try the quarantined files of watched directories again; those that load go back there"
    parser.add_argument("--retry", action="store_true", help=again)
    add_network_option(parser)
    add_json_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """A line a file; a signal ends it between two files."""
    from pcapline.signals import stop_on_signals

    settings = settings_of(given.config, {"store.url": given.store})
    there = [path for path in given.paths if _is_there(path)]
    work = _retry_work(given, there) if given.retry else _load_work(given, there, settings)
    counts: Counter[FileState] = Counter()
    with stop_on_signals() as stop:
        for outcome in _outcomes(settings, work, stop):
            counts[outcome.state] += 1
            tell_outcome(outcome, as_json=given.as_json, in_place=not given.retry)
        if stop.asked:
            return stop.exit_code
    if not given.as_json and there:
        _sum_up(counts, there, in_place=not given.retry)
    if counts[FileState.WAITING]:
        return _COME_AGAIN
    return _REFUSED if counts[FileState.QUARANTINED] or len(there) < len(given.paths) else 0


def _is_there(path: Path) -> bool:
    """What is not there is told, and the others are loaded. Raises `PermissionError` for a directory that cannot be read."""
    try:
        path.stat()
        if path.is_dir():
            next(path.iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        from pcapline.text import printable

        _say(f"{printable(str(path))}: no such file")
        return False
    return True


class _Work(NamedTuple):
    """What is to be loaded, and how."""

    paths: Sequence[Path]
    sensor: str
    outcomes: Callable[["Store", "LoaderSettings", "Surroundings"], Iterator["FileOutcome"]]


def _load_work(given: Namespace, there: list[Path], settings: Settings) -> _Work:
    from loader.once import OnceLoader, Request, files_under, sensors_noted
    from pcapline.wiring import lease_owner, store_files
    from schema.capture_names import SENSOR_NAME_RULE, is_sensor_name

    if given.sensor is not None and not is_sensor_name(given.sensor):
        raise SettingsError(f"--sensor {given.sensor!r}: a sensor's name is {SENSOR_NAME_RULE}")
    request = Request(
        paths=tuple(files_under(there, store_files(settings.of(StoreSettings)))),
        sensor=given.sensor or STANDALONE_SENSOR,
        network=given.network or DEFAULT_NETWORK,
        owner=lease_owner(),
    )
    if given.sensor is None:
        _tell_noted(sensors_noted(request.paths))
    return _Work(request.paths, request.sensor, lambda store, own, world: OnceLoader(store, own, request, world).outcomes())


def _tell_noted(noted: Mapping[str, Path]) -> None:
    """A file is loaded once, as whoever's it then is: what its sensor noted is told before."""
    from pcapline.text import printable

    for sensor, path in noted.items():
        whose = f"was captured by sensor {sensor}, as the note beside it says"
        _say(f"{printable(str(path))} {whose}; it is loaded as that sensor's only with --sensor {sensor}")


def _retry_work(given: Namespace, there: list[Path]) -> _Work:
    """The quarantined files of the directories, each as the sensor whose it is."""
    from loader.archive.retry import Retrial, quarantined_in
    from pcapline.wiring import lease_owner

    if given.sensor is not None:
        raise SettingsError("--retry: a quarantined file's sensor is that of its folder: leave out --sensor")
    if files := [path for path in there if not path.is_dir()]:
        raise SettingsError(f"--retry: {files[0]} is no directory: name the one that is watched")
    quarantined = {directory: quarantined_in(directory) for directory in there}

    def outcomes(store: "Store", own: "LoaderSettings", world: "Surroundings") -> Iterator["FileOutcome"]:
        network = given.network or DEFAULT_NETWORK
        retrial = Retrial(store=store, settings=own, network=network, owner=lease_owner(), world=world)
        return retrial.outcomes(quarantined)

    return _Work([path for paths in quarantined.values() for path in paths], "", outcomes)


def _outcomes(settings: Settings, work: _Work, stop: "Stop") -> Iterator["FileOutcome"]:
    """Every file's outcome, with a progress bar; a store that cannot be opened leaves all of them waiting. Without files
    there is no store to open, or to make."""
    if not work.paths:
        return
    from loader.once import Surroundings
    from loader.outcome import FileOutcome
    from loader.settings import LoaderSettings
    from pcapline.progress import progress
    from pcapline.wiring import Purpose, open_store

    try:
        opened = open_store(settings.of(StoreSettings), Purpose.LOAD)
    except StoreUnavailableError as error:
        for path in work.paths:
            yield FileOutcome(file=str(path), state=FileState.WAITING, reason=str(error), sensor=work.sensor)
        return
    world = Surroundings(clock=time.time, wait=stop.event.wait, tell=_say)
    sizes = {str(path): path.stat().st_size if path.is_file() else 0 for path in work.paths}
    with closing(opened), progress(sum(sizes.values()), len(sizes)) as advance:
        for outcome in work.outcomes(opened, settings.of(LoaderSettings), world):
            yield outcome
            advance(sizes[outcome.file])


def tell_outcome(outcome: "FileOutcome", *, as_json: bool = False, in_place: bool = False) -> None:
    """The verdict on one file, in one line. `in_place`: the file stays where it is, whatever becomes of it."""
    from loader.commit.prepared import CUT_SHORT
    from pcapline.objects import outcome_object
    from pcapline.output import json_line
    from pcapline.text import count_text, counts_text, printable

    if as_json:
        sys.stdout.write(json_line(outcome_object(outcome)) + "\n")
        return
    parts = [f"{_word(outcome.state, in_place=in_place):<14}  {printable(outcome.file)}"]
    if outcome.state is FileState.LOADED:
        parts += [count_text(outcome.packets, "packet"), count_text(outcome.rows.get("flows", 0), "flow")]
        parts.append(count_text(outcome.rows.get("dns_answers", 0), "DNS record"))
    if outcome.non_flow and outcome.state is FileState.LOADED:
        parts.append(f"in no flow: {counts_text(outcome.non_flow)}")
    if outcome.reason and not (outcome.state is FileState.ALREADY_LOADED and outcome.reason == f"as {Path(outcome.file).name}"):
        parts.append(printable(outcome.reason))
    if in_place and outcome.state is FileState.LOADED and CUT_SHORT & outcome.damage.keys():
        parts.append("when the rest comes, load it in place, at this path: under another name its first packets count twice")
    sys.stdout.write("  ".join(parts) + "\n")
    sys.stdout.flush()


def _word(state: FileState, *, in_place: bool) -> str:
    """Of a state, for people: what is not put in quarantine is not called so."""
    return "refused" if in_place and state is FileState.QUARANTINED else state.value


def _sum_up(counts: Counter[FileState], asked: list[Path], *, in_place: bool) -> None:
    from pcapline.text import count_text, printable

    if not counts:
        _say(f"nothing to load in {printable(', '.join(map(str, asked)))}")
        return
    words = [f"{counts[state]:,} {_word(state, in_place=in_place).replace('_', ' ')}" for state in FileState if counts[state]]
    _say(f"{count_text(sum(counts.values()), 'file')}: {', '.join(words)}")


def _say(message: str) -> None:
    sys.stderr.write(f"pcapline: {message}\n")
