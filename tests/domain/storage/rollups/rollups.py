"""What the rollups hold and answer, held against the facts."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from math import isclose

from sqlalchemy import text

from domain.kpis.messages import MessageKpiRow
from domain.kpis.requests import Period
from domain.storage.derived import derive_everything
from domain.storage.rollups.changes import collect_days, publish_days, touching_days
from domain.storage.rollups.refreshing import EVER, dirty_days, refresh_day
from domain.storage.sessions import Database
from tests.facts import NOW

#: A period that holds every message of `tests.facts` and of random facts.
WINTER = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
SPANS = ("sent_to_open", "open_to_pay", "sent_to_pay")


async def refresh(database: Database, tenant_id: int, *, most: int = 10_000) -> list[date]:
    """Count up to so many dirty days again, as the refresher does."""
    async with database.transaction(tenant_id) as connection:
        days = await dirty_days(connection, tenant_id, *EVER, most=most)
        for day in sorted(days):
            await refresh_day(connection, tenant_id, day)
    return days


def assert_alike(found: Sequence[MessageKpiRow], expected: Sequence[MessageKpiRow]) -> None:
    """The same rows: counts and money exactly, means to rounding, percentiles within 1 %."""
    assert [row.key for row in found] == [row.key for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert [_exact(one)] == [_exact(other)]
        for span in SPANS:
            time, wanted = getattr(one.reaction, span), getattr(other.reaction, span)
            assert time.count == wanted.count
            for part, error in (("mean", 1e-9), ("p50", 0.01), ("p90", 0.01), ("median_censored", 0.01)):
                figure, true = getattr(time, part), getattr(wanted, part)
                assert figure is true is None or isclose(figure, true, rel_tol=error), (span, part)


def _exact(one: MessageKpiRow) -> tuple[object, ...]:
    counts = [getattr(one, name) for name in one.__slots__ if isinstance(getattr(one, name), int)]
    return one.key, counts, one.collected, one.cost


async def rollups(database: Database, tenant_id: int) -> dict[str, list[str]]:
    found = {}
    async with database.transaction(tenant_id) as connection:
        for table in ("message_rollup", "message_day"):
            rows = await connection.execute(text(f"SELECT * FROM {table}"))
            found[table] = sorted(repr({**row, "version": None}) for row in rows.mappings())
    return found


async def kept_and_counted_anew(
    database: Database, tenant_id: int
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The rollups as they are, and as counting every day anew makes them."""
    kept = await rollups(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await derive_everything(connection, tenant_id, now=NOW)
        await collect_days(connection)
        await connection.execute(
            text(touching_days("FROM communication c WHERE c.tenant_id = :tenant_id")),
            {"tenant_id": tenant_id},
        )
        await publish_days(connection, tenant_id)
    await refresh(database, tenant_id)
    return kept, await rollups(database, tenant_id)
