"""What is counted part by part is what is counted at once."""

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import reduce
from operator import add

import polars as pl
from polars.testing import assert_frame_equal

from ml.forecast import Dimension, Kpi, forecast, tally_of
from ml.forecast.cohorts import cohorts_of
from ml.forecast.promises import promise_cohorts
from ml.forecast.tally import Tally, first_day_after_silence
from ml.frames import History
from ml.simulator import simulate

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def _of(history: History, debtors: pl.DataFrame) -> History:
    """The history of some debtors alone."""
    own = {
        name: getattr(history, name).join(debtors, on="debtor", how="semi")
        for name in ("debtors", "accounts", "communications", "payments", "promises")
    }
    return replace(history, **own)


def _parts(history: History, size: int) -> list[Tally]:
    return [tally_of(_of(history, part.select("debtor"))) for part in history.debtors.iter_slices(size)]


def test_parts_add_up_to_the_whole() -> None:
    history = History.from_facts(simulate(600, seed=4, end=date(2026, 5, 1)).facts, as_of=NOW, currency="EUR")
    whole, added = tally_of(history), reduce(add, _parts(history, 170))
    for name in (
        "messages",
        "outcomes",
        "payments",
        "amounts",
        "people",
        "currencies",
        "owed",
        "promises",
        "terms",
    ):
        assert_frame_equal(getattr(added, name), getattr(whole, name))
    keys = ["day", "segment", "channel", "seconds"]
    assert_frame_equal(added.waits.sort(keys), whole.waits.sort(keys))
    assert len(whole.messages) < len(history.outbound)


def test_a_forecast_of_parts_is_that_of_the_whole() -> None:
    history = History.from_facts(simulate(300, seed=4, end=date(2026, 5, 1)).facts, as_of=NOW, currency="EUR")
    by = [Dimension.CHANNEL]
    of_parts = forecast(reduce(add, _parts(history, 77)), horizon_days=9, by=by)
    at_once = forecast(tally_of(history), horizon_days=9, by=by)
    assert [(one.kpi, one.key) for one in of_parts.series] == [(one.kpi, one.key) for one in at_once.series]
    for one, other in zip(of_parts.series, at_once.series, strict=True):
        for name in ("p05", "p50", "p95"):
            of_one, of_other = getattr(one.total, name), getattr(other.total, name)
            assert (of_one is None) == (of_other is None)
            assert of_one is None or abs(of_one - of_other) <= 1e-6 * max(abs(of_other), 1.0)


def test_a_part_without_messages_adds_its_debts() -> None:
    history = History.from_facts(simulate(120, seed=4, end=date(2026, 5, 1)).facts, as_of=NOW, currency="EUR")
    quiet = _of(history, history.debtors.head(40).select("debtor"))
    quiet = replace(quiet, communications=quiet.communications.clear(), promises=quiet.promises.clear())
    added = tally_of(quiet) + tally_of(_of(history, history.debtors.slice(40).select("debtor")))
    assert cohorts_of(tally_of(quiet)) is None
    cohorts = cohorts_of(added)
    assert cohorts is not None
    assert added.owed["balance"].sum() > tally_of(quiet).owed["balance"].sum() > 0


def test_facts_dated_centuries_apart_by_mistake_are_counted_all_the_same() -> None:
    """As 1900-01-01 for a date that nobody knows, or 2199-12-31 for one that never comes."""
    history = History.from_facts(simulate(120, seed=4, end=date(2026, 5, 1)).facts, as_of=NOW, currency="EUR")
    first, last = datetime(1900, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)
    payment = history.payments.filter(pl.col("communication").is_not_null()).head(1)
    promise = history.promises.head(1)
    early = payment.with_columns(paid_at=pl.lit(first).cast(payment.schema["paid_at"]))
    late = promise.with_columns(deadline=pl.lit(last).cast(promise.schema["deadline"]))
    odd = replace(
        history,
        payments=pl.concat([history.payments, early]),
        promises=pl.concat([history.promises, late]),
    )
    usual, found = tally_of(history), tally_of(odd)
    assert found.terms["count"].sum() == usual.terms["count"].sum() + 1
    assert_frame_equal(found.messages, usual.messages)
    assert forecast(found, horizon_days=3, by=[]).series


def test_what_was_sent_before_a_silence_of_years_is_not_learned_from() -> None:
    """One message of 1900 would make of two years a century and more."""
    history = History.from_facts(simulate(120, seed=4, end=date(2026, 5, 1)).facts, as_of=NOW, currency="EUR")
    message = history.outbound.head(1).select(history.communications.columns)
    then = pl.lit(datetime(1900, 2, 1, tzinfo=UTC)).cast(message.schema["sent_at"])
    early = message.with_columns(sent_at=then, opened_at=then, communication=pl.lit(10**9).cast(pl.Int64))
    promise = history.promises.head(1).with_columns(promised_at=then, kept_at=then)
    odd = replace(
        history,
        communications=pl.concat([history.communications, early.cast(dict(history.communications.schema))]),
        promises=pl.concat([history.promises, promise.cast(dict(history.promises.schema))]),
    )
    usual, found = tally_of(history), tally_of(odd)
    assert found.messages["sent"].sum() == usual.messages["sent"].sum() + 1
    for cohorts in (cohorts_of, promise_cohorts):
        one, other = cohorts(usual), cohorts(found)
        assert one is not None
        assert other is not None
        assert (one.first_day, one.days) == (other.first_day, other.days)
        assert (one.sent == other.sent).all()
    kpis = [Kpi.SENT, Kpi.OPEN_RATE]
    one, other = (forecast(tally, horizon_days=3, kpis=kpis) for tally in (usual, found))
    assert one.backtest == other.backtest


def test_a_year_without_a_message_is_no_silence() -> None:
    days = pl.Series([date(2026, 3, 1), date(2024, 3, 1), date(2025, 3, 1), date(2020, 1, 1)])
    assert first_day_after_silence(days) == date(2024, 3, 1)
    assert first_day_after_silence(days.clear()) is None
