"""The rate of kept promises, forecast from those made and kept before."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml.forecast import Dimension, Key, Kpi, Policy, Quantiles, forecast, tally_of
from ml.forecast.promises import forecast_promises, promise_cohorts
from ml.frames import History
from ml.simulator import simulate

END = date(2026, 5, 1)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
KPI = Kpi.PROMISES_KEPT_RATE
DAYS = [END + timedelta(days=ahead) for ahead in range(28)]


@pytest.fixture(scope="module")
def history() -> History:
    return History.from_facts(simulate(900, seed=5, end=END).facts, as_of=NOW, currency="EUR")


def _promising(history: History, *, outbound: float, inbound: float, a_day: int = 12) -> History:
    """Promises for four days hence, made evenly over 90 days; of each direction a share is kept, after three days."""
    rng = np.random.default_rng(4)
    count = 90 * a_day
    made = [NOW - timedelta(days=90 - row // a_day, hours=-12) for row in range(count)]
    direction = np.where(np.arange(count) % 2 == 0, "OUTBOUND", "INBOUND")
    kept = rng.random(count) < np.where(direction == "OUTBOUND", outbound, inbound)
    kept_at = [at + timedelta(days=3) if yes and at + timedelta(days=3) <= NOW else None
               for at, yes in zip(made, kept, strict=True)]  # fmt: skip
    account, debtor = history.accounts.row(0)[:2]
    promises = pl.DataFrame(
        {
            "promise": [f"P{row}" for row in range(count)],
            "account": account,
            "debtor": debtor,
            "amount": 10.0,
            "currency": "EUR",
            "promised_at": made,
            "due_on": [at.date() + timedelta(days=4) for at in made],
            "direction": direction,
            "deadline": [at + timedelta(days=7) for at in made],
            "kept_at": kept_at,
        },
        schema_overrides={"kept_at": pl.Datetime("us", "UTC")},
    )
    return replace(history, promises=promises)


def test_cohorts_count_promises_and_those_kept(history: History) -> None:
    cohorts = promise_cohorts(tally_of(history))
    assert cohorts is not None
    assert cohorts.sent.sum() == len(history.promises)
    assert cohorts.outcomes["opened"].count.sum() == history.promises["kept_at"].is_not_null().sum()
    assert cohorts.day(cohorts.days) == END


def test_pending_promises_count_as_what_they_will_be(history: History) -> None:
    """Of the last three days' promises none is kept yet; the rate is that of all the others."""
    found = forecast_promises(
        tally_of(_promising(history, outbound=0.7, inbound=0.5)), DAYS, Policy.CURRENT, 1.0, 0
    )
    (series,) = found.series[KPI]
    assert series.total.p50 == pytest.approx(0.6, abs=0.04)
    assert series.total.p05 is not None
    assert series.total.p95 is not None
    assert 0.4 < series.total.p05 < 0.6 < series.total.p95 < 0.8


def test_more_calls_bring_more_outbound_promises(history: History) -> None:
    promising = _promising(history, outbound=0.9, inbound=0.3)
    found = forecast_promises(tally_of(promising), DAYS, Policy.RECOMMENDED, 3.0, 0)
    (series,) = found.series[KPI]
    assert series.total.p50 == pytest.approx((3 * 0.9 + 0.3) / 4, abs=0.04)
    assert series.difference is not None
    assert series.difference.p05 is not None
    assert series.difference.p05 > 0
    assert series.difference.p50 == pytest.approx(0.75 - 0.6, abs=0.04)


def test_nobody_promised(history: History) -> None:
    silent = replace(history, promises=history.promises.clear())
    answer = forecast(tally_of(silent), horizon_days=3, kpis=[KPI])
    assert [note.code for note in answer.notes] == ["NO_PROMISES"]
    assert [series.total for series in answer.series] == [Quantiles(None, None, None)]
    assert len(answer.series[0].points) == 3


def test_the_rate_is_forecast_in_total_whatever_the_split(history: History) -> None:
    answer = forecast(
        tally_of(history), horizon_days=3, kpis=[KPI], by=[Dimension.CHANNEL, Dimension.SEGMENT]
    )
    assert [series.key for series in answer.series] == [Key()]
    (row,) = answer.backtest
    assert row.kpi == KPI
    assert row.pinball_loss < row.baseline_pinball_loss
    assert row.crps < row.baseline_crps
