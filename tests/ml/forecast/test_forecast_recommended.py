"""The same volume, sent as recommended: where it goes, and what it is then expected to bring."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from ml.forecast import Dimension, Forecast, Key, Kpi, Policy, Quantiles, forecast
from ml.frames import History
from ml.simulator import CHANNELS, SimulatedWorld, simulate

END = date(2026, 5, 1)
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TrueChances:
    p_delivered: np.ndarray
    p_open: np.ndarray
    p_click: np.ndarray
    p_convert: np.ndarray


@dataclass(frozen=True)
class Oracle:
    """A model that knows the truth of a world."""

    world: SimulatedWorld

    def predict(self, history: History, rows: pl.DataFrame) -> TrueChances:
        truth = self.world.truth
        who = truth.rows(rows["debtor"].to_list())
        channel = np.array([CHANNELS.index(name) for name in rows["channel"]])
        zones = dict(history.debtors.select("debtor", "time_zone").iter_rows())
        local = [at.astimezone(ZoneInfo(zones[key])) for key, at in rows.select("debtor", "at").iter_rows()]
        hour = np.array([at.weekday() * 24 + at.hour for at in local])
        arrives = truth.deliverable[who, channel]
        engaged = arrives * truth.tastes.engagement(truth.people, who, channel, hour, 1.0, truth.recent[who])
        paid = engaged * truth.tastes.payment(truth.people, who, channel, hour)
        return TrueChances(
            np.where(channel == CHANNELS.index("VOICE"), engaged, arrives), engaged, engaged, paid
        )


@pytest.fixture(scope="module")
def world() -> SimulatedWorld:
    return simulate(900, seed=6, end=END)


@pytest.fixture(scope="module")
def history(world: SimulatedWorld) -> History:
    return History.from_facts(world.facts, as_of=NOW, currency="EUR")


@pytest.fixture(scope="module")
def best(world: SimulatedWorld) -> pl.DataFrame:
    names, total = world.truth.segment_values()
    action = total.reshape(len(names), -1).argmax(axis=1)
    return pl.DataFrame(
        {"segment": names, "channel": [CHANNELS[a // 168] for a in action], "hour_of_week": action % 168}
    )


def _reachable(history: History) -> History:
    """The same, everybody reachable everywhere."""
    everywhere = pl.lit(list(CHANNELS), dtype=pl.List(pl.String))
    return replace(history, debtors=history.debtors.with_columns(channels=everywhere))


def _total(answer: Forecast, kpi: Kpi, key: Key | None = None) -> Quantiles:
    (found,) = [series for series in answer.series if series.kpi == kpi and series.key == (key or Key())]
    return found.total


def test_the_best_actions_bring_more_money_for_the_same_volume(
    world: SimulatedWorld, history: History, best: pl.DataFrame
) -> None:
    current = forecast(None, history, horizon_days=28)
    recommended = forecast(
        Oracle(world), history, horizon_days=28, policy=Policy.RECOMMENDED, recommendations=best
    )
    assert _total(recommended, Kpi.SENT).p50 == pytest.approx(_total(current, Kpi.SENT).p50)
    for series in recommended.series:
        if series.kpi in (Kpi.COLLECTED, Kpi.CONVERSION_RATE):
            difference = series.difference
            assert difference is not None
            assert difference.p50 is not None
            assert difference.p50 > 0
            assert difference.p05 is not None
            assert difference.p95 is not None
            assert difference.p05 <= difference.p50 <= difference.p95
            before = _total(current, series.kpi, series.key).p50
            assert before is not None
            assert series.total.p50 == pytest.approx(before + difference.p50)


def test_messages_move_to_the_channel_and_days_of_the_slot(history: History) -> None:
    """Wednesday 10:00 local: Wednesdays in UTC for Madrid, Copenhagen and Chicago alike."""
    everywhere = history.debtors["segment"].unique().to_list()
    plan = pl.DataFrame({"segment": everywhere, "channel": "SMS", "hour_of_week": 2 * 24 + 10})
    answer = forecast(
        None,
        _reachable(history),
        horizon_days=14,
        policy=Policy.RECOMMENDED,
        recommendations=plan,
        by=[Dimension.CHANNEL],
        kpis=[Kpi.SENT, Kpi.OPEN_RATE],
    )
    email, sms = Key(channel="EMAIL"), Key(channel="SMS")
    assert _total(answer, Kpi.SENT, email).p50 == 0
    assert _total(answer, Kpi.OPEN_RATE, email) == Quantiles(None, None, None)
    (series,) = [series for series in answer.series if series.kpi == Kpi.SENT and series.key == sms]
    weekdays = {point.day.weekday() for point in series.points if (point.quantiles.p50 or 0) > 0}
    assert weekdays == {2}
    lost = next(s for s in answer.series if s.kpi == Kpi.SENT and s.key == email).difference
    assert lost is not None
    assert lost.p50 is not None
    assert lost.p50 < 0


def test_whoever_cannot_be_reached_there_is_contacted_as_now(history: History) -> None:
    segment = history.outbound["segment"].mode()[0]
    own = pl.col("segment") == segment
    lately = history.outbound.filter(own & (pl.col("sent_at") >= NOW - timedelta(days=56)))["debtor"].unique()
    without = lately.sort().head(len(lately) // 4).implode()
    channels = (
        pl.when(pl.col("debtor").is_in(without))
        .then(pl.lit(["EMAIL"], dtype=pl.List(pl.String)))
        .otherwise(pl.lit(["EMAIL", "SMS"], dtype=pl.List(pl.String)))
    )
    some = replace(history, debtors=history.debtors.with_columns(channels=channels))
    plan = pl.DataFrame({"segment": [segment], "channel": ["SMS"], "hour_of_week": [58]})
    by = [Dimension.SEGMENT, Dimension.CHANNEL]
    current = forecast(None, some, horizon_days=14, by=by, kpis=[Kpi.SENT])
    moved = forecast(
        None, some, horizon_days=14, by=by, kpis=[Kpi.SENT], policy=Policy.RECOMMENDED, recommendations=plan
    )
    share = len(lately) // 4 / len(lately)
    before, after = (
        {
            key: _total(answer, Kpi.SENT, Key(segment=segment, channel=key)).p50 or 0.0
            for key in ("EMAIL", "VOICE")
        }
        for answer in (current, moved)
    )
    for channel in before:
        assert after[channel] == pytest.approx(share * before[channel])


def test_late_hours_in_the_west_fall_on_the_next_day_in_utc(history: History) -> None:
    american = history.debtors.filter(pl.col("time_zone") == "America/Chicago")
    people = History(
        as_of=history.as_of,
        currency="EUR",
        debtors=american.with_columns(segment=pl.lit("WEST")),
        accounts=history.accounts.join(american, on="debtor", how="semi"),
        communications=history.communications.join(american, on="debtor", how="semi").with_columns(
            segment=pl.lit("WEST")
        ),
        payments=history.payments.join(american, on="debtor", how="semi"),
        promises=history.promises.clear(),
    )
    plan = pl.DataFrame({"segment": ["WEST"], "channel": ["SMS"], "hour_of_week": [2 * 24 + 20]})
    answer = forecast(
        None,
        _reachable(people),
        horizon_days=14,
        policy=Policy.RECOMMENDED,
        recommendations=plan,
        kpis=[Kpi.SENT],
    )
    weekdays = {point.day.weekday() for point in answer.series[0].points if (point.quantiles.p50 or 0) > 0}
    assert weekdays == {3}


def test_a_slot_beyond_the_horizon_leaves_the_days_as_they_are(history: History) -> None:
    """The first of May 2026 is a Friday: within two days there is no Wednesday."""
    everywhere = history.debtors["segment"].unique().to_list()
    plan = pl.DataFrame({"segment": everywhere, "channel": "SMS", "hour_of_week": 2 * 24 + 10})
    current = forecast(None, history, horizon_days=2, kpis=[Kpi.SENT])
    moved = forecast(
        None, history, horizon_days=2, policy=Policy.RECOMMENDED, recommendations=plan, kpis=[Kpi.SENT]
    )
    for point, as_now in zip(moved.series[0].points, current.series[0].points, strict=True):
        assert point.quantiles.p50 == pytest.approx(as_now.quantiles.p50)


def test_leaving_alone_sends_nothing_and_others_go_on(history: History) -> None:
    segments = sorted(history.outbound["segment"].unique())
    alone, others = segments[0], segments[1:]
    plan = pl.DataFrame(
        {"segment": [alone], "channel": [None], "hour_of_week": [None]},
        schema={"segment": pl.String, "channel": pl.String, "hour_of_week": pl.Int64},
    )
    current = forecast(None, history, horizon_days=7, by=[Dimension.SEGMENT], kpis=[Kpi.SENT])
    answer = forecast(
        None,
        history,
        horizon_days=7,
        policy=Policy.RECOMMENDED,
        recommendations=plan,
        by=[Dimension.SEGMENT],
        kpis=[Kpi.SENT],
    )
    assert _total(answer, Kpi.SENT, Key(segment=alone)).p50 == 0
    for segment in others:
        now = _total(current, Kpi.SENT, Key(segment=segment)).p50
        assert _total(answer, Kpi.SENT, Key(segment=segment)).p50 == pytest.approx(now)
    everyone = pl.concat([plan.with_columns(segment=pl.lit(name)) for name in segments])
    nothing = forecast(None, history, horizon_days=7, policy=Policy.RECOMMENDED, recommendations=everyone)
    assert "NOTHING_RECOMMENDED" in [note.code for note in nothing.notes]
    assert _total(nothing, Kpi.SENT).p50 == 0
