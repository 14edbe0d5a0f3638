"""Kept forecasts that stop holding raise a flag; those that hold as promised do not."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.forecast import Kpi, tally_of
from ml.forecast.actuals import settled_values
from ml.forecast.drift import Drift, Judged, drift_of, evidence
from ml.frames import History
from ml.simulator import simulate

END = date(2026, 5, 1)
START = date(2026, 1, 5)


def _judged(values: np.ndarray, *, lead: int = 7, kpi: str = "SENT", low: float = -1.645) -> list[Judged]:
    days = [START + timedelta(days=n) for n in range(len(values))]
    return [
        Judged(kpi, None, day - timedelta(days=lead), day, low, 1.645, float(value))
        for day, value in zip(days, values, strict=True)
    ]


@given(st.lists(st.booleans(), max_size=14))
def test_evidence_is_a_fair_bet_against_intervals_that_hold(hits: list[bool]) -> None:
    """Whatever came before, a next day that is held seven times in eight leaves it as it was on average."""
    before = evidence(hits)[-1] if hits else 1.0
    held, missed = evidence([*hits, True])[-1], evidence([*hits, False])[-1]
    assert 7 / 8 * held + 1 / 8 * missed == pytest.approx(before)


def _raised_on(misses: np.ndarray) -> list[float]:
    """The day on which each row of misses raises the flag by daily looks; inf: never."""
    reached = np.array([evidence(~row) >= 1000 for row in misses])
    return [float(row.argmax()) if row.any() else np.inf for row in reached]


def test_a_year_of_daily_looks_raises_next_to_no_flag() -> None:
    """Of 800 models whose intervals hold nine in ten days, even where days close together miss together."""
    rng = np.random.default_rng(3)
    assert np.isinf(_raised_on(rng.random((800, 365)) < 0.1)).all()
    together = np.zeros((800, 365))
    noise = rng.standard_normal(together.shape)
    for day in range(365):
        together[:, day] = (
            0.3 * together[:, day - 1] + np.sqrt(1 - 0.3**2) * noise[:, day] if day else noise[:, 0]
        )
    assert np.isfinite(_raised_on(np.abs(together) > 1.645)).mean() <= 0.005


@pytest.mark.parametrize(("shift", "days"), [(1.5, 50), (-2.5, 14)])
@pytest.mark.parametrize("after", [0, 150])
def test_a_shift_raises_a_flag_within_weeks(shift: float, days: int, after: int) -> None:
    """By 1.5 standard deviations nearly half of all days fall outside."""
    rng = np.random.default_rng(4)
    values = rng.standard_normal((200, after + 100))
    values[:, after:] += shift
    taken = np.array(_raised_on(np.abs(values) > 1.645)) - after
    assert np.median(taken) <= days * 0.75
    assert np.quantile(taken, 0.8) <= days
    assert (taken >= 0).mean() > 0.99


def test_a_flag_stays_and_few_days_say_nothing() -> None:
    assert drift_of(_judged(np.full(13, 9.0))) == []
    assert drift_of(_judged(np.zeros(56))) == [Drift("SENT", None, 56, 1.0, drifted=False)]
    found = drift_of(_judged(np.concatenate([np.full(60, 9.0), np.zeros(56)])))
    assert found == [Drift("SENT", None, 56, 1.0, drifted=True)]


def test_a_day_counts_once_as_seen_from_furthest_off() -> None:
    near, far = _judged(np.zeros(20), lead=1), _judged(np.full(20, 9.0), lead=12)
    beyond = _judged(np.zeros(20), lead=20)
    (drift,) = drift_of([*near, *far, *beyond])
    assert (drift.days, drift.coverage) == (20, 0.0)


def test_what_was_known_does_not_count() -> None:
    assert drift_of(_judged(np.full(30, 1.645), kpi="DSO", low=1.645)) == []


def test_values_settle_in_their_own_time() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    history = History.from_facts(simulate(300, seed=3, end=END).facts, as_of=now)
    values = settled_values(tally_of(history))
    assert max(values[Kpi.SENT, None]) == END - timedelta(days=15)
    assert max(values[Kpi.CONVERSION_RATE, None]) < END - timedelta(days=14)
    sent = dict(history.outbound.group_by(pl.col("sent_at").dt.date()).len().iter_rows())
    for day, count in values[Kpi.SENT, None].items():
        assert count == sent.get(day, 0)
    paid = history.payments.filter(
        (pl.col("currency") == "EUR")
        & pl.col("communication").is_not_null()
        & pl.col("reversed_at").is_null()
    ).join(history.outbound.select("communication", day=pl.col("sent_at").dt.date()), on="communication")
    by_day = dict(paid.group_by("day").agg(pl.col("amount").sum()).iter_rows())
    for day, amount in values[Kpi.COLLECTED, "EUR"].items():
        assert amount == pytest.approx(by_day.get(day, 0.0))
    april = history.finance.filter((pl.col("currency") == "EUR") & (pl.col("month") == date(2026, 4, 1)))
    (sales, owed) = april.select("credit_sales", "receivables").row(0)
    assert values[Kpi.DSO, "EUR"][date(2026, 4, 30)] == pytest.approx(owed / sales * 30)
    assert values[Kpi.DSO, "EUR"][date(2026, 4, 29)] != values[Kpi.DSO, "EUR"][date(2026, 4, 30)]
