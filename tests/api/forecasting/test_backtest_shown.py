"""How forecasts did on the history of a model version is shown as it was kept, by whichever version."""

from dataclasses import asdict

import orjson
from sqlalchemy import update

from domain.storage.sessions import Database
from domain.storage.tables import model_version
from ml.forecast import BacktestRow, Kpi
from tests.api.models import store_model

_ASKED = """{ modelVersions(first: 5) { edges { node {
    backtest { kpi coverage pinballLoss crps baselineCrps days } } } } }"""


async def test_rows_kept_with_and_before_crps(database: Database, new_tenant, api_of) -> None:
    tenant_id = new_tenant()
    version_id = await store_model(database, tenant_id, version=1)
    row = BacktestRow(
        kpi=Kpi.OPEN_RATE,
        nominal_coverage=0.9,
        coverage=0.91,
        pinball_loss=0.01,
        baseline_pinball_loss=0.02,
        crps=0.015,
        baseline_crps=0.025,
        days=28,
    )
    kept = orjson.loads(orjson.dumps(asdict(row)))
    before = {name: value for name, value in kept.items() if "crps" not in name}
    async with database.transaction(tenant_id) as connection:
        changed = update(model_version).where(model_version.c.id == version_id)
        await connection.execute(changed.values(backtest=[kept, before]))
    api = await api_of(tenant_id)
    (edge,) = (await api.ask(_ASKED))["modelVersions"]["edges"]
    shown = {"kpi": "OPEN_RATE", "coverage": 0.91, "pinballLoss": 0.01, "days": 28}
    assert edge["node"]["backtest"] == [
        {**shown, "crps": 0.015, "baselineCrps": 0.025},
        {**shown, "crps": None, "baselineCrps": None},
    ]
