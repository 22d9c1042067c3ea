"""The command itself: errors as one line and an exit code, settings, help, completion."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loader.decode.reasons import REASON_TEXT
from loader.naming.choice import EVIDENCE
from pcapline.cli import command_parser
from schema.enums import FileState, FlowEndReason, Initiator
from tests.pcapline.command import clean_environment, pcapline

COMMANDS = (
    "demo",
    "load",
    "read",
    "explain",
    "watch",
    "capture",
    "exporter",
    "query",
    "status",
    "verify",
    "schema",
    "store",
    "service",
    "doctor",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(tmp_path: Path, command: str) -> None:
    done = pcapline(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"pcapline {command}" in done.stdout


def test_help_lists_exactly_the_commands_that_work(tmp_path: Path) -> None:
    lines = pcapline("--help", cwd=tmp_path).stdout.partition("COMMAND\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines if line[4:5].isalpha()] == list(COMMANDS)


def test_a_command_loads_no_other(tmp_path: Path) -> None:
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from pcapline.__main__ import main; main()"
    command = [sys.executable, "-c", code, "read", "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=120)
    assert re.findall(r"pcapline\.commands\.(\w+)", done.stdout) == ["read"]


def test_wrong_usage_is_2(tmp_path: Path) -> None:
    assert pcapline("load", "--no-such-option", cwd=tmp_path).returncode == 2
    assert pcapline("no-such-command", cwd=tmp_path).returncode == 2
    assert pcapline(cwd=tmp_path).returncode == 2
    wrong = pcapline("query", "x", "--limit", "0", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--limit" in wrong.stderr
    assert "pcapline query --help" in wrong.stderr
    for typed, meant in (
        ("lod x", "load"),
        ("load x --sensr y", "--sensor"),
        ("schema aply", "apply"),
        ("query x --limt=3", "--limit"),
    ):
        assert f"; did you mean {meant}?; pcapline" in pcapline(*typed.split(), cwd=tmp_path).stderr
    assert "did you mean" not in pcapline("query", "x", "--zzz", cwd=tmp_path).stderr
    assert "unrecognized arguments: --wrong; pcapline load" in pcapline("load", "--wrong", cwd=tmp_path).stderr
    assert "are required: DIR;" in pcapline("capture", "-i", "lo", cwd=tmp_path).stderr


def meant(command: str, *arguments: str) -> str:
    """What wrong usage suggests."""
    parser, told = command_parser(command), io.StringIO()
    with contextlib.redirect_stderr(told), pytest.raises(SystemExit):
        parser.parse([*arguments])
    return "".join(re.findall(r"did you mean (.*?)\?;", told.getvalue()))


def flags_of(command: str) -> list[str]:
    """The long ones."""
    return [name for action in command_parser(command)._actions for name in action.option_strings if name.startswith("--")]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_that_no_flag_is_like_is_taken_for_none(command: str) -> None:
    for far in ("--wrong", "--nonsense", "--verbose", "--quiet", "--zzz", "--x", "--colour"):
        assert meant(command, far) == "", far


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_with_a_letter_too_few_is_known(command: str) -> None:
    for flag in flags_of(command):
        if len(flag) > len("--of"):
            typed = flag[:3] + flag[4:]
            assert meant(command, typed) == flag or typed in flags_of(command), typed


def test_a_flag_that_is_typed_in_part_is_known() -> None:
    assert meant("exporter", "--listen", "127.0.0.1:1") == "--web.listen-address"
    assert meant("load", "x", "--sens", "y") == "--sensor"
    assert meant("capture", "-i", "lo", "x", "--rot", "3") == ""  # of two flags


@pytest.mark.parametrize(
    "command",
    [
        *(("load",), ("read",), ("explain",), ("watch",), ("status",), ("doctor",), ("capture", "-i", "lo")),
        *(("verify", "--archive"), ("demo", "--out")),
    ],
)
def test_an_empty_path_is_no_working_directory(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = pcapline(*command, "", cwd=tmp_path)
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (2, "", [])
    assert "the path is empty: is the variable set?" in done.stderr


def test_options_stand_anywhere_and_end_at_two_dashes(tmp_path: Path) -> None:
    for arguments in (("a", "--json", "b"), ("--json", "a", "b"), ("--json", "--", "-a", "b")):
        done = pcapline("read", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr.count("no such file")) == (1, 2), done.stderr


def test_the_version_is_told(tmp_path: Path) -> None:
    assert re.fullmatch(r"pcapline \d+\.\d+\.\d+\n", pcapline("--version", cwd=tmp_path).stdout)


@pytest.mark.parametrize(
    ("typed", "offered"), [("ver", "verify"), ("load --ne", "--network"), ("capture --rotate-", "--rotate-bytes")]
)
def test_bash_completes(tmp_path: Path, typed: str, offered: str) -> None:
    script = pcapline("--print-completion", "bash", cwd=tmp_path).stdout
    words = ["pcapline", *typed.split()]
    ask = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_pcapline; echo ${{COMPREPLY[*]}}"
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [offered], done.stderr


def test_zsh_gets_a_script_of_its_own(tmp_path: Path) -> None:
    assert pcapline("--print-completion", "zsh", cwd=tmp_path).stdout.startswith("#compdef pcapline")


@pytest.mark.parametrize(
    ("environ", "text", "words"),
    [
        ({"PCAPLINE_LOADER__SETLE_S": "1"}, None, "did you mean PCAPLINE_LOADER__SETTLE_S?"),
        ({"PCAPLINE_LOADR__SETTLE_S": "1"}, None, "did you mean LOADER?"),
        ({}, "[loader]\nsetle_s = 1\n", "did you mean loader.settle_s?"),
        ({}, "[loader]\nsettle_s = 'soon'\n", "expected a number"),
        ({}, "[store]\nurl = 'oracle:x'\n", "sqlite:PATH"),
    ],
)
def test_a_wrong_setting_starts_nothing(tmp_path: Path, environ: dict[str, str], text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "pcapline.toml").write_text(text)
    done = pcapline("status", cwd=tmp_path, environ=environ)
    assert (done.returncode, done.stdout) == (3, "")
    assert words in done.stderr
    assert (done.stderr.startswith("pcapline: "), done.stderr.count("\n")) == (True, 1)


def test_settings_are_shown_with_their_origin(tmp_path: Path) -> None:
    (tmp_path / "pcapline.toml").write_text("[exporter]\nmax_endpoints = 7\n")
    environ = {"PCAPLINE_STORE": "sqlite:there.db"}
    done = pcapline("exporter", "--dump", "--web.listen-address", "127.0.0.1:1", cwd=tmp_path, environ=environ)
    assert done.returncode == 0
    for line in (
        'url = "sqlite:there.db"  # PCAPLINE_STORE',
        'listen = "127.0.0.1:1"  # --web.listen-address',
        "max_endpoints = 7  # pcapline.toml",
        'telemetry_path = "/metrics"  # default',
    ):
        assert line in done.stdout
    (tmp_path / "pcapline.toml").write_text(done.stdout)
    assert pcapline("exporter", "--check", cwd=tmp_path).returncode == 0


def test_every_word_is_explained() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "words.md").read_text()
    words = {*EVIDENCE, *REASON_TEXT.values(), *(word.text for word in (*FlowEndReason, *Initiator)), *map(str, FileState)}
    words |= {"corrupt_record", "corrupt_block", "cut_tail", "skipped_bytes", "cut_stream", "corrupt_stream"}
    assert {word for word in words if f"`{word}`" not in page} == set()


def test_a_file_named_in_a_settings_file_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts.csv").write_text("192.0.2.1,a.example\n192.0.2.1/24,b.example\n")
    (tmp_path / "etc" / "p.toml").write_text("[loader]\ninventory = 'hosts.csv'\n")
    config = ("--config", "etc/p.toml")
    checked = pcapline("watch", ".", *config, "--check", cwd=tmp_path)
    assert checked.returncode == 3
    assert f"pcapline: {tmp_path}/etc/hosts.csv:2: " in checked.stderr
    assert pcapline("doctor", *config, cwd=tmp_path).stdout.count(f"FAIL  inventory {tmp_path}/etc/hosts.csv") == 2
    (tmp_path / "etc" / "hosts.csv").write_text("192.0.2.1,a.example\n")
    assert pcapline("watch", ".", *config, "--check", cwd=tmp_path).returncode == 0
    assert "inventory" not in pcapline("doctor", *config, cwd=tmp_path).stdout
    missing = pcapline("watch", ".", "--check", cwd=tmp_path, environ={"PCAPLINE_LOADER__INVENTORY": "none.csv"})
    assert missing.returncode == 3
    assert f"{tmp_path}/none.csv: No such file" in missing.stderr


def test_another_package_under_a_rooms_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "__init__.py").write_text("")
    done = pcapline("status", cwd=tmp_path)
    assert done.returncode == 3
    assert "schema" in done.stderr
    assert "environment of its own" in done.stderr


def test_a_wrong_flag_is_named(tmp_path: Path) -> None:
    for flags in (("--rotate", "0"), ("--rotate", "-1"), ("--snaplen", "1")):
        done = pcapline("capture", "-i", "lo", tmp_path, *flags, cwd=tmp_path)
        assert done.returncode == 3
        assert done.stderr.startswith(f"pcapline: {flags[0]} {flags[1]}")
    assert pcapline("status", "--store", "mysql:x", cwd=tmp_path).stderr.startswith("pcapline: --store mysql:x: ")
