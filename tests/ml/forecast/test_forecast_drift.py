"""Kept forecasts that stop holding raise a flag; those that hold as promised do not."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml.forecast import Kpi
from ml.forecast.actuals import settled_values
from ml.forecast.drift import Drift, Judged, drift_of
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


def test_intervals_that_hold_raise_no_flag() -> None:
    """Of 400 models whose 90 % intervals hold nine in ten days, next to none is flagged."""
    rng = np.random.default_rng(3)
    flagged = sum(drift_of(_judged(rng.standard_normal(56)))[0].drifted for _ in range(400))
    assert flagged <= 3


@pytest.mark.parametrize("shift", [1.5, -2.5])
def test_a_shift_raises_a_flag(shift: float) -> None:
    rng = np.random.default_rng(4)
    flagged = [drift_of(_judged(shift + rng.standard_normal(42)))[0].drifted for _ in range(50)]
    assert np.mean(flagged) > 0.95


def test_old_days_are_forgotten_and_few_say_nothing() -> None:
    assert drift_of(_judged(np.full(13, 9.0))) == []
    found = drift_of(_judged(np.concatenate([np.full(60, 9.0), np.zeros(56)])))
    assert found == [Drift("SENT", None, 56, 1.0, drifted=False)]


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
    values = settled_values(history)
    assert max(values[Kpi.SENT, None]) == END - timedelta(days=1)
    assert max(values[Kpi.CONVERSION_RATE, None]) < END - timedelta(days=14)
    sent = history.outbound.group_by(pl.col("sent_at").dt.date()).len()
    for day, count in sent.iter_rows():
        assert values[Kpi.SENT, None][day] == count
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
