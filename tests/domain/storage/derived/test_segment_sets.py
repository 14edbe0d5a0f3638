"""Which rules are in force, when the default set is made anew, and who follows it when."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, text

from domain.filters import FilterError
from domain.storage import tables
from domain.storage.derived import (
    catch_up,
    define_segments,
    derivation,
    derive,
)
from domain.storage.sessions import Database
from tests.domain.portfolios import NOW, random_portfolio, touched, write
from tests.domain.storage.derived.test_derivation import ALL

BIG = {"key": "BIG", "name": "Big balances", "where": {"balance": {"currency": "EUR", "gte": "1000"}}}
EVERYBODY = {"key": "ALL", "name": "Everybody", "where": {}}


async def _keys(connection: Any) -> list[str]:
    return list(await connection.scalars(text("SELECT key FROM segment ORDER BY position")))


async def _debtor(
    connection: Any, tenant_id: int, reference: str, product: str, currency: str = "EUR"
) -> None:
    """One debtor who owes 500, merged as an import would."""
    debtor = {"reference": reference, "name": reference, "name_key": reference.lower()}
    debtor_id = await connection.scalar(
        insert(tables.debtor)
        .values(tenant_id=tenant_id, country="ES", time_zone="UTC", **debtor)
        .returning(tables.debtor.c.id)
    )
    dates = {"opened_on": date(2026, 1, 1), "due_on": date(2026, 3, 1)}
    account = {"reference": reference, "debtor_id": debtor_id, "product": product, "currency": currency}
    await connection.execute(
        insert(tables.account).values(tenant_id=tenant_id, principal=Decimal(500), **account, **dates)
    )
    await touched(connection, [debtor_id])
    await derive(connection, tenant_id, merged=frozenset({"debtors", "accounts"}), now=NOW)


async def _segments(connection: Any) -> dict[str, str]:
    return dict((await connection.execute(text("SELECT reference, segment_key FROM debtor"))).all())


async def test_default_segments_come_with_the_first_accounts(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D1", "CARD")
        assert len(await _keys(connection)) == 12
        assert await _segments(connection) == {"D1": "MID-MEDIUM-CARD"}
        assert not await catch_up(connection, tenant_id, now=NOW)


async def test_a_new_product_remakes_them_and_others_follow_when_caught_up(
    database: Database, tenant_id: int
) -> None:
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D1", "CARD")
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("UPDATE account SET principal = 5000"))  # as yet underived
        await _debtor(connection, tenant_id, "D2", "LOAN")
        assert await _segments(connection) == {"D1": "MID-MEDIUM-CARD", "D2": "MID-MEDIUM-LOAN"}
        assert not await connection.scalar(text("SELECT bool_or(applied_at IS NOT NULL) FROM segment"))
    async with database.transaction(tenant_id) as connection:
        assert await catch_up(connection, tenant_id, now=NOW) == 2
        assert await _segments(connection) == {"D1": "MID-LARGE-CARD", "D2": "MID-MEDIUM-LOAN"}
        assert await catch_up(connection, tenant_id, now=NOW) == 0


async def test_a_new_rate_moves_the_borders(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D1", "CARD", "DKK")
        assert await _segments(connection) == {"D1": "MID-SMALL-CARD"}  # by the usual scale of crowns
        rate = {"date": date(2026, 3, 1), "currency": "DKK", "rate": Decimal(1)}
        await connection.execute(insert(tables.exchange_rate).values(tenant_id=tenant_id, **rate))
        await touched(connection, [])
        await derive(connection, tenant_id, merged=frozenset({"exchange_rates"}), now=NOW)
        await catch_up(connection, tenant_id, now=NOW)
        assert await _segments(connection) == {"D1": "MID-MEDIUM-CARD"}


async def test_own_rules_stay_and_an_empty_list_goes_back(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D1", "CARD")
        await define_segments(connection, tenant_id, [BIG, EVERYBODY], now=NOW)
        assert await _segments(connection) == {"D1": "ALL"}
        await _debtor(connection, tenant_id, "D2", "LOAN")
        assert await _keys(connection) == ["BIG", "ALL"]
        await define_segments(connection, tenant_id, [], now=NOW)
        assert len(await _keys(connection)) == 24
        assert await _segments(connection) == {"D1": "MID-MEDIUM-CARD", "D2": "MID-MEDIUM-LOAN"}
        assert await connection.scalar(text("SELECT bool_and(is_default) FROM segment"))


async def test_rules_that_cannot_be_taken_change_nothing(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D1", "CARD")
        before = await _keys(connection)
        with pytest.raises(FilterError) as error:
            await define_segments(connection, tenant_id, [BIG, BIG], now=NOW)
        assert (error.value.code, error.value.path) == ("DUPLICATE_KEY", ("input", "1", "key"))
        assert await _keys(connection) == before


async def test_whoever_derives_while_rules_change_is_caught_up(database: Database, tenant_id: int) -> None:
    """A merge that began before new rules, and ends after them, neither waits nor keeps the former segments."""
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D1", "CARD")
    started, go_on = asyncio.Event(), asyncio.Event()

    async def change_rules() -> None:
        async with database.transaction(tenant_id) as connection:
            await define_segments(connection, tenant_id, [EVERYBODY], now=NOW)
            started.set()
            await go_on.wait()

    async def merge() -> None:
        await started.wait()
        async with database.transaction(tenant_id) as connection:
            await _debtor(connection, tenant_id, "D2", "CARD")
        go_on.set()

    await asyncio.wait_for(asyncio.gather(change_rules(), merge()), 30)
    async with database.transaction(tenant_id) as connection:
        assert await _segments(connection) == {"D1": "ALL", "D2": "MID-MEDIUM-CARD"}
        assert await catch_up(connection, tenant_id, now=NOW) == 1
        assert await _segments(connection) == {"D1": "ALL", "D2": "ALL"}


async def test_a_new_debtor_follows_rules_that_came_into_force_just_before(
    database: Database, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever puts rules in force waits for the debtors it sees: not for one that is being made meanwhile."""
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D1", "CARD")
    sharing, calls = derivation.share_segments, []

    async def share(*asked: Any) -> bool:
        calls.append(asked)
        if len(calls) == 1:
            async with database.transaction(tenant_id) as other:
                await define_segments(other, tenant_id, [EVERYBODY], now=NOW)
        return await sharing(*asked)

    monkeypatch.setattr(derivation, "share_segments", share)
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D2", "CARD")
    async with database.transaction(tenant_id) as connection:
        await catch_up(connection, tenant_id, now=NOW)
        assert await _segments(connection) == {"D1": "ALL", "D2": "ALL"}


async def test_events_alone_do_not_touch_states(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as connection:
        world = random_portfolio(42, 20)
        await write(connection, tenant_id, world)
        await derive(connection, tenant_id, merged=ALL, now=NOW)
        await connection.execute(text("UPDATE payment SET attributed_to = NULL"))
        await connection.execute(text("UPDATE communication SET converted_at = NULL, days_past_due = 77"))
        await derive(connection, tenant_id, merged=frozenset({"events"}), now=NOW)
        rows = (await connection.execute(text("SELECT days_past_due, converted_at FROM communication"))).all()
        assert {row.days_past_due for row in rows} == {77}
        assert any(row.converted_at for row in rows)


async def test_events_move_segments_where_a_rule_asks_who_can_be_reached(
    database: Database, tenant_id: int
) -> None:
    reachable = {"key": "SMS", "name": "By SMS", "where": {"reachableBy": ["SMS"]}}
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D1", "CARD")
        await connection.execute(text("UPDATE debtor SET phone = '+34600000000'"))
        await connection.execute(
            text(
                "INSERT INTO communication (tenant_id, reference, debtor_id, channel, direction, sent_at)"
                " SELECT tenant_id, 'C', id, 'SMS', 'OUTBOUND', TIMESTAMPTZ '2026-03-20 12:00Z' FROM debtor"
            )
        )
        await define_segments(connection, tenant_id, [reachable], now=NOW)
        assert await _segments(connection) == {"D1": "SMS"}
        await connection.execute(text("UPDATE communication SET bounced_hard_at = sent_at"))
        await derive(connection, tenant_id, merged=frozenset({"events"}), now=NOW)
        assert await _segments(connection) == {"D1": "NONE"}


async def test_tenants_keep_to_themselves(database: Database, tenant_id: int, new_tenant) -> None:
    other = new_tenant()
    async with database.transaction(other) as connection:
        await _debtor(connection, other, "D9", "LOAN")
    async with database.transaction(tenant_id) as connection:
        await _debtor(connection, tenant_id, "D1", "CARD")
        await define_segments(connection, tenant_id, [EVERYBODY], now=NOW)
    async with database.transaction(other) as connection:
        assert await catch_up(connection, other, now=NOW) == 0
        assert await _segments(connection) == {"D9": "MID-MEDIUM-LOAN"}
