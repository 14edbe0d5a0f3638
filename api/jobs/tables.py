"""Which tables of background jobs this checkout works with: known without DBOS, whose loading takes a fifth of a second
and which many a command has no need of.
"""

from importlib.metadata import version

#: Job tables live in a schema of their own.
SCHEMA = "dbos"
#: The release of DBOS that is locked, and the version of its tables
_COUNTED = ("3.4.0", 125)


def newest_job_tables() -> int:
    """The version of the job tables that the installed DBOS works with."""
    release, tables = _COUNTED
    return tables if version("dbos") == release else count_job_tables()


def count_job_tables() -> int:
    """The same by DBOS itself; it has no public way to tell."""
    from dbos._migration import get_dbos_migrations  # noqa: PLC0415 - see above

    return len(get_dbos_migrations(SCHEMA, use_listen_notify=False))
