"""Text as it stands in a table's cell."""


def cell(text: str) -> str:
    """In one line; `|` would end the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cell(text) for text in cells)} |\n"
