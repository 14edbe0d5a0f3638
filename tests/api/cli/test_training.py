"""What `dunwell train` leaves behind besides a model."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from domain.storage.sessions import Database
from domain.storage.tables import kept_forecast
from domain.storage.tenants import create_tenant
from tests.api.cli.command import environment
from tests.api.models import store_model
from tests.facts import merge_facts, row

PROGRAM = Path(__file__).with_name("evening_training.py")


@pytest.mark.parametrize("told", [False, True], ids=["as of now", "as of an instant"])
async def test_a_training_as_of_an_instant_keeps_no_forecast_of_today(
    migrated_url: str, tmp_path: Path, *, told: bool
) -> None:
    tenant_id = await create_tenant(migrated_url, key="acme", name="Acme", currency="EUR")
    database = Database(migrated_url)
    now = datetime.now(UTC)
    sent = [
        row("communications", reference=f"C{day}", sent_at=(now - timedelta(days=day)).isoformat())
        for day in range(1, 60)
    ]
    try:
        facts = {"debtors": [row("debtors")], "accounts": [row("accounts")], "communications": sent}
        report, _ = await merge_facts(database, tenant_id, facts)
        assert report.rejected == 0
        await store_model(database, tenant_id, version=1, status="CHAMPION")
        instant = [(now - timedelta(days=14)).isoformat()] if told else []
        _run(migrated_url, "acme", str(tmp_path), *instant, home=tmp_path)
        async with database.transaction(tenant_id) as connection:
            kept = await connection.scalar(select(func.count()).select_from(kept_forecast))
        assert (kept == 0) == told
    finally:
        await database.close()


def _run(*arguments: str, home: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        env=environment(DUNWELL_HOME=home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
