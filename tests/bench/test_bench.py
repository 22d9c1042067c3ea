"""The benchmark itself: it ends, tells what failed, and its ratios are formed from what it measured. No times are judged."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.captures import compressed, content_of, made, repeated, sliced
from bench.page import BEGIN, END, fill
from bench.processes import run

ROOT = Path(__file__).resolve().parents[2]


def test_a_made_capture_has_what_was_asked_for(tmp_path: Path) -> None:
    capture = made(300, tmp_path)
    content = content_of(capture)
    assert content.packets == 300
    assert content.flows > 0
    before = capture.stat().st_mtime_ns
    assert made(300, tmp_path).stat().st_mtime_ns == before


def test_what_is_derived_has_the_same_packets(tmp_path: Path) -> None:
    capture = made(300, tmp_path)
    whole, thrice = content_of(capture), content_of(repeated(capture, 3, tmp_path))
    assert content_of(sliced(capture, 100, tmp_path)).packets == 100
    assert (thrice.packets, thrice.flows, thrice.dns_records) == (900, 3 * whole.flows, 3 * whole.dns_records)
    assert content_of(compressed(capture, "gzip", tmp_path)).packets == 300


def test_a_tool_that_does_not_end_is_stopped_and_told() -> None:
    assert not run(["sleep", "600"], 0.1).ended
    assert not run(["false"], 60).ended
    assert run(["true"], 60).ended


def test_ratios_are_those_of_the_rounds(tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nof yesterday\n{END}\nafter\n")
    command = [sys.executable, "-m", "bench", "--packets", "300", "--runs", "2", "--json", out, "--page", page]
    command += ["--made", tmp_path / "made", "--timeout", "100"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=True)
    document = json.loads(out.read_text())
    (capture,) = document["captures"]
    results = capture["results"]
    ours = {result["task"]: result for result in results if result["tool"].startswith("pcapline")}
    assert {"read --summary", "read --summary, gzip", "load"} <= set(ours)
    for result in results:
        assert (result["failed_runs"], len(result["wall_s"]), result["packets"]) == (0, 2, 300), result
        pairs = zip(ours[result["task"]]["wall_s"], result["wall_s"], result["ratios"], strict=True)
        assert all(abs(own - ratio * other) <= 0.02 * own + 0.02 * ratio for own, other, ratio in pairs)
    assert document["inside"]["small_median_ms"] > 0
    written = page.read_text()
    assert written.startswith(f"before\n{BEGIN}\n")
    assert written.endswith(f"{END}\nafter\n")
    assert "of yesterday" not in written
    assert all(line in written for line in done.stdout.splitlines() if line.startswith("|"))
    assert "pcapline read --summary" in "".join(ElementTree.parse(page.with_suffix(".svg")).getroot().itertext())


def test_a_page_without_a_place_stays_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing to fill\n")
    with pytest.raises(ValueError, match="no place"):
        fill(page, "", "")
    assert page.read_text() == "nothing to fill\n"


def test_the_cache_of_names_keeps_to_its_bound_and_counts_what_it_drops() -> None:
    """But for the clients of one capture, which it is asked about at once."""
    command = [sys.executable, "-m", "bench.naming", "--pairs", "200000", "--limit", "50000"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=True).stdout)
    assert told["facts_and_clients_held_at_most"] <= 50_000 + 16_016
    assert told["facts_dropped"] >= 200_000 - 50_000 - 16_000


def test_a_commit_of_each_kind_is_measured() -> None:
    command = [sys.executable, "-m", "bench.commit", "--endpoints", "20", "--rounds", "2"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True).stdout)
    assert (told["store"], told["endpoints"], told["rounds"]) == ("sqlite", 20, 2)
    for kind in ("new", "remembered", "lease_just_taken"):
        assert 0 < told[f"{kind}_ms"] <= told[f"{kind}_most_ms"]
