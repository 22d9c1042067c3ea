"""A real S3 server over a directory (s3s-fs, built once from crates.io): loopback only, gone with its test."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.servers import free_port, require
from tests.servers.cassandra.node import die_with_parent
from tests.servers.maven import cache

_VERSION = "0.11.1"
KEY, SECRET = "tests", "not-a-secret"
_START_S = 20


class S3Server:
    """Buckets are folders of `root`. Killed and started again, it has what it had."""

    def __init__(self, root: Path) -> None:
        self.root, self.port = root, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def options(self, secret: str = SECRET) -> str:
        """What stands in the file that `remote.objects_options` names."""
        keys = {"aws_endpoint": self.endpoint, "aws_region": "us-east-1"}
        keys |= {"aws_access_key_id": KEY, "aws_secret_access_key": secret}
        return "".join(f'{key} = "{value}"\n' for key, value in keys.items())

    def start(self) -> None:
        """Start and wait until it listens."""
        program = _program()
        (self.root / "captures").mkdir(parents=True, exist_ok=True)
        keys = ["--access-key", KEY, "--secret-key", SECRET]
        self._process = subprocess.Popen(
            [program, "--host", "127.0.0.1", "--port", str(self.port), *keys, self.root],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent,
        )  # fmt: skip
        deadline = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, "the S3 server does not start"
                time.sleep(0.02)

    def kill(self) -> None:
        """Take its power away."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None


def _program() -> Path:
    """The server, built where it is not there yet: a minute."""
    place = cache() / f"s3s-fs-{_VERSION}"
    program = place / "bin" / "s3s-fs"
    if not program.exists():
        require(shutil.which("cargo") is not None, "cargo is missing: it builds the S3 server of the tests")
        partial = place.with_name(f"{place.name}.{os.getpid()}")
        build = ["cargo", "install", "s3s-fs", "--version", _VERSION, "--features", "binary", "--locked", "--quiet"]
        subprocess.run([*build, "--root", str(partial)], check=True)
        try:
            partial.rename(place)
        except OSError:  # another session was faster
            shutil.rmtree(partial)
    return program
