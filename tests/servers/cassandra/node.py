"""Cassandra nodes from the jars of Maven Central: no container, loopback only, gone when their test session is."""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, NoHostAvailable
from cassandra.protocol import OverloadedErrorMessage

from tests.servers import free_port, maven, require

VERSION = "5.0.9"
_NAME = f"cassandra-{VERSION}"
START_S = 180
SUPERUSER = ("cassandra", "cassandra")  # of a node that is new and asks for a name
_HERE = Path(__file__).parent
LOGBACK = _HERE / "logback.xml"
_MEMORY = "-Xms512m -Xmx512m -Xss256k -XX:MaxDirectMemorySize=256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
_SAFETY = "-XX:+ExitOnOutOfMemoryError -XX:+PerfDisableSharedMem -Djdk.attach.allowAttachSelf=true"
_EXPORTS = """
    java.base/jdk.internal.misc java.management.rmi/com.sun.jmx.remote.internal.rmi
    java.management/com.sun.jmx.remote.security java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql
    java.base/java.lang.ref jdk.unsupported/sun.misc jdk.attach/sun.tools.attach jdk.compiler/com.sun.tools.javac.file
"""
_OPENS = """
    java.base/java.lang.module java.base/jdk.internal.loader java.base/jdk.internal.ref java.base/jdk.internal.reflect
    java.base/jdk.internal.math java.base/jdk.internal.module java.base/jdk.internal.util.jar
    jdk.management/com.sun.management.internal java.base/sun.nio.ch java.base/java.io java.base/java.lang.reflect
    java.base/java.lang java.base/java.util java.base/java.nio jdk.compiler/com.sun.tools.javac
"""
_SETTINGS = """
    -Dio.netty.tryReflectionSetAccessible=true -Dio.netty.allocator.useCacheForAllThreads=true -Dio.netty.allocator.maxOrder=11
    -Djava.net.preferIPv4Stack=true -Dchronicle.analytics.disable=true -Dchronicle.announcer.disable=true
    -Dcassandra-foreground=yes -Dcassandra.libjemalloc=- -Dcassandra.skip_wait_for_gossip_to_settle=0
    -Dcassandra.shutdown_announce_in_ms=0 -Dcassandra.superuser_setup_delay_ms=0 -Dcassandra.size_recorder_interval=0
"""


def require_cassandra() -> None:
    """Skip (in CI: fail) where a node cannot be had."""
    require(shutil.which("java") is not None, "java is missing: apt-get install openjdk-17-jdk-headless")
    require((maven.cache() / _NAME).exists() or shutil.which("mvn") is not None, "mvn is missing: apt-get install maven")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a node is: in a ring of its own, or one of several."""

    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    storage_port: int = field(default_factory=free_port)
    token: int = 0


def ring(nodes: int) -> list[Place]:
    """Places of nodes that know one another: 127.0.0.1, 127.0.0.2 ...; the first is the one that they find the others by."""
    port, storage_port = free_port(), free_port()
    tokens = (-(2**63) + number * 2**64 // nodes for number in range(nodes))
    return [Place(host=f"127.0.0.{n}", port=port, storage_port=storage_port, token=token) for n, token in enumerate(tokens, 1)]


class CassandraNode:
    """A node of the loopback whose data live in a directory: started, stopped or killed, and started again on the same data."""

    def __init__(
        self,
        directory: Path,
        *,
        survives: bool = True,
        place: Place | None = None,
        settings: Mapping[str, str | None] | None = None,
        java: tuple[str, ...] = (),
    ) -> None:
        """`survives`: its schema outlives a kill too; without that, making and emptying tables is several times faster.
        `settings` take the place of those in cassandra.yaml (None: of it nothing); `java`: further options of the JVM."""
        self.directory, self.place, self._survives = directory, place or Place(), survives
        self._settings, self._java = dict(settings or {}), java
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Where it answers CQL."""
        return self.place.port

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether its process runs, whatever it answers."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it answers CQL."""
        self.launch()
        self.await_answer()

    def launch(self) -> None:
        """Start; it is not there yet."""
        require_cassandra()
        jars = fetched_jars()
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "cassandra.yaml").write_text(self._configuration())
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(jars), stdout=log, stderr=subprocess.STDOUT, cwd=self.directory, preexec_fn=die_with_parent
            )

    def _configuration(self) -> str:
        place, text = self.place, (_HERE / "cassandra.yaml").read_text()
        values = {"PORT": place.port, "STORAGE_PORT": place.storage_port, "HOST": place.host, "TOKEN": place.token}
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        for name, setting in self._settings.items():
            line = f"{name}: {setting}" if setting is not None else ""
            text, found = re.subn(rf"^{name}:.*$", line, text, flags=re.M)
            text += "" if found else f"{line}\n"
        return text

    def configure(self, settings: Mapping[str, str]) -> None:
        """Further settings, from its next start."""
        self._settings |= settings

    def freeze(self) -> None:
        """Let it do nothing, without its connections ending, until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop it politely: it flushes; killed where it does not go."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """Take its power away."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def _command(self, jars: Path) -> list[str]:
        return [
            "java",
            *java_options(str(jars)),
            *self._java,
            f"-Dcassandra.config=file://{self.directory / 'cassandra.yaml'}",
            f"-Dlogback.configurationFile=file://{LOGBACK}",
            f"-Dcassandra.storagedir={self.directory / 'data'}",
            f"-Dcassandra.logdir={self.directory}",
            f"-Dcassandra.unsafesystem={str(not self._survives).lower()}",
            "-cp",
            f"{jars}/*",
            "org.apache.cassandra.service.CassandraDaemon",
        ]

    def await_answer(self) -> None:
        """Wait until it answers CQL."""
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process is not None
            running = self._process.poll() is None
            assert running and time.monotonic() < deadline, f"no node:\n{(self.directory / 'log').read_text()[-4000:]}"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.place.host, self.port), 1).close()
        except OSError:
            return False
        asks = PlainTextAuthProvider(*SUPERUSER) if "authenticator" in self._settings else None
        cluster = Cluster([self.place.host], port=self.port, protocol_version=5, auth_provider=asks)
        try:
            cluster.connect().execute("SELECT release_version FROM system.local")
        except OverloadedErrorMessage:
            return True
        except NoHostAvailable as failed:  # one that is too busy to say more answers, and each question makes it busier
            return any(isinstance(cause, OverloadedErrorMessage) for cause in dict(failed.errors).values())
        finally:
            cluster.shutdown()
        return True


def java_options(jars: str) -> list[str]:
    """What the JVM is told, wherever the node's files are."""
    return [
        *_MEMORY.split(),
        *_SAFETY.split(),
        f"-javaagent:{jars}/jamm-0.4.0.jar",
        *(part for name in _EXPORTS.split() for part in ("--add-exports", f"{name}=ALL-UNNAMED")),
        *(part for name in _OPENS.split() for part in ("--add-opens", f"{name}=ALL-UNNAMED")),
        *_SETTINGS.split(),
    ]


def fetched_jars() -> Path:
    """The folder with the node's jars, fetched once from Maven Central."""
    return maven.fetched_jars(_HERE / "pom.xml", _NAME)


def die_with_parent() -> None:
    """Run in a child before its program: it is told to end when the process that started it is gone, however that ended."""
    pr_set_pdeathsig = 1
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
