"""Which migrations a file has, and applying those that it lacks."""

from schema.errors import SchemaMismatchError
from schema.migrations import migrations, missing_migrations
from schema.store.sqlite.database import Database, Session, Transaction

_APPLY = "run: pcapline schema apply"


def wanted_version() -> int:
    """The schema version that this pcapline works with."""
    return migrations("sql")[-1].version


def applied_version(source: Session | Transaction) -> int:
    """The schema version that the file has; 0 for none."""
    return max(_applied(source), default=0)


def check_schema(source: Session, path: object) -> None:
    """Raise SchemaMismatchError where the file has not the schema that this pcapline works with."""
    if missing := missing_migrations("sql", _applied(source), str(path)):
        raise SchemaMismatchError(f"{path} lacks the schema {missing[-1].name}; {_APPLY}")


def apply_missing(database: Database, now_ms: int) -> list[str]:
    """Apply what is missing, all or nothing; returns the names."""
    with database.transaction() as transaction:
        missing = missing_migrations("sql", _applied(transaction), str(database.path))
        for migration in missing:
            transaction.execute(migration.text)
            transaction.execute(
                "INSERT INTO schema_history (name, version, applied_at, checksum) VALUES (?, ?, ?, ?)",
                (migration.name, migration.version, now_ms, migration.checksum),
            )
        transaction.commit()
    return [migration.name for migration in missing]


def _applied(source: Session | Transaction) -> dict[int, str]:
    """Version -> checksum."""
    if not source.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_history'"):
        return {}
    return dict(source.execute("SELECT version, checksum FROM schema_history"))
