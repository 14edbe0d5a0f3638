"""Which schema this checkout works with, and whether a database has it."""

from pathlib import Path

from api.jobs.tables import SCHEMA, newest_job_tables
from domain.storage.schema import job_tables_version, schema_revision
from domain.storage.sessions import Database

_MIGRATIONS = Path(__file__).parents[1] / "migrations" / "versions"
#: The first revision is called by its number alone, the others as their files are.
_FIRST = "0001"


class SchemaBehind(Exception):
    """The database's schema is not this checkout's."""

    code = "SCHEMA_NOT_CURRENT"


def newest_revision() -> str:
    """The revision this checkout works with."""
    found = revisions()
    if not found:
        raise SchemaBehind("This checkout has no migrations; get a complete one.")
    return found[-1]


def revisions() -> list[str]:
    """Every revision there is, the newest last. Files are named after them: asking Alembic, which loads itself and then
    every migration, would take each command a third of a second.
    """
    names = sorted(path.stem for path in _MIGRATIONS.glob("[0-9]*.py"))
    return [_FIRST if name.startswith(_FIRST) else name for name in names]


async def verify_schema(database: Database) -> None:
    """Go on only with the schema this checkout was made for.

    Raises:
        SchemaBehind: the database is older, newer, or was never migrated.
    """
    wanted, found = newest_revision(), await schema_revision(database)
    if found == wanted:
        await _verify_job_tables(database)
        return
    if found is None or found in revisions():
        at = f"is at revision {found}" if found else "has not been migrated yet"
        raise SchemaBehind(
            f"The database {at}; this checkout needs {wanted}. Run `dunwell migrate`, then try again."
        )
    raise of_a_newer_dunwell(found)


def of_a_newer_dunwell(revision: str) -> SchemaBehind:
    """The error of a database at a revision that is not among ours."""
    return SchemaBehind(
        f"The database is at revision {revision}, which this checkout does not know: it belongs to a newer dunwell. "
        "Use that one, or restore an older backup."
    )


async def _verify_job_tables(database: Database) -> None:
    """They come after the others, and with a DBOS of their own: a newer one may ask for more of them at any release."""
    if await job_tables_version(database, SCHEMA) < newest_job_tables():
        raise SchemaBehind(
            "The database's tables of background jobs are older than this checkout needs. Run `dunwell migrate`, then "
            "try again."
        )
