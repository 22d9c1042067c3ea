"""Words for people: text from the wire made harmless, and counts."""

from collections.abc import Mapping


def printable(text: str) -> str:
    """Text from the wire or a file name for a terminal: whatever does not print is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def count_text(count: int, noun: str) -> str:
    """`1 flow`, `1,204 flows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def counts_text(counts: Mapping[str, int]) -> str:
    """`arp 3, malformed 1`: largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered)


def why_unread(error: Exception) -> str:
    """Why a file could not be shown, and what to do."""
    match error:
        case FileNotFoundError():
            return "no such file"
        case PermissionError():
            return f"{error.strerror}; give this user read access to it"
        case IsADirectoryError():
            return "is a directory; name the captures in it, or load all of them: pcapline load DIR"
        case OSError():
            return error.strerror or str(error)
        case _:
            return str(error)
