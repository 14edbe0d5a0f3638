"""The schedule behind RECOMMENDED: the coming week, planned for a sample of the debtors contacted lately."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

import polars as pl

from api.answers import Window
from api.decisions.calendar import calendar_of
from api.decisions.requests import days_of
from api.histories import read_history_of
from api.recommendations.champions import Champion, Champions
from domain.contact_rules import Reachability
from domain.storage.reachability import reachability
from domain.storage.reads.contacted import contacted_sample
from domain.storage.sessions import Database
from ml.forecast import Schedule, schedule_of
from ml.frames import History
from ml.segment_plans import SegmentPlan
from ml.weekly_plan import DAYS, RECENT_DAYS, Lawful, plan_week

SAMPLE = 3_000
"""Debtors planned for; they stand for all who were contacted lately."""


async def schedule(
    database: Database, champions: Champions, tenant_id: int, champion: Champion, *, as_of: datetime
) -> Schedule:
    """Where the plan engine would send the messages of each segment, by the contact rules as known at `as_of`."""
    async with database.transaction(tenant_id) as connection:
        since = as_of - timedelta(days=RECENT_DAYS)
        ids = await contacted_sample(connection, tenant_id, since=since, until=as_of, most=SAMPLE)
        people = await reachability(connection, tenant_id, ids, known=as_of)
        history = await read_history_of(
            connection, tenant_id, ids, as_of=as_of, attributes=champion.attributes
        )
    plan = await champions.plan(tenant_id, champion, None)
    return await champions.run(lambda: _scheduled(champion, history, people, plan))


def _scheduled(
    champion: Champion, history: History, people: Mapping[int, Reachability], plan: SegmentPlan
) -> Schedule:
    known = history.debtors.filter(pl.col("debtor").is_in(list(people)))["debtor"]
    lawful = _lawful(history, known, [people[key] for key in known])
    planned = plan_week(champion.model, history, lawful, plan, seed=0)
    return schedule_of(champion.model, history, planned)


def _lawful(history: History, debtors: pl.Series, people: Sequence[Reachability]) -> Lawful:
    start = _next_midnight(history.as_of)
    window = Window(start, start + timedelta(days=DAYS))
    calendar = calendar_of(people, window=window, known=history.as_of, channels=None, days=days_of(window))
    return Lawful(debtors, calendar.slots, calendar.masks)


def _next_midnight(instant: datetime) -> datetime:
    """The instant itself where a UTC day begins with it."""
    today = datetime.combine(instant.astimezone(UTC).date(), time(), UTC)
    return today if today == instant else today + timedelta(days=1)
