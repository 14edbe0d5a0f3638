"""A planned week keeps to what is lawful, reachable and lately sent."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from ml.actions import lawful_hours
from ml.frames import History
from ml.options import Slots
from ml.outcomes import CHANNELS
from ml.segment_plans import usual_plan
from ml.weekly_plan import BY_HAND, Lawful, capacity, contacted_lately, plan_week
from tests.ml import factories
from tests.ml.world_facts import START

CALL, EMAIL = CHANNELS.index("VOICE"), CHANNELS.index("EMAIL")


def _lawful(history: History, hours: np.ndarray | None = None) -> Lawful:
    open_hours = lawful_hours() if hours is None else hours
    week = np.flatnonzero(open_hours)
    slots = Slots(week, (week // 24 - history.as_of.weekday()) % 7)
    debtors = contacted_lately(history)["debtor"].unique().sort()
    masks = np.broadcast_to(open_hours, (len(debtors), len(CHANNELS), 168))
    return Lawful(debtors, [[slots] * len(CHANNELS)] * len(debtors), masks)


@pytest.fixture(scope="module")
def planned() -> pl.DataFrame:
    history, model = factories.history(), factories.model()
    return plan_week(model, history, _lawful(history), usual_plan(model), seed=1)


def test_each_debtor_contacted_lately_who_owes_something_is_planned_for_once(planned: pl.DataFrame) -> None:
    history = factories.history()
    assert planned["debtor"].is_unique().all()
    lately = set(contacted_lately(history)["debtor"])
    assert set(planned["debtor"]) <= lately
    paid = (
        history.payments.filter(pl.col("reversed_at").is_null())
        .group_by("debtor")
        .agg(pl.col("amount").sum())
    )
    owed = (
        history.accounts.group_by("debtor").agg(pl.col("principal").sum()).join(paid, on="debtor", how="left")
    )
    left = dict(owed.select("debtor", pl.col("principal") - pl.col("amount").fill_null(0.0)).iter_rows())
    assert {key for key in lately if left.get(key, 0.0) > 0.01} == set(planned["debtor"])


def test_contacts_are_on_channels_that_reach_the_debtor(planned: pl.DataFrame) -> None:
    channels = factories.history().debtors.select("debtor", "channels")
    made = planned.drop_nulls("channel").join(channels, on="debtor")
    assert len(made) > len(planned) / 2
    assert made.select(pl.col("channels").list.contains(pl.col("channel")).all()).item()
    assert made["hour_of_week"].is_in(np.flatnonzero(lawful_hours())).all()


def test_what_takes_people_is_done_no_more_often_than_lately(planned: pl.DataFrame) -> None:
    lately = contacted_lately(factories.history())
    for name in BY_HAND:
        share = len(lately.filter(pl.col("channel") == name)) / len(lately)
        assert len(planned.filter(pl.col("channel") == name)) <= np.ceil(share * len(planned))


def test_only_open_hours_are_used_and_none_means_nobody_is_contacted() -> None:
    history, model = factories.history(), factories.model()
    afternoons = lawful_hours() & (np.arange(168) % 24 >= 15)
    some = plan_week(model, history, _lawful(history, afternoons), usual_plan(model), seed=1)
    hours = some["hour_of_week"].drop_nulls()
    assert len(hours) > 0
    assert (hours % 24 >= 15).all()
    nobody = plan_week(model, history, _lawful(history, np.zeros(168, dtype=bool)), usual_plan(model), seed=1)
    assert len(nobody) == len(some)
    assert nobody["channel"].is_null().all()


def test_capacity_is_what_a_busy_day_holds() -> None:
    """Ten e-mails on a Monday, four calls on each of two days: 18 messages, of which 14 on the busiest weekday."""
    monday = START
    monday -= timedelta(days=monday.weekday())
    sent = [("EMAIL", 0)] * 10 + [("VOICE", 0)] * 4 + [("VOICE", 3)] * 4
    lately = pl.DataFrame(
        {
            "debtor": range(18),
            "channel": [name for name, _ in sent],
            "sent_at": [monday + timedelta(days=day) for _, day in sent],
        }
    )
    limits = capacity(lately, 36)
    assert (limits.per_day[CALL], limits.total[CALL]) == (8, 16)
    assert (limits.per_day[EMAIL], limits.total[EMAIL]) == (28, np.inf)
    assert limits.budget == np.inf
    assert capacity(lately.clear(), 5).total[CALL] == 0
