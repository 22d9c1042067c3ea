"""HTTP faces beside what a process does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from pcapline.http.face import HttpFace
from pcapline.http.gate import WebGate
from pcapline.http.serving import serve


@contextmanager
def serving(listen: str, face: HttpFace, stop: Event, bound: Callable[[str], None]) -> Iterator[None]:
    """Answer HTTP beside what the block does; `bound` gets the address of the metrics page. An address that cannot be had ends
    the block before it begins. `stop` is set when either ends."""
    failures: list[BaseException] = []
    answering = Event()

    def ready(host: str, port: int) -> None:
        bound(url_of(face.gate, host, port, face.telemetry_path))
        answering.set()

    def answer() -> None:
        try:
            serve(listen, face, stop, ready)
        except BaseException as error:  # told by the thread that waits for it
            failures.append(error)
            answering.set()

    thread = Thread(target=answer, name="http")
    thread.start()
    answering.wait()
    try:
        if failures:
            raise failures[0]
        yield
    finally:
        stop.set()
        thread.join()


def gate_of(web_config: str) -> WebGate:
    """Whom a face is shown to, as a file says; "": there is none."""
    return WebGate(Path(web_config) if web_config else None)


def url_of(gate: WebGate, host: str, port: int, path: str) -> str:
    """An address as others type it."""
    return f"{gate.scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"
