"""The same volume, sent as recommended: where it goes, and what it is then expected to bring."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from ml.forecast import (
    Dimension,
    Forecast,
    Key,
    Kpi,
    Policy,
    Quantiles,
    Schedule,
    forecast,
    schedule_of,
    tally_of,
)
from ml.frames import History
from ml.simulator import CHANNELS, SimulatedWorld, simulate
from ml.weekly_plan import contacted_lately

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


@dataclass(frozen=True)
class Alike:
    """A model that sees no difference between any two contacts."""

    def predict(self, history: History, rows: pl.DataFrame) -> TrueChances:
        return TrueChances(*(np.full(len(rows), chance) for chance in (0.9, 0.4, 0.1, 0.05)))


def _everybody(history: History, actions: pl.DataFrame) -> pl.DataFrame:
    """Every debtor by the action of its segment."""
    segments = history.debtors.select("debtor", segment=pl.col("segment").fill_null("NONE"))
    return segments.join(actions, on="segment").select("debtor", "channel", "hour_of_week")


def _sms(history: History, hour_of_week: int) -> Schedule:
    planned = history.debtors.select("debtor", channel=pl.lit("SMS"), hour_of_week=pl.lit(hour_of_week))
    return schedule_of(Alike(), history, planned)


def _total(answer: Forecast, kpi: Kpi, key: Key | None = None) -> Quantiles:
    (found,) = [series for series in answer.series if series.kpi == kpi and series.key == (key or Key())]
    return found.total


def test_the_best_actions_bring_more_money_for_the_same_volume(
    world: SimulatedWorld, history: History, best: pl.DataFrame
) -> None:
    current = forecast(tally_of(history), horizon_days=28)
    schedule = schedule_of(Oracle(world), history, _everybody(history, best))
    recommended = forecast(tally_of(history), horizon_days=28, policy=Policy.RECOMMENDED, schedule=schedule)
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
    answer = forecast(
        tally_of(history),
        horizon_days=14,
        policy=Policy.RECOMMENDED,
        schedule=_sms(history, 2 * 24 + 10),
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


def test_whoever_is_left_alone_takes_its_messages_along(history: History) -> None:
    """As many as it got lately: a debtor contacted twice as often counts twice."""
    segment = history.outbound["segment"].mode()[0]
    people = history.debtors.filter(pl.col("segment") == segment)
    lately = contacted_lately(history).join(people, on="debtor", how="semi")
    alone = lately["debtor"].unique().sort().head(3)
    planned = people.join(lately, on="debtor", how="semi").select(
        "debtor",
        channel=pl.when(~pl.col("debtor").is_in(alone.implode())).then(pl.lit("SMS")),
        hour_of_week=pl.lit(58),
    )
    (move,) = schedule_of(Alike(), history, planned)[segment]
    left = len(lately.filter(pl.col("debtor").is_in(alone.implode()))) / len(lately)
    assert move.share == pytest.approx(1 - left)
    assert move.ratio == pytest.approx(dict.fromkeys(move.ratio, 1.0))
    before, after = (
        _total(answer, Kpi.SENT, Key(segment=segment)).p50
        for answer in (
            forecast(tally_of(history), horizon_days=14, by=[Dimension.SEGMENT], kpis=[Kpi.SENT]),
            forecast(
                tally_of(history),
                horizon_days=14,
                by=[Dimension.SEGMENT],
                kpis=[Kpi.SENT],
                policy=Policy.RECOMMENDED,
                schedule={segment: (move,)},
            ),
        )
    )
    assert before is not None
    assert after == pytest.approx(move.share * before)


def test_late_hours_in_the_west_fall_on_the_next_day_in_utc(history: History) -> None:
    american = history.debtors.filter(pl.col("time_zone") == "America/Chicago")
    planned = american.select("debtor", channel=pl.lit("SMS"), hour_of_week=pl.lit(2 * 24 + 20))
    for moves in schedule_of(Alike(), history, planned).values():
        assert [move.days.tolist() for move in moves] == [[0, 0, 0, 1, 0, 0, 0]]


def test_a_slot_beyond_the_horizon_leaves_the_days_as_they_are(history: History) -> None:
    """The first of May 2026 is a Friday: within two days there is no Wednesday."""
    current = forecast(tally_of(history), horizon_days=2, kpis=[Kpi.SENT])
    moved = forecast(
        tally_of(history),
        horizon_days=2,
        policy=Policy.RECOMMENDED,
        schedule=_sms(history, 2 * 24 + 10),
        kpis=[Kpi.SENT],
    )
    for point, as_now in zip(moved.series[0].points, current.series[0].points, strict=True):
        assert point.quantiles.p50 == pytest.approx(as_now.quantiles.p50)


def test_leaving_alone_sends_nothing_and_others_go_on(history: History) -> None:
    segments = sorted(history.outbound["segment"].unique())
    alone, others = segments[0], segments[1:]
    current = forecast(tally_of(history), horizon_days=7, by=[Dimension.SEGMENT], kpis=[Kpi.SENT])
    answer = forecast(
        tally_of(history),
        horizon_days=7,
        policy=Policy.RECOMMENDED,
        schedule={alone: ()},
        by=[Dimension.SEGMENT],
        kpis=[Kpi.SENT],
    )
    assert _total(answer, Kpi.SENT, Key(segment=alone)).p50 == 0
    for segment in others:
        now = _total(current, Kpi.SENT, Key(segment=segment)).p50
        assert _total(answer, Kpi.SENT, Key(segment=segment)).p50 == pytest.approx(now)
    nobody = dict.fromkeys(segments, ())
    nothing = forecast(tally_of(history), horizon_days=7, policy=Policy.RECOMMENDED, schedule=nobody)
    assert "NOTHING_RECOMMENDED" in [note.code for note in nothing.notes]
    assert _total(nothing, Kpi.SENT).p50 == 0
