"""SIGKILL of the node in the middle of a load, restarted on the same storage.

With `group` nothing that was acknowledged is gone. With `periodic` some is: it is seen, and those captures are loaded again.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schema.store.reading import StoreReader
from tests.faults.scene import Calm, Watch, exporting, hand_over, opened, put_away, sensor_captures, verify
from tests.servers.cassandra.node import CassandraNode

SENSORS, CAPTURES = 2, 8
SYNC_S = 15
# A log that is compressed is in the process's own memory until it is synced: what was acknowledged since dies with it.
PERIODIC = {
    "commitlog_sync": "periodic",
    "commitlog_sync_period": f"{SYNC_S}s",
    "commitlog_sync_group_window": "0ms",
    "commitlog_compression": "[{class_name: LZ4Compressor}]",
}


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], CassandraNode]]:
    made: list[CassandraNode] = []

    def make(settings: dict[str, str]) -> CassandraNode:
        made.append(CassandraNode(tmp_path / "node", settings=settings))
        made[0].start()
        return made[0]

    yield make
    for node in made:
        node.kill()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("sync", ["group", "periodic"])
def test_killed_node_comes_back_and_every_capture_counts_once(
    sync: str, make_node: Callable[[dict[str, str]], CassandraNode], tmp_path: Path
) -> None:
    node = make_node(PERIODIC if sync == "periodic" else {})
    url, spool = f"cassandra://127.0.0.1:{node.port}/killed", tmp_path / "spool"
    sets = [sensor_captures(tmp_path / f"sensor-{n}", n, captures=CAPTURES) for n in range(SENSORS)]
    files = [file for some in sets for file in some]
    sizes = {f"{file.parent.name}/{file.name}": file.stat().st_size for file in files}
    calm = Calm.load(tmp_path / "calm.db", files)
    opened(url).close()
    grace_s = 2 * SYNC_S if sync == "periodic" else 0
    with (
        exporting(url, tmp_path) as scraped,
        closing(Watch(spool, url, f"[loader]\ngrace_s = {grace_s}\nrescan_s = 0.2\n")) as watch,
    ):
        half = [file for some in sets for file in some[: CAPTURES // 2]]
        hand_over(half[:-1], spool)
        watch.until(lambda: watch.loaded() >= len(half) - 1, "the first half is loaded, but for one")
        with closing(opened(url)) as store:
            scraped.again()
            hand_over(half[-1:], spool)
            watch.until(lambda: watch.loaded() >= len(half), "the first half is loaded")
            acknowledged = positions(store, sets)  # at once: what is synced meanwhile is not lost
            node.kill()
        hand_over([file for some in sets for file in some[CAPTURES // 2 :]], spool)
        watch.until(lambda: "waiting for the store" in watch.told(), "it waits")
        node.start()
        opened(url).close()  # a node that forgets may have forgotten that its tables were made, too
        if sync == "group":
            watch.until(lambda: watch.loaded() > len(half), "it goes on")
            node.kill()  # again, in whatever step it is
            node.start()
        watch.until_idle()
        scraped.until_writes(len(calm.tables["flows"]))
        verify(url, tmp_path, scraped.url)
    with closing(opened(url)) as store:
        calm.assert_same(store)
        lost = acknowledged - positions(store, sets)
    assert put_away(spool) == sizes
    assert bool(lost) == (sync == "periodic"), watch.told()


def positions(store: StoreReader, sets: list[list[Path]]) -> set[tuple[str, bytes]]:
    """Sensor and nonce of each commit."""
    sensors = {files[0].parent.name for files in sets}
    return {(sensor, commit.position.nonce) for sensor in sensors for commit in store.commits(sensor, 0)}
