"""What a store says of itself: `store_notes`, changed by compare and swap."""

from schema.store.sqlite.database import Session, Transaction


def read_notes(source: Session | Transaction) -> dict[str, str]:
    """All of them, by name."""
    return dict(source.execute("SELECT name, value FROM store_notes"))


def change_note(transaction: Transaction, name: str, before: str | None, after: str | None) -> bool:
    """Make a note say this (None: be gone), where it says what it said before."""
    if read_notes(transaction).get(name) != before:
        return False
    if after is None:
        transaction.execute("DELETE FROM store_notes WHERE name = ?", (name,))
    else:
        transaction.execute("INSERT OR REPLACE INTO store_notes (name, value) VALUES (?, ?)", (name, after))
    return True
