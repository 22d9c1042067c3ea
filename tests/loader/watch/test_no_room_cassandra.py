"""A node whose disk is full lives and answers nobody: captures wait, and are loaded when it has room and was started again."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from schema.enums import FileState
from schema.store.cassandra import open_cassandra
from tests.loader.watching import QUICK, watching
from tests.pcapline.captures import START_S, capture, conversation, udp
from tests.servers.cassandra.node import CassandraNode
from tests.servers.disks import fill, resize, small_disk

# A log that is written, not mapped: a full disk is an error then, which the node survives, and no SIGBUS.
WRITTEN_LOG = {"commitlog_compression": "[{class_name: LZ4Compressor}]"}
# The section of the log that found no room is cut in its middle: without this the node does not start again.
CUT_LOG_IS_READ = "-Dcassandra.commitlog.ignorereplayerrors=true"
STORE_UP = 'pcapline_loader_store_up{store="sqlite"}'


def some(number: int) -> bytes:
    """Two thousand flows, so that the log needs room."""
    calls = [udp("10.0.0.7", "93.184.216.34", (20_000 + port, 443), b"x" * number) for port in range(2_000)]
    return capture([*conversation(), *calls], start_s=START_S + 60 * number)


def hand_over(content: bytes, path: Path) -> None:
    path.with_name("a.part").write_bytes(content)
    path.with_name("a.part").rename(path)


def test_a_node_whose_disk_is_full_is_waited_for(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    archive = spool / ".pcapline" / "archive" / "edge"
    node = CassandraNode(tmp_path / "node", settings=WRITTEN_LOG, java=(CUT_LOG_IS_READ,))
    with small_disk(tmp_path / "node" / "data", "256m") as disk:
        node.start()
        try:
            with closing(open_cassandra(["127.0.0.1"], node.port, "no_room")) as store:
                store.apply_schema()
                settings = replace(QUICK, grace_s=0)
                with watching(spool, tmp_path / "unused.db", settings, wrap=lambda _: store) as watch:
                    watch.patience_s = 120
                    hand_over(some(0), spool / "0.pcap")
                    watch.until(lambda: (archive / "0.pcap").exists())
                    ballast = fill(disk)
                    number = 0
                    while watch.metric(STORE_UP) == "1.0":
                        number += 1
                        hand_over(some(number), spool / f"{number}.pcap")
                        watch.until(lambda: len(watch.outcomes) > number or watch.metric(STORE_UP) == "0.0")  # noqa: B023
                    assert node.is_alive()
                    hand_over(some(number + 1), spool / f"{number + 1}.pcap")
                    watch.until(lambda: watch.metric('pcapline_captures_pending{sensor="edge"}') >= "1.0")
                    assert any("waiting for the store, nothing is lost" in line for line in watch.told)
                    ballast.unlink()
                    resize(disk, "512m")
                    node.kill()
                    node.start()
                    watch.until(lambda: len(list(archive.glob("*.pcap"))) == number + 2)
                    assert set(watch.states().values()) <= {FileState.LOADED, FileState.ALREADY_LOADED}
                assert store.ledger("edge").totals["frames"] == (number + 2) * 2_005
                for record in store.captures("edge"):
                    recount = store.recount(record.facts.capture_id)
                    assert dict(recount.found) == dict(recount.expected)
        finally:
            node.kill()
