"""A model version as the database keeps it, without a model."""

from datetime import UTC, datetime

from sqlalchemy import insert

from domain.storage.sessions import Database
from domain.storage.tables import model_version


async def store_model(database: Database, tenant_id: int, *, version: int, status: str = "CHALLENGER") -> int:
    """Store it and answer its id."""
    row = {
        "tenant_id": tenant_id,
        "version": version,
        "status": status,
        "recipe": "test",
        "trained_at": datetime(2026, 5, 1, tzinfo=UTC),
        "data_from": datetime(2026, 1, 1, tzinfo=UTC),
        "data_to": datetime(2026, 5, 1, tzinfo=UTC),
        "rows": 1234,
        "metrics": [{"name": "paid.log_loss", "value": 0.25, "low": None, "high": None, "baseline": 0.5}],
        "gate": {
            "passed": True,
            "checks": [{"name": "value", "passed": None, "message": "No propensities."}],
        },
        "manifest": {},
        "artefact": b"",
    }
    async with database.transaction(tenant_id) as connection:
        stored = insert(model_version).values(row).returning(model_version.c.id)
        return int((await connection.execute(stored)).scalar_one())


async def open_nothing(_tenant_id: int, _version_id: int) -> None:
    """Takes every version for one that can be opened: those stored here have no model."""
