"""The worked examples of docs/kpis.md: its portfolio is imported, and every figure it states is what comes out."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from domain.kpis.requests import AgentDimension, Period
from domain.kpis.templates import TemplateDimension, TemplateKpiRow
from domain.storage.kpis.agents import agent_kpis
from domain.storage.kpis.messages import message_kpis
from domain.storage.kpis.payment_behaviour import payment_behaviour
from domain.storage.kpis.portfolio import portfolio_kpis
from domain.storage.kpis.templates import template_kpis
from domain.storage.kpis.traffic import traffic_kpis
from domain.storage.sessions import Database
from tests.domain.storage.kpis.imported import Imported

PAGE = (Path(__file__).parents[4] / "docs" / "kpis.md").read_text(encoding="utf-8")
MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
AS_OF = datetime(2026, 4, 10, tzinfo=UTC)


def stated(section: str) -> dict[str, str]:
    """KPI → the result of its worked example: what follows the last = in the last column."""
    body = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)` \|.*\| ([^|]+) \|$", body, re.MULTILINE)
    return {name: example.rsplit("=", 1)[-1].strip() for name, example in rows}


def shown(value: Any) -> str:
    """A figure as the page writes it."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return ", ".join(f"{amount:,.2f} {currency}" for currency, amount in value.items())
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}".rstrip("0").rstrip(".")


def figure(row: Any, name: str) -> Any:
    """`reaction.sentToOpen.p50` of a row, by its names in Python."""
    for part in name.split("."):
        row = getattr(row, re.sub(r"(?<=[a-z])([A-Z])", r"_\1", part).lower())
    return row


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def example(import_data_set: Callable, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    folder = tmp_path_factory.mktemp("example")
    files = re.findall(r"^`(\w+\.csv)`\n\n((?:    .*\n)+)", PAGE, re.MULTILINE)
    for name, block in files:
        (folder / name).write_text(re.sub(r"^    ", "", block, flags=re.MULTILINE), encoding="utf-8")
    imported = await import_data_set(folder)
    assert (len(files), imported.rejected) == (9, {})
    return imported


async def friendly(database: Database, tenant_id: int) -> list[TemplateKpiRow]:
    rows = await template_kpis(database, tenant_id, period=MARCH, by=[TemplateDimension.TONE], as_of=AS_OF)
    assert [row.key.tone for row in rows] == ["FIRM", "FRIENDLY", None]
    return [rows[1]]


@pytest.mark.parametrize(
    "section",
    [
        "Message KPIs",
        "Template KPIs",
        "Traffic KPIs",
        "Agent KPIs",
        "Portfolio KPIs",
        "Payment behaviour",
    ],
)
async def test_every_worked_example_is_what_comes_out(
    database: Database, example: Imported, section: str
) -> None:
    ask: dict[str, Callable] = {
        "Message KPIs": lambda connection: message_kpis(
            connection, example.tenant_id, period=MARCH, by=[], as_of=AS_OF
        ),
        "Template KPIs": lambda _: friendly(database, example.tenant_id),
        "Payment behaviour": lambda connection: payment_behaviour(
            connection, example.tenant_id, period=MARCH, as_of=AS_OF
        ),
        "Traffic KPIs": lambda connection: traffic_kpis(
            connection, example.tenant_id, period=MARCH, as_of=AS_OF
        ),
        "Agent KPIs": lambda connection: agent_kpis(
            connection, example.tenant_id, period=MARCH, by=AgentDimension.TEAM, as_of=AS_OF
        ),
        "Portfolio KPIs": lambda connection: portfolio_kpis(
            connection, example.tenant_id, period=MARCH, as_of=AS_OF
        ),
    }
    async with database.transaction(example.tenant_id) as connection:
        *_, row = await ask[section](connection)
    examples = stated(section)
    assert len(examples) >= 9
    assert {name: shown(figure(row, name)) for name in examples} == examples
