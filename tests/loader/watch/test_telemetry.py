import shutil
import subprocess

from loader.outcome import FileOutcome
from loader.watch.telemetry import LoaderTelemetry, Pending
from schema.enums import FileState
from tests.servers import require


def busy() -> LoaderTelemetry:
    telemetry = LoaderTelemetry("sqlite", "1.2")
    telemetry.answered(
        FileOutcome(file="a", state=FileState.LOADED, sensor="edge", packets=7, rows={"flows": 3}, write_s=0.03), 0.2
    )
    refused = FileOutcome(file="b", state=FileState.QUARANTINED, sensor="edge", reason="not_a_capture: it begins with MZ")
    telemetry.answered(refused, 0.01)
    telemetry.waits([Pending(sensor="edge", files=3, oldest=100.0), Pending(sensor="office", files=1, oldest=50.0)])
    telemetry.store_failed("unavailable")
    telemetry.store_refused({"unknown": 3})
    telemetry.store_refused({"unknown": 5, "full": 1})
    telemetry.store_answers(False)
    telemetry.leases(["edge"])
    telemetry.missed(2)
    telemetry.expired(9)
    telemetry.names_evicted(4)
    telemetry.partitions({"flows": 9, "packets": 2}, 0)
    telemetry.partitions({"flows": 1_000, "packets": 2}, 5)
    telemetry.disposed()
    return telemetry


def test_what_is_shown():
    page = busy().expose("")[0].decode().splitlines()
    for line in (
        'pcapline_captures_pending{sensor="edge"} 3.0',
        "pcapline_captures_oldest_pending_timestamp_seconds 50.0",
        'pcapline_loader_files_total{sensor="edge",state="loaded"} 1.0',
        'pcapline_loader_files_total{sensor="edge",state="empty"} 0.0',
        'pcapline_capture_failures_total{reason="not_a_capture",sensor="edge"} 1.0',
        'pcapline_writes_total{store="sqlite"} 2.0',
        'pcapline_write_failures_total{reason="unavailable",store="sqlite"} 1.0',
        'pcapline_write_refusals_total{outcome="unknown",store="sqlite"} 5.0',
        'pcapline_write_refusals_total{outcome="full",store="sqlite"} 1.0',
        'pcapline_loader_store_up{store="sqlite"} 0.0',
        'pcapline_lease_held{sensor="edge"} 1.0',
        "pcapline_spool_missed_events_total 2.0",
        "pcapline_retention_deleted_rows_total 9.0",
        "pcapline_loader_names_evicted_total 4.0",
        'pcapline_loader_largest_partition_rows{table="flows"} 1000.0',
        'pcapline_loader_largest_partition_bytes{table="flows"} 240000.0',
        "pcapline_loader_partitions_forgotten_total 5.0",
        "pcapline_captures_disposed_total 1.0",
        "pcapline_capture_load_seconds_count 2.0",
        'pcapline_write_duration_seconds_count{store="sqlite"} 1.0',
        'pcapline_write_duration_seconds_bucket{le="0.05",store="sqlite"} 1.0',
        'pcapline_write_duration_seconds_bucket{le="0.025",store="sqlite"} 0.0',
        'pcapline_loader_rows_total{table="flows"} 3.0',
    ):
        assert line in page, line
    assert any(line.startswith("process_resident_memory_bytes ") for line in page)


def test_what_is_over_goes_back_to_nothing():
    telemetry = busy()
    telemetry.waits([])
    telemetry.leases([])
    page = telemetry.expose("")[0].decode().splitlines()
    assert 'pcapline_captures_pending{sensor="office"} 0.0' in page
    assert "pcapline_captures_oldest_pending_timestamp_seconds 0.0" in page
    assert 'pcapline_lease_held{sensor="edge"} 0.0' in page


def test_ready_while_store_and_directory_answer():
    telemetry = LoaderTelemetry("sqlite", "1.2")
    assert telemetry.ready() is None
    telemetry.store_answers(False)
    assert "captures wait" in (telemetry.ready() or "")
    telemetry.store_answers(True)
    telemetry.directory_answers(False)
    assert "directory" in (telemetry.ready() or "")


def test_open_metrics_where_it_is_asked_for():
    body, content_type = busy().expose("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_promtool_finds_nothing_to_say():
    require(shutil.which("promtool") is not None, "promtool is not installed")
    answer = subprocess.run(["promtool", "check", "metrics"], input=busy().expose("")[0], capture_output=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, b"", b"")
