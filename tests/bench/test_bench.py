"""The benchmark itself: it ends, tells what failed, and its ratios are formed from what it measured. No times are judged."""

import json
import subprocess
import sys
from pathlib import Path

from bench.captures import content_of, made
from bench.processes import run

ROOT = Path(__file__).resolve().parents[2]


def test_a_made_capture_has_what_was_asked_for(tmp_path: Path) -> None:
    capture = made(300, tmp_path)
    content = content_of(capture)
    assert content.packets == 300
    assert content.flows > 0
    before = capture.stat().st_mtime_ns
    assert made(300, tmp_path).stat().st_mtime_ns == before


def test_a_tool_that_does_not_end_is_stopped_and_told() -> None:
    assert not run(["sleep", "600"], 0.1).ended
    assert not run(["false"], 60).ended
    assert run(["true"], 60).ended


def test_ratios_are_those_of_the_rounds(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "bench", made(300, tmp_path), "--runs", "2", "--json", out]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=True)
    (capture,) = json.loads(out.read_text())["captures"]
    results = capture["results"]
    ours = {result["task"]: result for result in results if result["tool"].startswith("pcapline")}
    assert set(ours) == {"read --summary", "load"}
    for result in results:
        assert (result["failed_runs"], len(result["wall_s"])) == (0, 2)
        pairs = zip(ours[result["task"]]["wall_s"], result["wall_s"], result["ratios"], strict=True)
        assert all(abs(own - ratio * other) <= 0.02 * own + 0.02 * ratio for own, other, ratio in pairs)
        assert result["tool"] in done.stdout
