"""SIGKILL at random moments: after the last restart every table a user reads is that of a load that nobody disturbed.

`FAULTS_KILLS` and `FAULTS_SEED` set how often and when.
"""

import os
import random
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.scene import Calm, Loaders, exporting, hand_over, opened, put_away, sensor_captures, verify

KILLS = int(os.environ.get("FAULTS_KILLS", "10"))
SEED = int(os.environ.get("FAULTS_SEED", "6"))
SENSORS = 3
SETTINGS = "[loader]\ngrace_s = 0\nrescan_s = 0.1\n"
NEVER: dict[str, object] = {"label": "never", "armed_by": "never", "nth": 1, "after": False}


@pytest.mark.timeout(600 + 20 * KILLS)
def test_killed_again_and_again_the_rows_are_those_of_a_calm_load(store_url: str, tmp_path: Path) -> None:
    spool, config = tmp_path / "spool", tmp_path / "pcapline.toml"
    spool.mkdir()
    config.write_text(SETTINGS)
    sets = [sensor_captures(tmp_path / f"sensor-{n}", n, captures=KILLS + 2) for n in range(SENSORS)]
    behind = list(map(list, zip(*sets, strict=True)))  # one of each sensor comes at a time
    files = [file for some in sets for file in some]
    sizes = {f"{file.parent.name}/{file.name}": file.stat().st_size for file in files}
    calm = Calm.load(tmp_path / "calm.db", files)
    opened(store_url).close()
    moments = random.Random(SEED)
    with exporting(store_url, tmp_path) as scraped, closing(Loaders(tmp_path)) as loaders:
        began = time.monotonic()
        assert loaders.run(NEVER, spool, store_url, config, behind.pop(0)) == 0
        longest_s = time.monotonic() - began
        for _ in range(KILLS):
            hand_over(behind.pop(0), spool)
            child = loaders.start(NEVER, spool, store_url, config)
            time.sleep(moments.uniform(0, longest_s))  # the moment is what is tested
            os.kill(child, signal.SIGKILL)
            assert loaders.how() == -signal.SIGKILL
            scraped.again()
        assert loaders.run(NEVER, spool, store_url, config, behind.pop()) == 0
        scraped.until_writes(len(calm.tables["flows"]))
        verify(store_url, tmp_path, scraped.url)
    assert not behind
    with closing(opened(store_url)) as store:
        calm.assert_same(store)
    assert put_away(spool) == sizes
