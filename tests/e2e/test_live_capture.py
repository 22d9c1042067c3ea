"""From a cable to rows: a real tcpdump in a network namespace, rotating each second, and the loader behind it."""

from pathlib import Path

from schema.enums import FileState
from schema.store.sqlite import open_sqlite
from schema.tables import FLOWS
from tests.capture.wire import Sensor, beside, wire
from tests.e2e.loading import assert_balance, contents, load_all
from tests.servers.prometheus import until


def test_ten_thousand_packets_sent_are_in_rows_or_counted_as_dropped(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    with wire() as cable:
        sensor = Sensor.start(cable, captures, 1.0)
        try:
            until(lambda: sensor.told("started") > 0 or sensor.process.poll() is not None, "the sensor started", 15)
            cable.send(10_000, 2_500)
            sensor.stop()
        finally:
            sensor.close()
    files = sensor.files()
    store = open_sqlite(tmp_path / "live.db")
    store.apply_schema()
    outcomes = load_all(store, files, sensor="probe")
    assert_balance(outcomes)
    assert {outcome.state for outcome in outcomes} == {FileState.LOADED}
    dropped = sum(beside(path)["kernel_drops"] for path in files)
    both_ways = [FLOWS.index("packets"), FLOWS.index("packets_rev")]
    in_rows = sum(int(str(row[column])) for row in contents(store)["flows"] for column in both_ways)
    totals = store.ledger("probe").totals
    assert in_rows + dropped == 10_000
    assert (totals["flow_packets"], totals.get("kernel_drops", 0)) == (in_rows, dropped)
    assert len(files) >= 4
    store.close()
