"""Portfolios imported once, each beside the oracle's own reading of the same files."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from api.imports import import_folder
from domain.storage.sessions import Database
from tests.oracle.reading import Reading

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
NOW = datetime(2026, 6, 20, tzinfo=UTC)


@dataclass
class Imported:
    """A tenant with the data set of a folder in it; `rejected`: rows the import refused, per table."""

    tenant_id: int
    rejected: dict[str, int]
    folder: Path

    @cached_property
    def oracle(self) -> Reading:
        return Reading(self.folder)


@pytest.fixture(scope="session")
def import_data_set(
    database: Database, owner_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], Awaitable[Imported]]:
    """Import a folder into a tenant of its own, as of `NOW`."""

    async def run(folder: Path) -> Imported:
        key = f"k{uuid.uuid4().hex[:12]}"
        with psycopg.connect(owner_url, autocommit=True) as connection:
            row = connection.execute(
                "INSERT INTO tenant (key, name, currency) VALUES (%s, %s, 'EUR') RETURNING id", (key, key)
            ).fetchone()
        rejects = tmp_path_factory.mktemp("rejects") / "rejects.csv"
        report = await import_folder(database, row[0], folder, rejects=rejects, now=NOW)
        rejected = {table: counts.rejected for table, counts in report.tables.items() if counts.rejected}
        return Imported(row[0], rejected, folder)

    return run


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sample(import_data_set) -> Imported:
    """The sample data set."""
    return await import_data_set(SAMPLE / "facts")
