"""What services say of themselves: one line an event, on stderr."""

import logging


def log_to_stderr(level: int) -> None:
    """Send pcapline's own events there; of libraries only what went wrong."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    for room in ("capture", "loader", "exporter", "pcapline"):
        logging.getLogger(room).setLevel(level)
