from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.as_of import AsOfSums
from ml.feature_space import FeatureSpace, MissingColumn
from ml.features import Casebook, Columns, contacts_made
from ml.frames import History
from ml.local_time import local_time
from ml.outcomes import CHANNELS
from tests.ml.factories import at, history, instants, tiny


@given(
    facts=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(-5, 5)), max_size=30),
    owner=st.integers(0, 3),
    when=st.integers(-1, 55),
)
def test_sums_as_of_an_instant_are_those_of_a_loop(
    facts: list[tuple[int, int, int]], owner: int, when: int
) -> None:
    who, moment, value = (np.array([fact[place] for fact in facts], dtype=np.int64) for place in range(3))
    sums = AsOfSums(who, moment, value.astype(np.float64))
    asked = np.array([owner]), np.array([when])
    mine = [fact for fact in facts if fact[0] == owner and fact[1] < when]
    assert sums.before(*asked)[0, 0] == sum(fact[2] for fact in mine)
    last = sums.last_before(*asked)[0]
    assert np.isnan(last) if not mine else last == pytest.approx((when - max(fact[1] for fact in mine)) / 1e6)


FIRST, LAST = at(0).replace(tzinfo=None), at(900).replace(tzinfo=None)


def _columns(known: History, until: datetime) -> tuple[list[object], Columns]:
    book = Casebook(known)
    early = book.outcomes.take(book.outcomes.sent_at <= int(until.timestamp() * 1e6))
    return early.keys.to_list(), book.columns(contacts_made(early))


def test_no_planted_future_fact_moves_an_earlier_feature() -> None:
    known, cut = history(), at(60)
    keys, before = _columns(known, cut)
    planted = _plant_future(known, cut)
    keys_after, after = _columns(planted, cut)
    assert keys == keys_after
    for name, column in before.items():
        if isinstance(column, pl.Series):
            assert column.to_list() == after[name].to_list(), name
        else:
            np.testing.assert_allclose(column, after[name], rtol=1e-9, err_msg=name)


def _plant_future(known: History, cut: datetime) -> History:
    """Everything after the cut turned upside down: outcomes, payments, reversals, promises, and many more contacts."""
    late = pl.col("sent_at") > cut
    sent = known.communications
    shifted = [
        pl.when(pl.col(name) > cut)
        .then(pl.col("sent_at").clip(cut + timedelta(seconds=1)))
        .otherwise(pl.col(name))
        .alias(name)
        for name in ("opened_at", "clicked_at", "delivered_at")
    ]
    more = sent.filter(late).with_columns(
        communication=pl.col("communication") + "-again", channel=pl.lit("VOICE")
    )
    paid = known.payments.with_columns(
        amount=pl.when(pl.col("paid_at") > cut).then(pl.col("amount") * 9).otherwise(pl.col("amount")),
        reversed_at=pl.when(pl.col("paid_at") < cut).then(pl.lit(cut + timedelta(days=1))),
    )
    promise = pl.DataFrame(
        {
            "promise": ["p"],
            "account": known.accounts["account"][:1],
            "debtor": known.accounts["debtor"][:1],
            "amount": [5.0],
            "currency": ["EUR"],
            "promised_at": instants(cut + timedelta(hours=1)),
            "due_on": [cut.date()],
        }
    )
    return replace(
        known, communications=pl.concat([sent.with_columns(shifted), more]), payments=paid, promises=promise
    )


def test_features_tell_the_story_of_one_debtor() -> None:
    known = tiny(contacts=4, debtors=1)
    payment = pl.DataFrame({
        "payment": ["x"], "account": ["0"], "debtor": ["0"], "amount": [40.0], "currency": ["EUR"],
        "paid_at": instants(at(3)), "communication": [None],
    })  # fmt: skip
    known = replace(known, payments=payment)
    book = Casebook(known)
    columns = book.columns(contacts_made(book.outcomes))
    assert columns["contacts_7_days"].tolist() == [0, 1, 2, 3]
    assert np.isnan(columns["days_since_contact"][0])
    assert columns["days_since_contact"][1] == pytest.approx(2 + 1 / 24)
    assert np.expm1(columns["log_balance"]).round(2).tolist() == [100, 100, 60, 60]
    assert columns["payments_so_far"].tolist() == [0, 0, 1, 1]
    assert columns["days_past_due"].tolist() == [0, 2, 4, 6]
    assert columns["days_past_due_at_first_contact"].tolist() == [0, 0, 0, 0]
    assert columns["own_settled"].tolist() == [0, 1, 1, 1]


def test_keys_may_be_text_or_numbers() -> None:
    text, number = tiny(key=str), tiny(key=int)
    one = Casebook(text).columns(contacts_made(Casebook(text).outcomes))
    other = Casebook(number).columns(contacts_made(Casebook(number).outcomes))
    for name, column in one.items():
        assert [str(each) for each in column] == [str(each) for each in other[name]], name


def test_age_is_known_but_not_learned_from_unless_permitted() -> None:
    from ml.casework import gather

    book = Casebook(history())
    assert "age" not in gather(book, use_age=False).space.names
    assert "age" in gather(book, use_age=True).space.names


def test_a_word_never_seen_is_unknown_and_a_missing_column_raises() -> None:
    seen = {"x_trait": pl.Series(["HIGH"] * 30 + ["LOW"] * 30 + ["RARE"]), "channel": np.zeros(61)}
    space = FeatureSpace.fit(seen)
    asked = {"x_trait": pl.Series(["LOW", "NEW", None, "RARE"]), "channel": np.zeros(4), "x_more": np.ones(4)}
    column = space.matrix(asked)[:, space.names.index("x_trait")]
    assert column[0] == space.words["x_trait"].index("LOW")
    assert np.isnan(column[1:]).all()
    with pytest.raises(MissingColumn, match="x_trait"):
        space.matrix({"channel": np.zeros(4)})


@settings(max_examples=50)
@given(
    moment=st.datetimes(FIRST, LAST),
    zone=st.sampled_from(["Europe/Madrid", "America/Bogota", "Asia/Kolkata", "UTC"]),
)
def test_local_time_is_the_standard_library_s(moment: datetime, zone: str) -> None:
    from datetime import UTC
    from zoneinfo import ZoneInfo

    aware = moment.replace(tzinfo=UTC)
    mine = local_time(np.array([int(aware.timestamp() * 1e6)]), pl.Series([zone]))
    theirs = aware.astimezone(ZoneInfo(zone))
    assert (mine.weekday[0], mine.hour[0], mine.day_of_month[0]) == (
        theirs.weekday(),
        theirs.hour,
        theirs.day,
    )
    assert mine.hour_of_week[0] == theirs.weekday() * 24 + theirs.hour


def test_an_unknown_zone_is_read_as_utc() -> None:
    moment = np.array([int(at(0, 13).timestamp() * 1e6)])
    assert local_time(moment, pl.Series(["Mars/Olympus"])).hour.tolist() == [13]


def test_numbers_beyond_single_precision_keep_their_order() -> None:
    columns: Columns = {"x_large": np.array([-1e300, 1.0, 1e300, np.inf, np.nan])}
    found = FeatureSpace.fit(columns).matrix(columns)[:, 0]
    np.testing.assert_array_equal(found, np.array([-np.inf, 1.0, np.inf, np.inf, np.nan], dtype=np.float32))


def test_channels_are_those_of_the_contract() -> None:
    from domain.vocabulary import Channel

    assert set(CHANNELS) == {channel.value for channel in Channel}
