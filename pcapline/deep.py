"""Whether, and when, a command that only reads asks the deep decoder."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loader.decode.held import HeldFrame
    from loader.reading.capture import DeepAnswers, DeepDecoder


def add_no_deep_option(parser: ArgumentParser) -> None:
    """`--no-deep`, which `deep_decoder` reads."""
    help_text = "do not ask tshark about packets of link types that are not read"
    parser.add_argument("--no-deep", action="store_true", help=help_text)


def deep_decoder(given: Namespace) -> "DeepDecoder | None":
    """None where it is not wanted."""
    return None if given.no_deep else _ask_tshark


def _ask_tshark(frames: "Sequence[HeldFrame]") -> "DeepAnswers":
    """Most captures have no need of it: it is loaded when it is asked."""
    from loader.reading.deep import TsharkBatch

    return TsharkBatch(frames)
