"""New rules for a large portfolio: kept as a draft, applied whole or not at all, and nothing waits meanwhile."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.filters import FilterError
from domain.storage.derived import apply_draft, catch_up, derive, draft_since, drafts, propose_segments
from domain.storage.sessions import Database
from tests.domain.portfolios import NOW, random_portfolio, write
from tests.domain.storage.derived.test_derivation import ALL
from tests.domain.storage.derived.test_segment_sets import BIG, EVERYBODY

_SEGMENTS = """
    SELECT segment_key FROM debtor WHERE segment IS NULL
    UNION SELECT c.segment_key FROM communication c JOIN debtor d ON d.id = c.debtor_id WHERE d.segment IS NULL
"""


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every portfolio with a debtor is large."""
    monkeypatch.setattr(drafts, "AT_ONCE", 0)


@pytest.fixture
async def portfolio(database: Database, tenant_id: int) -> int:
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, random_portfolio(51, 20))
        await derive(connection, tenant_id, merged=ALL, now=NOW)
    return tenant_id


async def propose(database: Database, tenant_id: int, rules: list[Any], seconds: int = 0) -> bool:
    async with database.transaction(tenant_id) as connection:
        return await propose_segments(connection, tenant_id, rules, now=NOW + timedelta(seconds=seconds))


async def apply(database: Database, tenant_id: int) -> bool:
    async with database.transaction(tenant_id) as connection:
        return await apply_draft(connection, tenant_id, now=NOW)


async def read(database: Database, tenant_id: int) -> tuple[set[str], bool]:
    """The segments by rule that are in use, and whether others wait."""
    async with database.transaction(tenant_id) as connection:
        await catch_up(connection, tenant_id, now=NOW)
        used = set(await connection.scalars(text(_SEGMENTS)))
        return used, await draft_since(connection, tenant_id) is not None


async def test_a_small_portfolio_follows_at_once(database: Database, portfolio: int) -> None:
    assert await propose(database, portfolio, [EVERYBODY])
    assert await read(database, portfolio) == ({"ALL"}, False)


@pytest.mark.usefixtures("large")
async def test_a_large_one_answers_by_the_former_rules_until_it_is_applied(
    database: Database, portfolio: int
) -> None:
    former, _ = await read(database, portfolio)
    assert not await propose(database, portfolio, [BIG])
    assert not await propose(database, portfolio, [EVERYBODY], seconds=1)  # the latest word counts
    assert await read(database, portfolio) == (former, True)
    assert await apply(database, portfolio)
    assert await read(database, portfolio) == ({"ALL"}, False)
    assert not await apply(database, portfolio)


@pytest.mark.usefixtures("large")
async def test_rules_that_cannot_be_taken_leave_no_draft(database: Database, portfolio: int) -> None:
    with pytest.raises(FilterError):
        await propose(database, portfolio, [BIG, BIG])
    assert not (await read(database, portfolio))[1]


@pytest.mark.usefixtures("large")
async def test_whoever_dies_over_a_draft_leaves_it_and_the_former_segments(
    database: Database, owner_url: str, portfolio: int
) -> None:
    former, _ = await read(database, portfolio)
    await propose(database, portfolio, [EVERYBODY])
    with pytest.raises(DBAPIError):
        async with database.transaction(portfolio) as connection:
            assert await apply_draft(connection, portfolio, now=NOW)
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert await read(database, portfolio) == (former, True)
    assert await apply(database, portfolio)
    assert (await read(database, portfolio))[0] == {"ALL"}


@pytest.mark.usefixtures("large")
async def test_reads_do_not_wait_for_rules_that_are_being_applied(database: Database, portfolio: int) -> None:
    former, _ = await read(database, portfolio)
    await propose(database, portfolio, [EVERYBODY])
    applied, go_on = asyncio.Event(), asyncio.Event()

    async def applying() -> None:
        async with database.transaction(portfolio) as connection:
            assert await apply_draft(connection, portfolio, now=NOW)
            applied.set()
            await go_on.wait()

    async def meanwhile() -> None:
        await applied.wait()
        async with database.transaction(portfolio) as connection:  # years later everybody is due
            assert await catch_up(connection, portfolio, now=NOW + timedelta(days=900)) == 0
        assert await read(database, portfolio) == (former, True)
        go_on.set()

    await asyncio.wait_for(asyncio.gather(applying(), meanwhile()), 30)
    assert await read(database, portfolio) == ({"ALL"}, False)


def _listing(lists: int, values: int) -> list[dict[str, Any]]:
    names = [[f"{number}-{at}" for at in range(values)] for number in range(lists)]
    return [
        {"key": f"N{number}", "name": "Named", "where": {"name": {"in": listed}}}
        for number, listed in enumerate(names)
    ]


def _telling_apart(rules: int) -> list[dict[str, Any]]:
    """Rules of two filters each, none of which another has."""
    return [
        {
            "key": f"B{number}",
            "name": "Owes",
            "where": {
                "balance": {
                    "currency": "EUR",
                    "gt": f"{number}.1",
                    "gte": f"{number}.2",
                    "lt": f"{number}.3",
                    "lte": f"{number}.4",
                },
                "product": {"startsWith": f"P{number}"},
            },
        }
        for number in range(rules)
    ]


async def test_rules_as_large_together_as_possible_are_applied(database: Database, portfolio: int) -> None:
    again = {"key": "AGAIN", "name": "Counted once", "where": _listing(1, 1000)[0]["where"]}
    assert await propose(database, portfolio, [*_listing(10, 1000), *_telling_apart(745), again])
    used, is_waiting = await read(database, portfolio)
    assert not is_waiting
    assert used <= {"NONE", *(f"B{number}" for number in range(745))}


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (_telling_apart(751), "hold 1,502 different filters; at most 1,500"),
        (_listing(40, 1000), "hold 40,000 different values; at most 10,000"),
    ],
)
@pytest.mark.usefixtures("large")
async def test_rules_too_large_together_are_refused_before_they_are_kept(
    database: Database, portfolio: int, rules: list[Any], told: str
) -> None:
    with pytest.raises(FilterError, match=told) as refused:
        await propose(database, portfolio, rules)
    assert (refused.value.code, refused.value.path) == ("TOO_MANY", ("input",))
    async with database.transaction(portfolio) as connection:
        assert await draft_since(connection, portfolio) is None
