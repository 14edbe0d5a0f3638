"""Rows go along with the migrations: what is stored at an earlier revision is there at the newest, and as it was."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from api.migrating import migrate
from domain.names import name_key
from domain.storage.campaigns import NewCampaign, Planned, begin_campaign, finish_campaign
from domain.storage.decisions import NewDecision, log_decisions
from domain.storage.derived import catch_up, define_segments
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from domain.vocabulary import Arm
from tests.api.models import store_model
from tests.conftest import ROOT
from tests.domain.storage.rollups.rollups import refresh
from tests.facts import NOW, merge_facts, row, stored

EARLIER = [script.revision for script in ScriptDirectory(str(ROOT / "migrations")).walk_revisions()][1:]
FACTS = (
    *("agents", "templates", "exchange_rates", "finance", "debtors", "accounts", "contact_points"),
    *("contact_requests", "communications", "events", "payments", "promises"),
)


@pytest.fixture
async def kept(migrated_url: str) -> AsyncIterator[tuple[Database, int]]:
    """A tenant with a row in every table of facts, a model and a campaign."""
    tenant_id = await create_tenant(migrated_url, key="acme", name="Acme", currency="EUR")
    database = Database(migrated_url)
    await merge_facts(database, tenant_id, {table: [row(table)] for table in FACTS})
    await _plan(database, tenant_id)
    yield database, tenant_id
    await database.close()


async def _plan(database: Database, tenant_id: int) -> None:
    model = await store_model(database, tenant_id, version=1, status="CHAMPION")
    asked = {"within": {"from": "2026-06-02T00:00:00+00:00", "to": "2026-06-09T00:00:00+00:00"}}
    start, end = NOW.replace(day=2), NOW.replace(day=9)
    async with database.transaction(tenant_id) as connection:
        debtor_id = (await connection.execute(text("SELECT id FROM debtor"))).scalar_one()
        number = await begin_campaign(
            connection, tenant_id, NewCampaign("June", asked, model, NOW, start, end)
        )
        decided = [
            NewDecision(
                *(
                    debtor_id,
                    NOW,
                    action,
                    1.0,
                    False,
                    arm,
                    ["SMS:8-20"],
                    [],
                    [],
                    7,
                    "PLANNED@1",
                    "2026-1",
                    model,
                ),
                campaign_id=number,
            )
            for arm, action in (
                (Arm.PLANNED, {"channel": "SMS"}),
                (Arm.PLANNED, {"channel": "SMS"}),
                (Arm.HELD_OUT, None),
            )
        ]
        await log_decisions(connection, tenant_id, decided)
        await finish_campaign(connection, tenant_id, number, Planned(2, 1, 0, {"SMS": 2}, {}))


async def _picture(database: Database, tenant_id: int) -> dict[str, Any]:
    async with database.transaction(tenant_id) as connection:
        campaigns = (await connection.execute(text("SELECT * FROM campaign"))).mappings().all()
        sizes = text("SELECT segment_key, sum(debtors) FROM segment_size GROUP BY 1 HAVING sum(debtors) <> 0")
        counted = (await connection.execute(sizes)).all()
    return {**await stored(database, tenant_id), "campaigns": list(map(dict, campaigns)), "sizes": counted}


@pytest.mark.parametrize("revision", EARLIER)
async def test_rows_go_down_and_up_again(
    kept: tuple[Database, int], migrated_url: str, revision: str
) -> None:
    database, tenant_id = kept
    before = await _picture(database, tenant_id)
    assert len(before["campaigns"]) == 1
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = migrated_url
    command.downgrade(config, revision)
    migrate(migrated_url)
    assert await _picture(database, tenant_id) == before
    await refresh(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        assert (await connection.execute(text("SELECT sum(messages) FROM message_day"))).scalar_one() == 1


COMPLAINED = {
    "events": [
        row(
            "events",
            reference="E2",
            kind="COMPLAINED",
            occurred_at="2026-03-01T10:00:00Z",
            communication="C1",
        )
    ]
}
PROVEN_AFTER_A_BOUNCE = {
    "events": [
        row(
            "events",
            reference="E2",
            kind="BOUNCED_HARD",
            occurred_at="2026-02-01T10:01:00Z",
            communication="C1",
        )
    ],
    "contact_points": [
        row("contact_points", channel="EMAIL", address="ana@new.example", verified_at="2026-03-01T10:00:00Z")
    ],
}


@pytest.mark.parametrize(
    ("earlier", "facts", "former", "right"),
    [
        ("0015_stated_or_followed", COMPLAINED, "MAIL", {"D1": "NONE", "C1": "MAIL", "C2": "NONE"}),
        ("0016_complaints_refuse", PROVEN_AFTER_A_BOUNCE, "NONE", dict.fromkeys(("D1", "C1", "C2"), "MAIL")),
    ],
    ids=["complaints refuse", "addresses are proven"],
)
async def test_whom_a_rule_has_reached_otherwise_until_now_is_segmented_anew(
    kept: tuple[Database, int],
    migrated_url: str,
    earlier: str,
    facts: dict[str, list[dict[str, Any]]],
    former: str,
    right: dict[str, str],
) -> None:
    database, tenant_id = kept
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = migrated_url
    reached = [{"key": "MAIL", "name": "Reached by mail", "where": {"reachableBy": ["EMAIL"]}}]
    async with database.transaction(tenant_id) as connection:
        await define_segments(connection, tenant_id, reached, now=NOW)
    home, later = (
        row("debtors", email="ana@example.org"),
        row("communications", reference="C2", sent_at="2026-04-01T10:00:00Z"),
    )
    await merge_facts(database, tenant_id, {"debtors": [home], "communications": [later], **facts})
    assert await _segments(database, tenant_id) == right
    command.downgrade(config, earlier)
    async with database.transaction(tenant_id) as connection:
        derived = {"former": former}
        await connection.execute(text("UPDATE debtor SET segment_key = :former, state_until = NULL"), derived)
        await connection.execute(text("UPDATE communication SET segment_key = :former"), derived)
    migrate(migrated_url)
    async with database.transaction(tenant_id) as connection:
        now = (await connection.execute(text("SELECT now()"))).scalar_one()
        assert await catch_up(connection, tenant_id, now=now) == 1
    assert await _segments(database, tenant_id) == right


async def _segments(database: Database, tenant_id: int) -> dict[str, str]:
    async with database.transaction(tenant_id) as connection:
        found = [
            (await connection.execute(text(f"SELECT reference, segment_key FROM {table}"))).all()
            for table in ("debtor", "communication")
        ]
    return {one.reference: one.segment_key for rows in found for one in rows}


async def test_an_infinite_end_is_none(kept: tuple[Database, int], migrated_url: str) -> None:
    database, tenant_id = kept
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = migrated_url
    command.downgrade(config, "0018_kept_forecast_open")
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("UPDATE account SET closed_on = 'infinity'"))
        await connection.execute(text("UPDATE agent SET active_to = 'infinity'"))
    migrate(migrated_url)
    async with database.transaction(tenant_id) as connection:
        ends = "SELECT closed_on FROM account UNION ALL SELECT active_to FROM agent"
        assert list(await connection.scalars(text(ends))) == [None, None]


async def test_names_are_found_by_any_sigma(kept: tuple[Database, int], migrated_url: str) -> None:
    database, tenant_id = kept
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = migrated_url
    name = "ΝΙΚΟΣ ΣΟΦΟΣ"
    await merge_facts(database, tenant_id, {"debtors": [row("debtors", name=name)]})
    keys = []
    for _ in range(2):
        keys.append(await _name_key(database, tenant_id))
        command.downgrade(config, "0019_no_end")
        keys.append(await _name_key(database, tenant_id))
        migrate(migrated_url)
    assert keys == [name_key(name), name.lower()] * 2


async def _name_key(database: Database, tenant_id: int) -> str:
    async with database.transaction(tenant_id) as connection:
        found: str = (await connection.execute(text("SELECT name_key FROM debtor"))).scalar_one()
        return found
