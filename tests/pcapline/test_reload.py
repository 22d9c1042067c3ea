"""POST /-/reload: what is taken, what needs a restart, what is wrong."""

from pathlib import Path

import httpx
import pytest

from pcapline.rereading import Rereading, changed_keys
from schema.errors import SettingsError
from schema.settings import Settings, StoreSettings
from schema.store.sqlite import open_sqlite
from tests.exporter.captures import Capture, lease_of, load
from tests.pcapline.test_services import eventually, page, service, url_in
from tests.pcapline.web import Process, client_of


def settings(url: str = "sqlite:a.db", consistency: str = "ONE") -> Settings:
    return Settings({"store": StoreSettings(url=url, consistency=consistency)})


def test_what_is_taken_becomes_what_runs() -> None:
    now = [settings(consistency="QUORUM")]
    rereading = Rereading(settings(), lambda: now[0], ["store"], ["store.consistency"])
    assert rereading.settings() is now[0]
    assert rereading.settings() is now[0]
    now[0] = settings("sqlite:b.db")
    for _ in range(2):
        with pytest.raises(SettingsError, match=r"^store.url: changed, which needs a restart"):
            rereading.settings()


def test_changed_keys() -> None:
    assert changed_keys(settings(), settings(), ["store"]) == []
    assert changed_keys(settings(), settings("sqlite:b.db", "ALL"), ["store"]) == ["store.url", "store.consistency"]


def test_every_fault_is_told_and_nothing_else_changes() -> None:
    def refuse() -> None:
        raise SettingsError("no")

    with client_of(Process(), reload=refuse) as client:
        answer = client.post("/-/reload")
        assert (answer.status_code, answer.text) == (422, "no\n")
        assert client.get("/-/reload").status_code == 405


def reload(metrics: str) -> tuple[int, str]:
    answer = httpx.post(metrics.replace("/metrics", "/-/reload"))
    return answer.status_code, answer.text.strip()


def test_an_exporter_takes_its_limit_and_refuses_another_store(tmp_path: Path) -> None:
    store = open_sqlite(tmp_path / "store.db")
    store.apply_schema()
    load(lease_of(store, "edge-1"), Capture(name="c", flows=[(f"h{number}.example", (1, 60, 0, 0)) for number in range(9)]))
    store.close()
    file = tmp_path / "settings.toml"
    common = '[store]\nurl = "sqlite:store.db"\n[exporter]\nlisten = "127.0.0.1:0"\nrefresh_s = 0.2\n'
    file.write_text(common)

    def series() -> int:
        return page(url_in(log)).count("pcapline_endpoint_writes_total{")

    with service("exporter", "--config", file, cwd=tmp_path) as (process, log):
        eventually(lambda: url_in(log) and series() == 10, process, log)
        file.write_text(common + "max_endpoints = 3\n")
        assert reload(url_in(log)) == (200, "reloaded")
        eventually(lambda: series() == 4, process, log)
        file.write_text(common.replace("store.db", "other.db"))
        status, told = reload(url_in(log))
        assert (status, told.split(":")[0]) == (422, "store.url")
        file.write_text("[exporter]\nmax_endpoint = 3\n")
        status, told = reload(url_in(log))
        assert status == 422
        assert "did you mean exporter.max_endpoints?" in told
        assert series() == 4


def test_a_watch_says_whether_its_inventory_would_be_taken(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    inventory = tmp_path / "hosts"
    inventory.write_text("192.0.2.1 db.example\n")
    file = tmp_path / "settings.toml"
    file.write_text('[loader]\nlisten = "127.0.0.1:0"\ninventory = "hosts"\n')
    with service("watch", tmp_path / "spool", "--config", file, cwd=tmp_path) as (process, log):
        eventually(lambda: url_in(log), process, log)
        assert reload(url_in(log)) == (200, "reloaded")
        inventory.write_text("192.0.2.999 db.example\n")
        status, told = reload(url_in(log))
        assert (status, told.split(":")[0]) == (422, "loader.inventory")


@pytest.mark.parametrize("command", ["exporter", "watch"])
def test_a_wrong_web_configuration_ends_the_start(tmp_path: Path, command: str) -> None:
    from tests.pcapline.command import pcapline

    (tmp_path / "spool").mkdir()
    (tmp_path / "web.yml").write_text("basic_auth_users: {alice: plain}")
    where = ["spool"] if command == "watch" else []
    done = pcapline(command, *where, "--web.listen-address", "127.0.0.1:0", "--web.config.file", "web.yml", cwd=tmp_path)
    assert done.returncode == 3
    assert "web.yml: basic_auth_users.alice: no bcrypt hash" in done.stderr
    assert "plain" not in done.stderr
