"""Portfolios imported once, each beside the oracle's own reading of the same files."""

import csv
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from api.imports import import_folder
from domain.storage.sessions import Database
from tests.domain.storage.kpis.imported import NOW, SAMPLE, Imported
from tests.domain.storage.kpis.odd import ACCOUNT, DEBTOR, Asked, Tables


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


@pytest.fixture
def ask(database: Database, import_data_set: Callable, tmp_path: Path) -> Callable:
    """Import the tables given (a debtor and an account where not) and ask."""

    async def run(**tables: list[dict[str, str]]) -> Asked:
        given: Tables = {"debtors": [DEBTOR], "accounts": [ACCOUNT], **tables}
        for table, rows in given.items():
            with (tmp_path / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
        imported = await import_data_set(tmp_path)
        assert imported.rejected == {}
        return Asked(database, imported)

    return run
