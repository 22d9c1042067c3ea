"""Whatever is written on a page, run or not: commands that exist, CQL that a node takes, PromQL that Prometheus reads."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from pcapline.cli import COMMANDS, command_parser
from tests.docs.languages import commands, cql, promql
from tests.docs.pages import ROOT, pages
from tests.servers import require
from tests.servers.cassandra.keyspace import Keyspace

TEXTS = [pytest.param(page.read_text(), id=str(page.relative_to(ROOT))) for page in pages()]


class WrongUsageError(Exception):
    """What the parser says."""


def parse(words: list[str]) -> None:
    if words[0].startswith("-"):
        assert words[0] in ("--version", "--help", "--print-completion")
        return
    assert words[0] in COMMANDS, f"no command of pcapline: {words[0]}"
    parser = command_parser(words[0])

    def refuse(message: str) -> NoReturn:
        raise WrongUsageError(message)

    parser.error = refuse  # type: ignore[method-assign]
    try:
        parser.parse(["1" if word == "FRAME" else word for word in words[1:]])
    except SystemExit:
        assert "--help" in words or "-h" in words
    except WrongUsageError as error:
        is_a_mention = "arguments are required" in str(error) and len(words) <= 2
        assert is_a_mention, f"pcapline {' '.join(words)}: {error}"


@pytest.mark.parametrize("text", TEXTS)
def test_commands_exist_and_take_their_flags(text: str) -> None:
    for words in commands(text):
        parse(words)


@pytest.mark.parametrize("words", [["monitr"], ["load", "--sensors", "x", "y"], ["query", "x", "--limit", "0"], ["--versions"]])
def test_what_does_not_exist_is_found(words: list[str]) -> None:
    with pytest.raises(AssertionError):
        parse(words)


def test_commands_are_found_wherever_they_stand() -> None:
    text = (
        "Type `pcapline verify --full`, or `sudo .venv/bin/pcapline capture -i eth0 x`.\n```console\n"
        "$ docker compose exec loader python -m pcapline query x \\\n    --cql | head -1  # newest\npcapline query it again\n"
        "```\n`pip install 'pcapline[all]'`"
    )
    found = [["query", "x", "--cql"], ["verify", "--full"], ["capture", "-i", "eth0", "x"]]
    assert list(commands(text)) == found


def test_promql_is_read_by_prometheus(tmp_path: Path) -> None:
    require(shutil.which("promtool") is not None, "promtool is missing: apt-get install prometheus")
    expressions = [expression for page in pages() for expression in promql(page.read_text())]
    assert len(expressions) > 4
    rules = [{"record": f"docs:expression:{number}", "expr": text} for number, text in enumerate(expressions)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "docs", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cql_that_no_node_takes_is_found(cassandra_keyspace: Keyspace) -> None:
    with pytest.raises(Exception, match="Syntax error"):
        cassandra_keyspace.check("GRANT SELECTS ON KEYSPACE pcapline TO x")


def test_cql_is_taken_by_a_node(cassandra_keyspace: Keyspace) -> None:
    """What reads is run; what changes the whole node is only parsed."""
    statements = [statement for page in pages() for statement in cql(page.read_text())]
    assert len(statements) > 2
    for statement in statements:
        if statement.upper().startswith("SELECT"):
            cassandra_keyspace.execute(statement)
        else:
            cassandra_keyspace.check(re.sub(" AND PASSWORD = '.*?'", "", statement))  # the node of the tests knows no passwords
