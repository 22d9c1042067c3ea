"""Captures that a watch loaded one after the other: `verify` names and mends rows of those in the midst of them."""

import sqlite3
from pathlib import Path

from capture.traffic import TrafficPlan, generate
from tests.loader.commit.test_pipeline import cut
from tests.loader.watching import Clock, watching
from tests.pcapline.command import pcapline

PARTS = 7


def test_rows_of_a_watched_chain_are_put_right_from_its_archive(tmp_path: Path) -> None:
    spool, made = tmp_path / "spool", tmp_path / "made"
    (spool / "edge").mkdir(parents=True)
    made.mkdir()
    clock = Clock()
    frames = list(generate(TrafficPlan(seed=32, packets=900, packets_per_second=60.0, clients=6, servers=20)))
    with watching(spool, tmp_path / "pcapline.db", clock=clock) as watch:
        for number, path in enumerate(cut(frames, PARTS, made), start=1):
            path.rename(spool / "edge" / f"edge-20261126T00000{number}Z-{number:08d}.pcap")
        watch.until(lambda: len(watch.outcomes) == PARTS)
        clock.ahead = 3_600  # the grace period is over
        archive = spool / ".pcapline" / "archive" / "edge"
        watch.until(lambda: archive.is_dir() and len(list(archive.glob("*.pcap"))) == PARTS)
    verify = ("verify", "--full", "--archive", "spool")
    calm = pcapline(*verify, cwd=tmp_path)
    assert calm.returncode == 0, calm.stdout + calm.stderr
    assert f"{PARTS} captures compared row by row" in calm.stdout

    with sqlite3.connect(tmp_path / "pcapline.db") as store:
        rows = {seq: capture_id for seq, capture_id in store.execute("SELECT seq, capture_id FROM ledger_commits")}
        open_before = "SELECT min(frame) FROM flows WHERE capture_id = ? AND chain_age_ns > 0"
        of_chain = {seq: store.execute(open_before, (rows[seq],)).fetchone()[0] for seq in (4, 6)}
        store.execute("DELETE FROM flows WHERE capture_id = ? AND frame = ?", (rows[4], of_chain[4]))
        store.execute("UPDATE flows SET bytes = bytes + 1 WHERE capture_id = ? AND frame = ?", (rows[6], of_chain[6]))
    told = pcapline(*verify, cwd=tmp_path)
    assert told.returncode == 1
    assert "missing in flows" in told.stdout
    assert ": bytes" in told.stdout
    mended = pcapline(*verify, "--repair", cwd=tmp_path)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert mended.stderr.count("1 row of edge-") == 2
    assert pcapline(*verify, cwd=tmp_path).returncode == 0
