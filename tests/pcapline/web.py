"""HTTP faces over real sockets, and certificates for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pcapline.http import HttpFace, serve

PAGE = b"x_total 1\n" * 200


class Process:
    """A process whose readiness the test decides, and its face."""

    def __init__(self, body: bytes = PAGE) -> None:
        self.body = body
        self.reason: str | None = None
        self.accepted: list[str] = []

    def face(self) -> HttpFace:
        return HttpFace(
            name="pcapline <exporter>",
            version='1"2',
            metrics=self.metrics,
            ready=lambda: self.reason,
            telemetry_path="/telemetry",
            links={"/map?a=1&b=2": "Live <map>"},
        )

    def metrics(self, accept: str) -> tuple[bytes, str]:
        self.accepted.append(accept)
        return self.body, "text/plain; version=0.0.4; charset=utf-8"


@contextmanager
def served(face: HttpFace, listen: str = "127.0.0.1:0") -> Iterator[str]:
    """Its address, with the scheme."""
    stop, is_bound, bound = threading.Event(), threading.Event(), list[str]()

    def note(host: str, port: int) -> None:
        bound.append(f"{face.gate.scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        is_bound.set()

    thread = threading.Thread(target=serve, args=(listen, face, stop, note))
    thread.start()
    try:
        assert is_bound.wait(10)
        yield bound[0]
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def client_of(process: Process, listen: str = "127.0.0.1:0", **changes: object) -> Iterator[httpx.Client]:
    """A client of its face, which is changed so."""
    with served(replace(process.face(), **changes), listen) as address, httpx.Client(base_url=address) as client:  # type: ignore[arg-type]
        yield client


class Authority:
    """Signs certificates, written beside one another in a directory."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory, self._name = directory, name
        self._key, self.file = ec.generate_private_key(ec.SECP256R1()), directory / f"{name}.crt"
        self._certificate = self._signed(self._key, name, is_authority=True)
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, key_file = self._directory / f"{name}.crt", self._directory / f"{name}.key"
        certificate.write_bytes(self._signed(key, name, is_authority=False).public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return certificate, key_file

    def _signed(self, key: ec.EllipticCurvePrivateKey, name: str, *, is_authority: bool) -> x509.Certificate:
        def called(common_name: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])

        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(called(name))
            .issuer_name(called(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())
