"""Where the stack's sensor shows its metrics: an interface's own address, or nowhere."""

import socket
import subprocess
import sys

import pytest

from tests.servers import free_port
from tests.servers.compose import FOLDER


def told(interface: str, port: int) -> tuple[int, str, str]:
    command = [sys.executable, FOLDER / "scripts" / "address.py", interface, str(port)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_address_of_an_interface() -> None:
    port = free_port()
    assert told("lo", port) == (0, f"127.0.0.1:{port}\n", "")


@pytest.mark.parametrize("interface", ["", "nowhere0", "a-name-that-no-interface-can-have"])
def test_an_interface_that_is_not_there(interface: str) -> None:
    code, out, why = told(interface, free_port())
    assert (code, out) == (1, "") and "Traceback" not in why


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, out, why = told("lo", taken.getsockname()[1])
    assert (code, out) == (1, "") and "Traceback" not in why
