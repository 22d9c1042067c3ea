"""Three nodes, three copies: one lost is not noticed, two lost are waited for, and nothing is lost or doubled by either."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.scene import Calm, Watch, hand_over, opened, put_away, sensor_captures, verify, waiting
from tests.pcapline.command import pcapline
from tests.servers.cassandra.node import CassandraNode, ring

SENSORS, CAPTURES = 2, 12
REPLICATION = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}"
SETTINGS = f'[store]\nreplication = "{REPLICATION}"\n[loader]\ngrace_s = 0\nrescan_s = 0.2\n'
QUICK = ("-Dcassandra.ring_delay_ms=5000", "-Dcassandra.consistent.rangemovement=false")


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[CassandraNode]]:
    settings = {"hinted_handoff_enabled": "true"}
    nodes = [
        CassandraNode(tmp_path / f"node-{n}", place=place, settings=settings, java=QUICK) for n, place in enumerate(ring(3), 1)
    ]
    try:
        nodes[0].start()  # the others find one another by it
        for node in nodes[1:]:
            node.launch()
        for node in nodes[1:]:
            node.await_answer()
        yield nodes
    finally:
        for node in nodes:
            node.kill()


@pytest.mark.timeout(900)
def test_one_node_lost_is_not_noticed_and_two_are_waited_for(nodes: list[CassandraNode], tmp_path: Path) -> None:
    url = f"cassandra://{','.join(node.place.host for node in nodes)}:{nodes[0].port}/ring"
    spool, config = tmp_path / "spool", tmp_path / "ring.toml"
    config.write_text(SETTINGS)
    sets = [sensor_captures(tmp_path / f"sensor-{n}", n, captures=CAPTURES) for n in range(SENSORS)]
    behind, files = list(map(list, zip(*sets, strict=True))), [file for some in sets for file in some]
    sizes = {f"{file.parent.name}/{file.name}": file.stat().st_size for file in files}
    calm = Calm.load(tmp_path / "calm.db", files)
    assert pcapline("schema", "apply", "--store", url, "--config", config, cwd=tmp_path).returncode == 0

    with closing(Watch(spool, url, SETTINGS)) as watch:
        watch.until(lambda: "watching" in watch.told(), "it watches")

        def load(sets: int) -> None:
            for _ in range(sets):
                hand_over(behind.pop(0), spool)

        load(4)
        watch.until(lambda: watch.loaded() >= 2, "some are loaded")
        nodes[2].kill()
        load(3)
        watch.until_idle()
        assert watch.metric("pcapline_write_failures_total") == 0, watch.told()

        load(2)
        nodes[1].kill()
        load(3)
        watch.until(lambda: "waiting for the store" in watch.told(), "it waits")
        assert waiting(spool) and watch.metric("pcapline_loader_store_up") == 0
        nodes[1].start()
        watch.until_idle()
    assert not behind
    verify(url, tmp_path)
    with closing(opened(url)) as store:
        calm.assert_same(store)
    assert put_away(spool) == sizes
