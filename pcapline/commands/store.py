"""Move to another store (copy: all is compared, and nobody loads on in the old one), or dismiss what could not be loaded.

pcapline store copy --from sqlite:pcapline.db --to cassandra://127.0.0.1/pcapline
pcapline store reopen --store sqlite:pcapline.db          (load in the old one again; half a copy of it is given up)
pcapline store dismiss --all                              (quarantined captures that somebody has looked at)
"""

import sys
import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from pcapline.dismissing import dismiss
from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from pcapline.text import printable
from pcapline.usage import UsageError
from schema.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from pcapline.signals import Stop
    from schema.store.copier import Copier, Moment
    from schema.store.writing import Store

_DIFFERS = 1


def arguments(parser: ArgumentParser) -> None:
    """What is done, and with which stores."""
    parser.add_argument(
        "action",
        choices=("copy", "reopen", "dismiss"),
        help="copy: move to another store, the old one refuses to load then; reopen: load again in one that was copied; "
        "dismiss: status and alerts tell no more of quarantined captures (their files are yours to delete)",
    )
    which = "dismiss: quarantined captures, by the ids that status shows"
    parser.add_argument("captures", metavar="CAPTURE", nargs="*", help=which)
    parser.add_argument("--all", action="store_true", help="dismiss: all that are quarantined now")
    parser.add_argument("--from", dest="source", metavar="URL", help="copy: the store that is copied; default --store")
    made = "copy: the store that becomes the same; empty, or half a copy that was interrupted; a server has its tables already"
    parser.add_argument("--to", dest="target", metavar="URL", help=made)
    add_store_option(parser)
    add_json_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """Copy, reopen or dismiss."""
    if given.action == "dismiss":
        return dismiss(given)
    if given.captures or given.all:
        raise UsageError(f"{given.action} takes no captures")
    source = settings_of(given.config, {"store.url": given.source or given.store})
    if given.action == "reopen":
        if given.source or given.target:
            raise UsageError("reopen takes --store URL alone")
        return _reopen(source)
    if given.target is None:
        raise UsageError("copy needs --to URL")
    target = settings_of(given.config, {"store.url": given.target})
    names = source.of(StoreSettings).url, target.of(StoreSettings).url
    if names[0] == names[1]:
        raise UsageError(f"--from and --to are one store: {printable(names[0])}")
    return _copy(given, source, target)


def _copy(given: Namespace, source: Settings, target: Settings) -> int:
    from pcapline.signals import stop_on_signals
    from pcapline.wiring import Purpose, lease_owner, opened_store
    from schema.store.copier import Copier, Ends
    from schema.store.notes import CopyState

    here, there = source.of(StoreSettings), target.of(StoreSettings)
    with (
        opened_store(here, Purpose.REPAIR) as opened_source,
        opened_store(there, Purpose.LOAD) as opened_target,
        stop_on_signals() as stop,
    ):
        ends = Ends(source=opened_source, target=opened_target, source_name=here.url, target_name=there.url)
        copier = Copier(ends=ends, clock=time.time, owner=lease_owner())
        if _copied(copier, stop) is CopyState.COPIED:
            _tell_counts(copier, as_json=given.as_json)
            if not _compare(opened_source, opened_target, as_json=given.as_json):
                _say(f"{there.url} is not what {here.url} is, and stays closed to loaders: pcapline verify --full, on both")
                return _DIFFERS
        copier.finish()
    _say(f"{here.url} is moved to {there.url}: load there")
    _say(f"the old one can be read, and refuses to load; pcapline store reopen --store {here.url} has it load again")
    return 0


def _copied(copier: "Copier", stop: "Stop") -> str:
    from pcapline.progress import copy_progress
    from schema.store.copier import SECTIONS

    with copy_progress(SECTIONS) as advance:

        def tell(moment: "Moment") -> None:
            advance(moment.section, moment.copied)
            if stop.asked:
                _say("the same command again goes on from here")
                raise SystemExit(stop.exit_code)

        copier.tell = tell
        return copier.copy()


def _tell_counts(copier: "Copier", *, as_json: bool) -> None:
    """What this run copied: a run that went on says what was left."""
    from pcapline.output import json_line
    from schema.store.copier import SECTIONS

    for section in SECTIONS:
        copied, left_out = copier.copied[section], copier.left_out[section]
        if as_json:
            sys.stdout.write(json_line({"record": "copied", "section": section, "copied": copied, "left_out": left_out}) + "\n")
        elif copied or left_out:
            beside = f", {left_out:,} left out" if left_out else ""
            sys.stdout.write(f"{section:<18}  {copied:>12,} copied{beside}\n")
    sys.stdout.flush()


def _compare(source: "Store", target: "Store", *, as_json: bool) -> bool:
    """Whether both are the same, and the copy adds up by itself."""
    from exporter.reconcile import reconcile
    from exporter.rounds import ALL
    from pcapline.output import json_line
    from pcapline.verdicts import write_verdict
    from schema.store.comparing import differences

    now_ms, same = int(time.time() * 1000), True
    for difference in differences(source, target, now_ms, _tell_of_table):
        same = False
        line = json_line({"record": "difference", "text": difference}) if as_json else f"DIFFERS  {printable(difference)}"
        sys.stdout.write(f"{line}\n")
    verdict = reconcile(target, now_ms, None, None, selection=ALL)
    write_verdict(verdict, as_json=as_json)
    return same and verdict.holds


def _reopen(settings: Settings) -> int:
    from pcapline.wiring import Purpose, opened_store
    from schema.store.notes import MOVED, Moved

    wanted = settings.of(StoreSettings)
    with opened_store(wanted, Purpose.REPAIR) as store:
        mark = store.notes().get(MOVED)
        if mark is None:
            _say(f"{wanted.url} has not moved: it loads as it is")
            return 0
        store.change_note(MOVED, mark, None)
    moved = Moved.parse(mark)
    half = "" if moved.done else f"; what {moved.target} has of it cannot be gone on with"
    _say(f"{wanted.url} loads again{half}: what is loaded here from now on is not in {moved.target}")
    return 0


def _tell_of_table(name: str) -> None:
    if sys.stderr.isatty():
        _say(f"comparing {name}")


def _say(message: str) -> None:
    sys.stderr.write(f"pcapline: {printable(message)}\n")
