"""Real servers for the tests. Where one is missing a test is skipped, but in CI it fails."""

import os
import shutil
import socket

import pytest


def require(condition: bool, reason: str) -> None:
    """Go on only where `condition` holds: otherwise skip, or fail where CI is true."""
    if not condition:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def require_tshark() -> None:
    """Go on only where tshark is."""
    require(shutil.which("tshark") is not None, "tshark is not installed")


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
