import re
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.actions import Evidence, Recommendation, lawful_hours, rounded
from ml.candidates import candidates
from ml.decisions import debtor_recommendations, segment_recommendations
from ml.features import Casebook
from ml.frames import History
from ml.intervals import ninety_per_cent
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.recipe import train
from ml.scoring import Scorer
from ml.segment_plans import usual_plan
from ml.standing import Standing
from ml.values import Ahead, SlotTables, slot_tables, standing_ahead, supported_slots, worth
from tests.ml.factories import history, model, tiny, world

LAWFUL = lawful_hours()


def _actions(recommendation: Recommendation) -> list[tuple[str, int]]:
    best = [recommendation.best] if recommendation.best else []
    return [(action.channel, action.hour_of_week) for action in (*best, *recommendation.alternatives)]


@cache
def _small() -> TrainedModel:
    known = tiny(contacts=60, debtors=3)
    return train(known, as_of=known.as_of, seed=1, threads=1)


def test_every_segment_gets_an_action_with_reasons_and_one_alternative_per_other_channel() -> None:
    answers = segment_recommendations(model(), now=history().as_of)
    assert [answer.segment for answer in answers] == sorted(history().debtors["segment"].unique())
    assert sum(answer.debtors for answer in answers) > 1000
    for answer in answers:
        best = answer.recommendation.best
        assert best is not None
        assert answer.recommendation.reasons
        channels = [channel for channel, _ in _actions(answer.recommendation)]
        assert len(channels) == len(set(channels))
        estimate = best.expected.net[0]
        assert estimate.low <= estimate.amount <= estimate.high
        assert best.expected.cost[0].currency == "EUR"
        assert 0 < best.expected.delivery_rate <= 1
        assert best.expected.seconds_to_pay is not None


def test_the_segment_actions_are_worth_more_than_the_best_fixed_action_and_than_history() -> None:
    """On worlds of several forms the estimate never saw, by their hidden truth."""
    gains = []
    for form in ("blocks", "steps"):
        made, known = world(form, 4000, 2), history(form, 4000, 2)
        answers = segment_recommendations(model(form, 4000, 2), known, now=known.as_of)
        value = sum(
            float(
                made.value[
                    made.segment == int(answer.segment[1:]), CHANNELS.index(best.channel), best.hour_of_week
                ].sum()
            )
            for answer in answers
            if (best := answer.recommendation.best) is not None
        )
        fixed = float(made.value.sum(axis=0)[:, LAWFUL].max())
        historical = float(made.logged.sum())
        assert value > historical
        gains.append((value - historical) / (fixed - historical))
    assert np.mean(gains) > 1.0


def test_nine_in_ten_intervals_of_segments_hold_what_contacts_are_truly_worth() -> None:
    """On worlds of several forms, by their hidden truth; the mean of those whom a contact can reach."""
    held, told = 0, 0
    for form, debtors, seed in (("bump", 2500, 1), ("blocks", 4000, 2), ("steps", 4000, 2)):
        made, known = world(form, debtors, seed), history(form, debtors, seed)
        for answer in segment_recommendations(model(form, debtors, seed), known, now=known.as_of):
            best = answer.recommendation.best
            for action in (*([best] if best else []), *answer.recommendation.alternatives):
                mine = made.segment == int(answer.segment[1:])
                worth = made.value[mine, CHANNELS.index(action.channel), action.hour_of_week]
                estimate = action.expected.net[0]
                held += bool(estimate.low <= worth[worth != 0].mean() <= estimate.high)
                told += 1
    assert told >= 60
    assert held / told >= 0.82


def test_an_interval_is_wider_the_fewer_payments_it_rests_on() -> None:
    draws, gain = np.full(20, 5.0), np.array([10.0])
    widths = [ninety_per_cent(draws, gain, np.array([moved])) for moved in (0.0, 2.0, 20.0, 2_000.0)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 10
    assert 2 < widths[-1] < 3
    apart = ninety_per_cent(draws, np.array([5.0, 5.0]), np.array([2.0, 2.0]))
    assert apart < ninety_per_cent(draws, gain, np.array([2.0]))  # errors of two segments level out


@settings(max_examples=12, deadline=None)
@given(
    hours=st.lists(st.booleans(), min_size=168, max_size=168),
    channels=st.lists(st.sampled_from(CHANNELS), unique=True),
)
def test_no_segment_action_ever_leaves_the_mask(hours: list[bool], channels: list[str]) -> None:
    names = list(model().segments)
    masks = dict.fromkeys(names, np.array(hours))
    supported = supported_slots(model(), 1)
    for answer in segment_recommendations(model(), now=history().as_of, channels=channels, masks=masks):
        for channel, slot in _actions(answer.recommendation):
            assert channel in channels
            assert hours[slot]
            assert LAWFUL[slot]
            assert supported[CHANNELS.index(channel), slot]


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_no_debtor_action_ever_leaves_its_own_mask(data: st.DataObject) -> None:
    keys = data.draw(
        st.lists(st.sampled_from(history().debtors["debtor"].to_list()[:300]), min_size=1, max_size=4)
    )
    density = data.draw(st.sampled_from([0.02, 0.2, 0.7]))
    draw = np.random.default_rng(data.draw(st.integers(0, 1000)))
    masks = draw.random((len(keys), len(CHANNELS), 168)) < density
    known = _only(history(), keys)
    answers = debtor_recommendations(model(), known, keys, now=known.as_of, masks=masks)
    assert [answer.debtor for answer in answers] == keys
    for answer, mask in zip(answers, masks, strict=True):
        for channel, slot in _actions(answer.recommendation):
            assert mask[CHANNELS.index(channel), slot]
            assert LAWFUL[slot]


def test_no_debtor_is_sent_to_on_a_weekday_on_which_the_channel_was_always_closed() -> None:
    """Saturdays tell nothing of Sundays: who calls on the one may be closed on the other, or not be allowed to."""
    sends = np.zeros((len(CHANNELS), 7, 24))
    sends[:, :, 8:20] = 10.0
    sends[CHANNELS.index("EMAIL"), 6] = 0.0
    sends[CHANNELS.index("SMS"), 2, 14:] = 0.0
    narrow = replace(model(), channels=replace(model().channels, sends=sends.reshape(len(CHANNELS), 168)))
    known = _only(history(), history().debtors["debtor"].to_list()[:300])
    for sunday_alone in (False, True):
        masks = np.zeros((300, len(CHANNELS), 168), dtype=bool)
        masks[:, :, 144 if sunday_alone else 0 :] = True
        answers = debtor_recommendations(
            narrow, known, known.debtors["debtor"].to_list(), now=known.as_of, masks=masks
        )
        chosen = [action for answer in answers for action in _actions(answer.recommendation)]
        assert len(chosen) > 300
        assert not [slot for channel, slot in chosen if channel == "EMAIL" and slot >= 144]
        assert not [slot for channel, slot in chosen if channel == "SMS" and 63 <= slot < 72]


def _only(known: History, keys: list[str]) -> History:
    mine = pl.col("debtor").is_in(keys)
    frames = {
        name: getattr(known, name).filter(mine)
        for name in ("debtors", "accounts", "communications", "payments")
    }
    return replace(known, **frames)


def test_a_debtor_is_answered_the_same_from_its_own_history_alone() -> None:
    keys = history().debtors["debtor"].to_list()[:5]
    now = history().as_of
    whole = debtor_recommendations(model(), history(), keys, now=now)
    alone = [debtor_recommendations(model(), _only(history(), [key]), [key], now=now)[0] for key in keys]
    assert [_actions(answer.recommendation) for answer in whole] == [
        _actions(answer.recommendation) for answer in alone
    ]


def test_a_debtor_nobody_can_reach_is_left_alone_for_that_reason() -> None:
    key = history().debtors["debtor"][0]
    cut_off = history().debtors.with_columns(channels=pl.lit([], dtype=pl.List(pl.String)))
    answer = debtor_recommendations(model(), replace(history(), debtors=cut_off), [key], now=history().as_of)[
        0
    ]
    assert answer.recommendation.best is None
    assert "No channel reaches" in answer.recommendation.reasons[0]


def test_channels_that_were_not_asked_for_are_no_reason() -> None:
    now, phone = history().as_of, pl.lit(["VOICE"], dtype=pl.List(pl.String))
    only_phones = replace(history(), debtors=history().debtors.with_columns(channels=phone))
    key = history().debtors["debtor"][0]
    (letter,) = debtor_recommendations(model(), only_phones, [key], now=now, channels=["LETTER"])
    assert letter.recommendation.reasons == (
        "No channel that was asked for reaches them: no usable address, or opted out of it.",
    )
    (nothing,) = debtor_recommendations(model(), history(), [key], now=now, channels=[])
    assert nothing.recommendation.reasons == ("No channel was asked for.",)
    (segment, *_) = segment_recommendations(model(), history(), now=now, channels=[])
    assert segment.recommendation.reasons == ("No channel was asked for.",)


def test_a_debtor_who_owes_nothing_is_left_alone_for_that_reason() -> None:
    key = history().debtors["debtor"][0]
    paid_up = history().accounts.with_columns(principal=pl.lit(0.0))
    answer = debtor_recommendations(
        model(), replace(history(), accounts=paid_up), [key], now=history().as_of
    )[0]
    assert answer.recommendation.best is None
    assert "Nothing is owed" in answer.recommendation.reasons[0]


def test_of_two_debts_only_the_one_that_lasts_the_week_counts() -> None:
    known = history()
    now = known.as_of.replace(hour=10)
    key = known.debtors["debtor"][0]
    lasting = known.accounts.filter(pl.col("debtor") == key).head(1)
    ending = lasting.with_columns(account=pl.lit("ENDING"), closed_on=pl.lit(now.date() + timedelta(days=6)))
    others = known.accounts.filter(pl.col("debtor") != key)

    def standing(*accounts: pl.DataFrame) -> Standing:
        both = replace(known, accounts=pl.concat([others, *accounts], how="vertical_relaxed"))
        return standing_ahead(model(), model().casebook(both), np.array([0]), Ahead.of(now))

    alone, beside = standing(lasting), standing(lasting, ending)
    assert alone.owed[0] > 0
    assert beside.owed[0] == pytest.approx(alone.owed[0])
    assert np.all(beside.amount <= beside.owed[0] + 0.01)


@pytest.mark.parametrize(
    ("column", "days", "zone", "owes"),
    [
        ("opened_on", 0, "UTC", True),
        ("opened_on", 0, "Pacific/Pago_Pago", False),  # there it is still yesterday
        ("opened_on", 1, "UTC", False),
        ("opened_on", 1, "Pacific/Kiritimati", True),  # there it is tomorrow
        ("opened_on", 3, "UTC", False),
        ("closed_on", 2, "UTC", False),
        ("closed_on", 6, "UTC", False),
        ("closed_on", 8, "UTC", True),
    ],
)
def test_nobody_is_contacted_for_a_debt_that_is_not_there_yet_or_ends_within_the_week(
    column: str, days: int, zone: str, owes: bool
) -> None:
    """Whichever way is asked; days are the debtor's own."""
    known = history()
    now = known.as_of.replace(hour=10, minute=30)
    key = known.debtors["debtor"][0]
    day = pl.lit(now.date() + timedelta(days=days))
    moved = replace(
        known,
        accounts=known.accounts.with_columns(day.alias(column)),
        debtors=known.debtors.with_columns(time_zone=pl.lit(zone)),
    )
    (told,) = debtor_recommendations(model(), moved, [key], now=now)
    assert ("Nothing is owed" in told.recommendation.reasons[0]) is not owes
    book, plan = model().casebook(moved), usual_plan(model())
    rows = np.array([0])
    scored = Scorer.of(model(), plan).scores(book, rows, ahead=Ahead.of(now))
    assert (scored["channel"][0] is not None) is (owes and told.recommendation.best is not None)
    masks = np.ones((1, len(CHANNELS), 168), bool)
    found = candidates(model(), book, rows, ahead=Ahead.of(now), plan=plan, masks=masks)
    assert found.open.any() == owes
    # Asked for each of many debtors, so not worked out for all of them each time
    assert found.open is found.open


@pytest.mark.parametrize(
    ("column", "days", "owes"),
    [
        ("opened_on", 13, True),
        ("opened_on", 15, False),
        ("closed_on", 16, False),
        ("closed_on", 24, False),
        ("closed_on", 26, True),
    ],
)
def test_who_decides_for_days_further_ahead_looks_at_the_debts_of_those(
    column: str, days: int, owes: bool
) -> None:
    known = history()
    now = known.as_of.replace(hour=10)
    key = known.debtors["debtor"][0]
    day = pl.lit(now.date() + timedelta(days=days))
    moved = replace(known, accounts=known.accounts.with_columns(day.alias(column)))
    ahead = Ahead.of(now + timedelta(days=14), now + timedelta(days=24))
    (told,) = debtor_recommendations(model(), moved, [key], now=now, ahead=ahead)
    assert ("Nothing is owed" in told.recommendation.reasons[0]) is not owes


def test_a_debtor_who_is_not_in_the_history_is_refused() -> None:
    with pytest.raises(KeyError, match="not in the history"):
        debtor_recommendations(model(), history(), ["nobody"], now=history().as_of)


def test_a_segment_nobody_knows_is_insufficient_not_guessed() -> None:
    answer = segment_recommendations(model(), now=history().as_of, segments=["NOWHERE"])[0]
    assert answer.recommendation.evidence is Evidence.INSUFFICIENT
    assert answer.recommendation.best is None
    assert answer.recommendation.reasons


def test_a_debtor_of_a_segment_never_seen_is_insufficient_not_guessed() -> None:
    key = history().debtors["debtor"][0]
    moved = replace(history(), debtors=history().debtors.with_columns(segment=pl.lit("BRAND-NEW")))
    answer = debtor_recommendations(model(), moved, [key], now=history().as_of)[0]
    assert answer.recommendation.evidence is Evidence.INSUFFICIENT
    assert answer.recommendation.best is None


@pytest.mark.parametrize(("sent", "them"), [(40.0, "them"), (1.0, "it")])
def test_only_where_other_segments_have_had_the_like_do_they_fill_a_gap(sent: float, them: str) -> None:
    facts = model().evidence
    first = (np.arange(len(facts.sent)) == 0)[:, None] * np.ones_like(facts.sent)
    alone = replace(facts, sent=sent * first, engaged=40.0 * first, moved=7.0 * first)
    name = model().segments[0]
    for evidence, what in (
        (alone, "what was learned of contacts of all kinds"),
        (facts, "what similar segments did"),
    ):
        weak = replace(
            evidence,
            sent=np.where(first > 0, alone.sent, evidence.sent),
            moved=np.minimum(evidence.moved, 7.0),
        )
        (answer,) = segment_recommendations(
            replace(model(), evidence=weak), now=history().as_of, segments=[name]
        )
        said = answer.recommendation.reasons[-1]
        assert f"too little came of {them} to go by; {what} fills the gap." in said


def test_where_nothing_was_ever_paid_nothing_is_recommended() -> None:
    answer = segment_recommendations(_small(), now=tiny().as_of)[0]
    assert answer.recommendation.best is None
    assert answer.recommendation.evidence is Evidence.INSUFFICIENT


def test_a_contact_that_costs_more_than_it_brings_is_not_made() -> None:
    dear = replace(model(), channels=replace(model().channels, cost=np.full(len(CHANNELS), 10_000.0)))
    for answer in segment_recommendations(dear, now=history().as_of):
        assert answer.recommendation.best is None
        said = answer.recommendation.reasons[0]
        assert said.startswith("Leave alone")
        assert re.search(
            r"what (an e-mail|a text|a letter|a call|a WhatsApp|a push)( message)? would add", said
        )


@pytest.mark.parametrize("cost", [10.0, 20.0, 30.0])
def test_nobody_is_left_alone_whom_some_contact_would_pay_for(cost: float) -> None:
    dear = replace(model(), channels=replace(model().channels, cost=np.full(len(CHANNELS), cost)))
    keys, now = history().debtors["debtor"].to_list()[:1_000], history().as_of
    answers = [answer.recommendation for answer in debtor_recommendations(dear, history(), keys, now=now)]
    answers += [answer.recommendation for answer in segment_recommendations(dear, now=now)]
    alone = [answer for answer in answers if answer.best is None and answer.alternatives]
    assert alone
    for answer in alone:
        assert all(estimate.amount <= 0 for action in answer.alternatives for estimate in action.expected.net)


def test_debtors_who_pay_anyway_are_not_worth_a_message() -> None:
    panel = model().panel
    assert panel is not None
    sure = replace(panel.standing, alone=np.ones(len(panel.standing)))
    forgetful = replace(model(), panel=replace(panel, standing=sure))
    assert all(
        answer.recommendation.best is None
        for answer in segment_recommendations(forgetful, now=history().as_of)
    )


def test_a_debtor_is_worth_the_same_effort_however_many_other_segments_there_are() -> None:
    """Segments are valued one by one: were all of them worked on for each, many would take their square."""
    panel = model().panel
    assert panel is not None
    one, codes, hours = (
        panel.standing.take(np.array([0])),
        np.arange(len(model().segments)),
        np.flatnonzero(LAWFUL),
    )
    few = slot_tables(model().conversion, codes)
    many = SlotTables(
        {name: np.repeat(table, 40, axis=0) for name, table in few.shifts.items()}, few.row * 40
    )
    told, taken = [], []
    for tables in (few, many):
        tracemalloc.start()
        told.append(worth(model(), one, tables, hours).net)
        taken.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    np.testing.assert_array_equal(told[0], told[1])
    assert taken[1] < 1.5 * taken[0]


@pytest.mark.parametrize("amount", [1e38, 1e44])
def test_of_an_amount_of_forty_digits_one_hour_is_still_worth_more_than_another(amount: float) -> None:
    panel = model().panel
    assert panel is not None
    some, hours = panel.standing.take(np.arange(20)), np.flatnonzero(LAWFUL)
    tables = slot_tables(model().conversion, np.unique(some.segment))
    usual, absurd = (
        worth(model(), replace(some, amount=np.full_like(some.amount, each)), tables, hours).gain
        for each in (1e6, amount)
    )
    np.testing.assert_array_equal(usual.argmax(axis=2), absurd.argmax(axis=2))
    assert np.isfinite(absurd).all()


def test_the_panel_and_the_portfolio_lead_to_the_same_segments() -> None:
    from_panel = segment_recommendations(model(), now=history().as_of)
    from_portfolio = segment_recommendations(model(), history(), now=history().as_of)
    assert [one.segment for one in from_panel] == [other.segment for other in from_portfolio]
    assert [one.debtors for one in from_panel] == [other.debtors for other in from_portfolio]


def test_amounts_are_rounded_like_money() -> None:
    assert str(rounded(12.345678)) == "12.35"
    assert str(rounded(0.00213)) == "0.0021"
    assert str(rounded(-3.0)) == "-3.00"


def test_scores_say_in_columns_what_recommendations_say_in_words() -> None:
    known = history()
    keys = known.debtors["debtor"].to_list()[:700]
    rng = np.random.default_rng(2)
    masks = rng.random((700, 168)) < np.where(np.arange(700) % 7 == 0, 0.0, 0.6)[:, None]
    words = debtor_recommendations(model(), known, keys, now=known.as_of, masks=masks)
    scorer = Scorer.of(model(), usual_plan(model()))
    columns = scorer.scores(Casebook(known), np.arange(700), ahead=Ahead.of(known.as_of), masks=masks)
    assert columns["channel"].null_count() > 50
    assert columns["channel"].count() > 50
    for answer, row in zip(words, columns.iter_rows(named=True), strict=True):
        said = answer.recommendation
        assert (row["segment"], row["evidence"]) == (answer.segment, said.evidence.value)
        if said.best is None:
            assert row["channel"] is row["hour_of_week"] is row["net"] is row["currency"] is None
            continue
        best, expected = said.best, said.best.expected
        assert (row["channel"], row["hour_of_week"], row["template"]) == (
            best.channel,
            best.hour_of_week,
            best.template,
        )
        assert row["delivery_rate"] == pytest.approx(expected.delivery_rate)
        assert row["open_rate"] == pytest.approx(expected.open_rate)
        assert row["conversion_rate"] == pytest.approx(expected.conversion_rate)
        assert row["net"] == pytest.approx(float(expected.net[0].amount), abs=0.006)
        assert row["currency"] == expected.net[0].currency
        assert row["pay_p90"] == pytest.approx(
            expected.seconds_to_pay.p90 if expected.seconds_to_pay else None
        )
        assert row["open_p50"] == pytest.approx(
            expected.seconds_to_open.p50 if expected.seconds_to_open else None
        )
