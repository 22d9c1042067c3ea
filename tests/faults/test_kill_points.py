"""SIGKILL at each named step of a load: what the next loader leaves is what a load leaves that nobody disturbed.

One sensor a point, all in one store, one after the other: the loader of a point also finishes what the one before it left.
`FAULTS_EVERY=1` takes every point of both stores; `FAULTS_SEED` says at which a share of them begins.
"""

import os
import signal
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from loader.spool.files import QUARANTINE
from schema.enums import FileState
from tests.faults.points import EVERY, NO_STEPS, POINTS, KillPoint
from tests.faults.scene import Calm, Loaders, exporting, opened, put_away, sensor_captures, verify

SEED = int(os.environ.get("FAULTS_SEED", "0"))
SETTINGS = "[loader]\ngrace_s = 0\nrescan_s = 0.1\nsettle_s = 0.1\n"
RECORDED = "recorded"  # the sensor whose load is looked at for steps that have no name


def made_for(folder: Path, number: int, *, damaged: bool) -> list[Path]:
    files = sensor_captures(folder, number)
    if damaged:
        junk = folder / "junk.pcap"
        junk.write_bytes(f"no capture, {number}".encode())
        files.append(junk)
    return files


def settings_for(point: KillPoint, directory: Path, *, changed: bool) -> Path:
    config = directory / "pcapline.toml"
    config.write_text(SETTINGS + 'after = "delete"\n' * point.deletes + "max_carried_flows = 65535\n" * changed)
    return config


def kill_at(point: KillPoint, loaders: Loaders, place: tuple[Path, str], captures: list[Path]) -> None:
    """`place`: the spool and the store."""
    spool, url = place
    folder = spool / point.sensor
    armed_by = f"scan {folder}" if point.from_start else f"open {folder / captures[1].name}"
    for label in filter(None, (point.behind, point.label)):
        own = label == point.label
        config = settings_for(point, spool.parent, changed=point.changed and own)
        fuse = {"label": label, "armed_by": armed_by, "nth": point.nth if own else 1, "after": own and point.after}
        how = loaders.run(fuse, spool, url, config, captures if label == (point.behind or label) else ())
        assert how == -signal.SIGKILL, f"{point.name}: no loader came to `{label}` (tests/faults/points.py)"


def recorded_steps(loaders: Loaders, place: tuple[Path, str], captures: list[Path]) -> set[str]:
    """What a loader does that nobody kills."""
    spool, url = place
    config, record = spool.parent / "pcapline.toml", spool.parent / "steps"
    config.write_text(SETTINGS)
    assert loaders.run({"record": str(record)}, spool, url, config, captures) == 0
    return {line for line in record.read_text().splitlines() if not line.startswith(("open ", "scan "))}


@pytest.mark.timeout(900)
def test_killed_at_each_step_every_table_is_that_of_a_calm_load(store_kind: str, store_url: str, tmp_path: Path) -> None:
    every = int(os.environ.get("FAULTS_EVERY", EVERY[store_kind]))
    points, spool = POINTS[store_kind][SEED % every :: every], tmp_path / "spool"
    spool.mkdir()
    stories = {point.sensor: made_for(tmp_path / point.sensor, n, damaged=point.damaged) for n, point in enumerate(points)}
    stories[RECORDED] = made_for(tmp_path / RECORDED, len(points), damaged=True)
    calm = Calm.load(tmp_path / "calm.db", [file for files in stories.values() for file in files])
    assert {outcome.state for outcome in calm.outcomes} == {FileState.LOADED, FileState.QUARANTINED}
    sizes = {f"{file.parent.name}/{file.name}": file.stat().st_size for files in stories.values() for file in files}
    opened(store_url).close()

    with exporting(store_url, tmp_path) as scraped, closing(Loaders(tmp_path)) as loaders:
        for point in points:
            kill_at(point, loaders, (spool, store_url), stories[point.sensor])
            scraped.again()
        steps = recorded_steps(loaders, (spool, store_url), stories[RECORDED])
        scraped.until_writes(len(calm.tables["flows"]))
        verify(store_url, tmp_path, scraped.url)

    named = {point.label for point in POINTS[store_kind]}
    assert steps - NO_STEPS <= named, "steps without a kill point: name them in tests/faults/points.py"
    with closing(opened(store_url)) as store:
        calm.assert_same(store)
    # a loader that deletes does so with what the one before it left, too
    deleted = {one.sensor for before, point in pairwise(points) if point.deletes for one in (before, point)}
    kept = {name: size for name, size in sizes.items() if name.split("/")[0] not in deleted}
    archived, quarantined = put_away(spool), put_away(spool, QUARANTINE)
    assert quarantined == {name: size for name, size in kept.items() if name.endswith("junk.pcap")}
    assert {name: size for name, size in archived.items() if name.split("/")[0] not in deleted} == {
        name: size for name, size in kept.items() if name not in quarantined
    }
