"""How many debtors a segment has in a place: the differences add up to a count, whoever writes what beside whom."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.derived import define_segments, derive
from domain.storage.derived.segment_sizes import fold_sizes
from domain.storage.reads.segment_grounds import segment_ground
from domain.storage.reads.segments import debtors_by_segment, list_segments
from domain.storage.sessions import Database
from tests.domain.portfolios import NOW, random_portfolio, write
from tests.facts import merge_facts, row

RULES = [
    {"key": "SPAIN", "name": "In Spain", "where": {"country": {"eq": "ES"}}},
    {"key": "LATE", "name": "Late", "where": {"daysPastDue": {"gte": 10}}},
]
PLACES = "segment_key, time_zone, country, region"


async def counted(connection: AsyncConnection) -> Counter[Any]:
    """What the debtors themselves say."""
    rows = await connection.execute(text(f"SELECT {PLACES}, count(*) FROM debtor GROUP BY {PLACES}"))
    return Counter({tuple(row[:4]): row[4] for row in rows})


async def kept(connection: AsyncConnection) -> Counter[Any]:
    """What is kept of them."""
    rows = await connection.execute(
        text(f"SELECT {PLACES}, sum(debtors) FROM segment_size GROUP BY {PLACES} HAVING sum(debtors) <> 0")
    )
    return Counter({tuple(row[:4]): int(row[4]) for row in rows})


async def check(database: Database, tenant_id: int) -> None:
    async with database.snapshot(tenant_id) as connection:
        expected = await counted(connection)
        assert await kept(connection) == expected
        by_segment: Counter[str] = Counter()
        for (key, *_), debtors in expected.items():
            by_segment[key] += debtors
        listed = await list_segments(connection, tenant_id)
        assert {row.key: row.debtor_count for row in listed if row.debtor_count} == dict(by_segment)
        assert await debtors_by_segment(connection, tenant_id, [*by_segment, "nobody"]) == dict(by_segment)


async def check_quietly(database: Database, tenant_id: int) -> None:
    """The same while nobody writes, and what recommendations read of it besides."""
    await check(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        expected = await counted(connection)
    ground = await segment_ground(database, tenant_id, as_of=NOW, now=None)
    assert ground is not None
    assert {key: {zone for zone, _ in found} for key, found in ground.places.items()} == {
        key: {zone for segment, zone, *_ in expected if segment == key} for key, *_ in expected
    }
    assert sum(segment.debtor_count for segment in ground.segments) == expected.total()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_sizes_are_a_count_whatever_was_written(database: Database, tenant_id: int, seed: int) -> None:
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, random_portfolio(seed, 25))
        await derive(connection, tenant_id, merged=frozenset({"debtors", "accounts", "payments"}), now=NOW)
    await check_quietly(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await define_segments(connection, tenant_id, RULES, now=NOW)
    await check_quietly(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("UPDATE debtor SET region = 'ES-MD', country = 'ES' WHERE id % 3 = 0"))
        await connection.execute(
            text(
                "INSERT INTO debtor (tenant_id, reference, name, name_key, country, time_zone) "
                "VALUES (:tenant_id, 'X1', 'X', 'x', 'FR', 'Europe/Paris')"
            ),
            {"tenant_id": tenant_id},
        )
    await check_quietly(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("DELETE FROM debtor WHERE reference = 'X1'"))
        await fold_sizes(connection, tenant_id, left=0)
        rows = await connection.scalar(text("SELECT count(*) FROM segment_size"))
        assert rows == len(await counted(connection))
    await check_quietly(database, tenant_id)


async def test_what_is_undone_is_not_counted(database: Database, tenant_id: int) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction(tenant_id) as connection:
            await write(connection, tenant_id, random_portfolio(4, 5))
            raise ZeroDivisionError
    await check_quietly(database, tenant_id)


async def test_writers_beside_writers_and_folding_lose_nothing(database: Database, tenant_id: int) -> None:
    """Imports of new and moved debtors, new rules and folding, all at once: the sum is a count at every look."""
    await merge_facts(
        database, tenant_id, {"debtors": [row("debtors", reference=f"D{n}") for n in range(20)]}
    )
    done = asyncio.Event()

    async def move(seed: int) -> None:
        rng = random.Random(seed)
        for turn in range(8):
            rows = [
                row("debtors", reference=f"D{n}", country=rng.choice(["ES", "FR", "DE"]))
                for n in sorted(rng.sample(range(40), 6))
            ]
            await merge_facts(database, tenant_id, {"debtors": rows})
            if seed == 0 and turn % 3 == 0:
                async with database.transaction(tenant_id) as connection:
                    await define_segments(connection, tenant_id, RULES[turn % 2 :], now=NOW)

    async def fold() -> None:
        while not done.is_set():
            async with database.transaction(tenant_id) as connection:
                await fold_sizes(connection, tenant_id, left=0)
            await asyncio.sleep(0.01)

    async def look() -> None:
        while not done.is_set():
            await check(database, tenant_id)

    others = [asyncio.create_task(each()) for each in (fold, fold, look)]
    try:
        await asyncio.gather(*(move(seed) for seed in range(4)))
    finally:
        done.set()
        await asyncio.gather(*others)
    await check(database, tenant_id)
