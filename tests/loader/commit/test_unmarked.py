"""A loader that died behind a commit left its capture without a mark: the ledger has it, and nothing of it is loaded again."""

from pathlib import Path
from uuid import UUID

from capture.traffic import TrafficPlan, generate
from schema.enums import FileState
from tests.loader.commit.test_pipeline import loader_of, pcap
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace

UNMARK = (
    "UPDATE pcapline.captures SET state = 'claimed', segment = null, seq = null, nonce = null WHERE capture_id = {} IF EXISTS"
)


def test_what_a_file_grew_by_is_not_loaded_where_a_copy_of_it_was_loaded_whole(
    tmp_path: Path, cassandra_store_factory: CassandraFactory, cassandra_keyspace: Keyspace
) -> None:
    growing, copy, store = tmp_path / "growing.pcap", tmp_path / "copy.pcap", cassandra_store_factory()
    loader, frames = loader_of(store), list(generate(TrafficPlan(seed=11, packets=90)))
    growing.write_bytes(pcap(frames[:40]))
    copy.write_bytes(pcap(frames[:90]))
    assert loader.load(growing).state is FileState.LOADED
    whole = loader.load(copy)
    assert whole.state is FileState.LOADED
    assert whole.capture_id
    assert store.capture(whole.capture_id) is not None  # its mark is there
    cassandra_keyspace.execute(UNMARK.format(UUID(bytes=whole.capture_id)))
    growing.write_bytes(pcap(frames[:90]))
    assert loader.load(growing).state is FileState.ALREADY_LOADED
    assert store.ledger("edge-1").totals["frames"] == 40 + 90
