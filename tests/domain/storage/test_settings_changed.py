"""Grace days and windows that change: everything is as if they had always been so, whoever writes or dies meanwhile."""

import asyncio
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from domain.collection_settings import SettingError
from domain.kpis.requests import MessageDimension, Period
from domain.storage.derived import define_segments, derive_everything
from domain.storage.derived.segment_sets import own_segments
from domain.storage.kpis.messages import message_kpis
from domain.storage.rollups.answering import current_message_kpis
from domain.storage.rollups.watching import changed_since, seen_now
from domain.storage.sessions import Database, bind
from domain.storage.tenants import TenantError, change_settings
from tests.api.programs import running
from tests.domain.storage.ingest.test_order import (
    as_data_set,
    deadlocks_so_far,
    random_facts,
    settled,
    split_parents_first,
)
from tests.domain.storage.rollups.rollups import WINTER, assert_alike, kept_and_counted_anew, refresh
from tests.facts import NOW, merge_facts, row, stored

CHANGER = Path(__file__).with_name("settings_changer.py")
REFRESHER = Path(__file__).parents[2] / "api" / "jobs" / "refresher.py"
KILLS = 30 if os.environ.get("DUNWELL_TEST_LONG") else 5
USUAL = {"promise_grace_days": 2, "click_window_days": 7, "open_window_days": 3}
OTHER = {"promise_grace_days": 0, "click_window_days": 0.5, "open_window_days": 21}
THIRD = {"promise_grace_days": 30, "click_window_days": 0, "open_window_days": 0}


@pytest.fixture
def change(owner_url: str) -> Callable:
    async def run(tenant_id: int, settings: dict[str, Any]) -> None:
        await change_settings(owner_url, key=key_of(owner_url, tenant_id), changes=settings, now=NOW)

    return run


def key_of(owner_url: str, tenant_id: int) -> str:
    with psycopg.connect(owner_url) as connection:
        row = connection.execute("SELECT key FROM tenant WHERE id = %s", (tenant_id,)).fetchone()
    assert row is not None
    return str(row[0])


async def set_now(database: Database, tenant_id: int) -> dict[str, Any]:
    async with database.transaction(tenant_id) as connection:
        found: dict[str, Any] = await connection.scalar(
            text("SELECT settings FROM tenant WHERE id = :id"), {"id": tenant_id}
        )
        return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_is_derived_is_as_if_settings_had_always_been_so(
    database: Database, new_tenant, change, seed: int
) -> None:
    facts = as_data_set(random_facts(random.Random(seed), debtors=8, children=40))
    before, after = new_tenant(), new_tenant()
    await change(before, OTHER)
    await merge_facts(database, before, facts)
    await merge_facts(database, after, facts)
    usual = await settled(database, after)
    await refresh(database, after)
    await change(after, OTHER)
    found = await settled(database, after)
    assert found == await settled(database, before)
    for table, column in (
        ("payment", "attributed_to"),
        ("communication", "converted_at"),
        ("promise", "deadline"),
    ):
        assert [one[column] for one in found[table]] != [one[column] for one in usual[table]], column
    request = {"period": WINTER, "by": [MessageDimension.DAY], "as_of": NOW}
    figures = await current_message_kpis(database, after, **request)
    async with database.snapshot(before) as connection:
        assert_alike(figures, await message_kpis(connection, before, **request))
    await refresh(database, after)
    kept, anew = await kept_and_counted_anew(database, after)
    assert kept == anew
    await change(after, USUAL)
    assert await settled(database, after) == usual


async def test_a_promise_that_a_rule_looks_at_moves_its_debtor(
    database: Database, tenant_id: int, change
) -> None:
    broken = {"key": "BROKEN", "name": "Broken", "where": {"promiseStatus": ["BROKEN"]}}
    facts = {name: [row(name)] for name in ("debtors", "accounts", "promises")}
    facts["promises"][0] |= {"promised_at": "2026-05-20T10:00:00Z", "due_on": "2026-05-29"}
    await merge_facts(database, tenant_id, facts)
    async with database.transaction(tenant_id) as connection:
        await define_segments(connection, tenant_id, [broken], now=NOW)
    await change(tenant_id, {"promise_grace_days": 3})
    assert (await stored(database, tenant_id))["debtor"][0]["segment_key"] == "NONE"
    await change(tenant_id, {"promise_grace_days": 1})
    assert (await stored(database, tenant_id))["debtor"][0]["segment_key"] == "BROKEN"


async def test_whoever_watches_kpis_is_told(database: Database, tenant_id: int, change) -> None:
    facts = {name: [row(name)] for name in ("debtors", "accounts", "promises")}
    await merge_facts(database, tenant_id, facts)
    async with database.transaction(tenant_id) as connection:
        seen = await seen_now(connection)
    await change(tenant_id, {"promise_grace_days": 5})
    february = Period(NOW.replace(month=2), NOW.replace(month=3))
    async with database.transaction(tenant_id) as connection:
        changed, seen = await changed_since(connection, tenant_id, period=february, seen=seen)
        assert changed
    await change(tenant_id, {"promise_grace_days": 5, "hold_out_share": 0.1})  # nothing that KPIs rest on
    async with database.transaction(tenant_id) as connection:
        assert not (await changed_since(connection, tenant_id, period=february, seen=seen))[0]


async def test_each_setting_is_an_entry_of_the_audit_log(database: Database, tenant_id: int, change) -> None:
    await change(tenant_id, {"promise_grace_days": 5, "click_window_days": 1})
    async with database.transaction(tenant_id) as connection:
        entries = (await connection.execute(text("SELECT action, role, outcome FROM audit_entry"))).all()
    assert sorted(entries) == [
        ("setClickWindowDays", None, "DONE"),
        ("setPromiseGraceDays", None, "DONE"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("promise_grace_days", -1),
        ("promise_grace_days", 1.5),
        ("promise_grace_days", 366),
        ("click_window_days", float("nan")),
        ("open_window_days", float("inf")),
        ("open_window_days", "3"),
        ("hold_out_share", float("nan")),
    ],
)
async def test_what_cannot_be_set_changes_nothing(
    database: Database, tenant_id: int, change, name: str, value: object
) -> None:
    with pytest.raises(SettingError, match=name):
        await change(tenant_id, {"promise_grace_days": 9, name: value})
    assert await set_now(database, tenant_id) == {}
    async with database.transaction(tenant_id) as connection:
        assert not await connection.scalar(text("SELECT count(*) FROM audit_entry"))


async def test_nobodys_settings_cannot_be_set(owner_url: str) -> None:
    with pytest.raises(TenantError) as error:
        await change_settings(owner_url, key="nobody", changes=OTHER, now=NOW)
    assert error.value.code == "TENANT_UNKNOWN"


@pytest.mark.parametrize("seed", [31, 32])
async def test_settings_that_change_while_four_write_leave_what_the_last_ones_would(
    database: Database, owner_url: str, new_tenant, change, seed: int
) -> None:
    facts = random_facts(random.Random(seed), debtors=8, children=40)
    at_once, by_four = new_tenant(), new_tenant()
    await change(at_once, OTHER)
    await merge_facts(database, at_once, as_data_set(facts))
    deadlocks = await deadlocks_so_far(database, by_four)

    async def write(parts: list) -> None:
        for part in parts:
            await merge_facts(database, by_four, as_data_set(part))

    async def set_to_and_fro() -> None:
        for settings in (OTHER, THIRD, USUAL, THIRD, OTHER):
            await change(by_four, settings)

    with running(REFRESHER, owner_url, says="refreshing"):
        parts = [split_parents_first(facts, random.Random(seed * 10 + at), 6) for at in range(4)]
        await asyncio.gather(*map(write, parts), set_to_and_fro(), set_to_and_fro())
    assert await settled(database, by_four) == await settled(database, at_once)
    await refresh(database, by_four)
    kept, anew = await kept_and_counted_anew(database, by_four)
    assert kept == anew
    assert await deadlocks_so_far(database, by_four) == deadlocks


async def test_a_debtor_made_while_settings_change_follows_them(
    database: Database, owner_url: str, tenant_id: int
) -> None:
    """Whoever derives by the former settings does so for debtors that nobody could wait for: it marks them as due."""
    known = {
        "debtors": [row("debtors", reference="D0")],
        "accounts": [row("accounts", reference="A0", debtor="D0")],
    }
    await merge_facts(database, tenant_id, known)  # a new product would have to wait for the segments
    began, go_on = asyncio.Event(), asyncio.Event()

    async def changing() -> None:
        async with database.engine.begin() as connection:  # as the owner, step by step
            await connection.execute(
                text("UPDATE tenant SET settings = '{\"promise_grace_days\": 9}' WHERE id = :id"),
                {"id": tenant_id},
            )
            await bind(connection, tenant_id)
            await derive_everything(connection, tenant_id, now=NOW)
            began.set()
            await go_on.wait()

    async def writing() -> None:
        await began.wait()
        facts = {name: [row(name)] for name in ("debtors", "accounts", "promises")}
        await merge_facts(database, tenant_id, facts)
        go_on.set()

    await asyncio.wait_for(asyncio.gather(changing(), writing()), 30)
    (promise,) = (await settled(database, tenant_id))["promise"]
    assert promise["deadline"].date().isoformat() == "2026-02-19"


async def test_whoever_is_killed_over_settings_leaves_the_former_or_the_new_ones_whole(
    database: Database, owner_url: str, new_tenant, change, tmp_path: Path
) -> None:
    rng = random.Random(5)
    facts = as_data_set(random_facts(rng, debtors=12, children=60))
    expected, tenant_id = {}, new_tenant()
    for settings in (OTHER, THIRD):
        other = new_tenant()
        await change(other, settings)
        await merge_facts(database, other, facts)
        expected[json.dumps(settings)] = await settled(database, other)
    await change(tenant_id, OTHER)
    await merge_facts(database, tenant_id, facts)
    file = tmp_path / "settings.json"
    file.write_text(json.dumps([THIRD, OTHER]))
    for _ in range(KILLS):
        with running(CHANGER, owner_url, key_of(owner_url, tenant_id), file, says="changing"):
            await asyncio.sleep(rng.uniform(0.2, 2.0))  # then it dies of SIGKILL
        async with database.transaction(tenant_id) as connection:
            await own_segments(connection, tenant_id)  # its connection is gone as well
        settings = json.dumps(THIRD if await set_now(database, tenant_id) == THIRD else OTHER)
        assert await settled(database, tenant_id) == expected[settings]
        await refresh(database, tenant_id)
        kept, anew = await kept_and_counted_anew(database, tenant_id)
        assert kept == anew
    assert await set_now(database, tenant_id) in (OTHER, THIRD)
