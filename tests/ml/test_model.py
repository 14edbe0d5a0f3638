from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ml.causes import Receipts, receipts_of, trace_causes
from ml.features import Casebook
from ml.frames import INSTANT, History, HistoryError
from ml.organic import fit_organic
from ml.outcomes import CHANNELS, outcomes_of
from ml.recipe import NotEnoughHistory, train
from tests.ml.factories import SEED, at, history, model, tiny, world

SMS, EMAIL = CHANNELS.index("SMS"), CHANNELS.index("EMAIL")


def _rows(known: History, count: int = 200) -> pl.DataFrame:
    sent = known.communications.sort("sent_at").tail(count)
    return sent.select("debtor", "channel", at="sent_at")


def test_predictions_have_the_promised_shapes_and_bounds() -> None:
    known, rows = history(), _rows(history())
    told = model().predict(known, rows)
    for name in ("p_delivered", "p_engaged", "p_open", "p_click", "p_convert", "p_moved"):
        chance = getattr(told, name)
        assert chance.shape == (200,)
        assert ((chance >= 0) & (chance <= 1)).all(), name
    assert (told.p_delivered >= told.p_engaged).all()
    assert (told.p_click <= told.p_open + 1e-12).all()
    assert told.open_curve.shape == told.pay_curve.shape == (200, 20)
    assert (np.diff(told.open_curve, axis=1) >= -1e-12).all()
    assert (told.collected >= 0).all()


def test_predictions_do_not_depend_on_what_is_asked_beside_them() -> None:
    rows = _rows(history())
    whole, part = model().predict(history(), rows), model().predict(history(), rows[50:60])
    np.testing.assert_allclose(whole.p_convert[50:60], part.p_convert)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pl.DataFrame({"debtor": ["D000000"], "channel": ["EMAIL"]}), "lack the column"),
        (pl.DataFrame({"debtor": ["nobody"], "channel": ["EMAIL"], "at": [at(1)]}), "not in the history"),
        (pl.DataFrame({"debtor": ["D000000"], "channel": ["FAX"], "at": [at(1)]}), "channel"),
    ],
)
def test_questions_that_make_no_sense_are_refused_by_name(rows: pl.DataFrame, message: str) -> None:
    asked = rows.with_columns(pl.col("at").cast(INSTANT)) if "at" in rows.columns else rows
    with pytest.raises(HistoryError, match=message):
        model().predict(history(), asked)


def test_out_of_time_it_beats_the_base_rate_and_is_calibrated() -> None:
    metrics = {metric.name: metric for metric in model(debtors=2500).metrics}
    engaged = metrics["engaged_log_loss"]
    assert engaged.value is not None
    assert engaged.baseline is not None
    assert engaged.value < engaged.baseline
    rate = metrics["engaged_rate"]
    assert rate.value == pytest.approx(rate.baseline, rel=0.1)


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (tiny(contacts=2), "TOO_FEW_CONTACTS"),
        (tiny(contacts=60, debtors=3, engaged=False), "NO_OUTCOMES"),
        (replace(tiny(), communications=tiny().communications.clear()), "NO_CONTACTS"),
    ],
)
def test_a_history_that_teaches_nothing_is_a_named_outcome(known: History, code: str) -> None:
    with pytest.raises(NotEnoughHistory) as refusal:
        train(known, as_of=known.as_of, seed=1, threads=1)
    assert refusal.value.code == code
    assert refusal.value.message


@pytest.mark.parametrize("key", [str, int])
def test_one_channel_three_debtors_and_no_payment_are_enough_to_train_on(key: type[str] | type[int]) -> None:
    known = tiny(contacts=60, debtors=3, key=key)
    stages: list[tuple[str, float]] = []
    trained = train(
        known, as_of=known.as_of, seed=1, threads=1, progress=lambda name, share: stages.append((name, share))
    )
    assert trained.rows == 180
    assert [share for _, share in stages] == sorted(share for _, share in stages)
    assert stages[-1] == ("done", 1.0)
    told = trained.predict(known, known.communications.select("debtor", "channel", at="sent_at"))
    assert told.p_engaged.mean() == pytest.approx(1 / 3, abs=0.1)
    assert told.p_convert.max() < 0.05


def test_training_as_of_an_earlier_day_sees_nothing_later() -> None:
    known = history()
    trained = train(known, as_of=at(60), seed=SEED, threads=1)
    assert trained.data_to <= at(60)
    assert trained.rows < model().rows


def test_a_training_set_without_propensities_or_templates_trains() -> None:
    made = world()
    bare = {
        **made.facts,
        "communications": made.facts["communications"].drop("propensity", "cost", "currency"),
    }
    known = History.from_facts(bare, as_of=made.as_of)
    known = replace(known, debtors=known.debtors.head(800))
    assert train(known, as_of=known.as_of, seed=1, threads=1).conversion.templates.is_empty()


def test_causes_tell_moved_payments_from_those_that_would_have_come_anyway() -> None:
    """Two worlds by hand: payments that follow contacts within hours, and payments that know nothing of contacts."""
    rng = np.random.default_rng(0)
    known = tiny(contacts=30, debtors=400, engaged=False)
    book = Casebook(known)
    outcomes = outcomes_of(known)
    start, end = int(outcomes.sent_at.min()), outcomes.seen_until
    group = np.zeros(400, dtype=np.int64)
    moved = rng.choice(len(outcomes), 300, replace=False)
    soon = outcomes.sent_at[moved] + rng.integers(60, 6 * 3600, 300) * 1_000_000
    receipts = receipts_of(book)
    following = replace(receipts, debtor=outcomes.debtor[moved], paid_at=soon, value=np.full(300, 10.0))
    causes = trace_causes(outcomes, following, book, group)
    assert causes.moved.sum() > 0.85 * 300
    assert causes.organic.sum() < 0.15 * 300
    assert causes.collected.sum() == pytest.approx(10 * causes.moved.sum(), rel=0.05)
    drawn = rng.integers(start, end, 300)
    aimless = replace(receipts, debtor=rng.integers(0, 400, 300), paid_at=drawn, value=np.full(300, 10.0))
    causes = trace_causes(outcomes, aimless, book, group)
    assert causes.organic.sum() > 0.6 * 300


def test_a_channel_used_for_those_who_pay_anyway_is_not_credited_with_their_payments() -> None:
    """Within one segment, half of the debtors pay four times as often as the others, whoever writes or not; they get
    the texts."""
    rng = np.random.default_rng(2)
    known = tiny(contacts=30, debtors=400, engaged=False)
    book = Casebook(known)
    outcomes = outcomes_of(known)
    outcomes = replace(outcomes, channel=np.where(outcomes.debtor < 200, SMS, EMAIL))
    debtor = np.concatenate([rng.integers(0, 200, 1600), rng.integers(200, 400, 400)])
    paid_at = rng.integers(int(outcomes.sent_at.min()), outcomes.seen_until, 2000)
    receipts = replace(receipts_of(book), debtor=debtor, paid_at=paid_at, value=np.full(2000, 10.0))
    causes = trace_causes(outcomes, receipts, book, np.zeros(400, dtype=np.int64))
    assert causes.moved[outcomes.channel == SMS].sum() < 0.1 * 1600
    assert causes.moved.sum() + causes.organic.sum() == pytest.approx(2000)


def test_the_organic_hazard_finds_how_many_pay_when_left_alone() -> None:
    rng = np.random.default_rng(1)
    known = tiny(contacts=40, debtors=600, engaged=False)
    book = Casebook(known)
    outcomes = book.outcomes
    days = (outcomes.seen_until - int(outcomes.sent_at.min())) / 86_400e6
    count = rng.poisson(0.004 * days * 600)
    paid_at = rng.integers(int(outcomes.sent_at.min()), outcomes.seen_until, count)
    receipts = Receipts(rng.integers(0, 600, count), paid_at, np.ones(count))
    hazard = fit_organic(book, receipts, np.ones(count), seed=1)
    everyone = np.arange(600)
    told = [
        hazard.probability(
            book.columns(book.contacts(everyone, np.zeros(600, np.int64), np.full(600, instant))), 1
        ).mean()
        for instant in np.linspace(outcomes.sent_at.min(), outcomes.seen_until, 12).astype(np.int64)
    ]
    assert np.mean(told) == pytest.approx(1 - np.exp(-0.004 * 30), rel=0.12)
    assert np.std(told) < 0.03
