"""Days put together are what all their messages rolled up at once are."""

from collections import Counter
from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kpis.requests import ALL_FIGURES, MessageDimension, MessageFigures
from domain.storage.rollups.arrays import Coded
from domain.storage.rollups.blocks import SPAN_NAMES, Amounts, Facts, Rolled
from domain.storage.rollups.folding import fold
from domain.storage.rollups.rolling import chosen, roll_up

BY = (MessageDimension.CHANNEL, MessageDimension.SEGMENT)
_MONEY = (("EUR", "0.05"), ("EUR", "25"), ("USD", "7.125"))
_OUTCOMES = (1, 3, 19, 1027)


@st.composite
def messages(draw: st.DrawFn) -> Facts:
    size = draw(st.integers(1, 12))
    code = lambda most: np.array(draw(st.lists(st.integers(0, most), min_size=size, max_size=size)), np.int64)  # noqa: E731
    some = lambda: np.flatnonzero(code(2) == 0)  # noqa: E731
    paid_for = some()
    seconds = st.one_of(st.just(0.0), st.floats(-(10**6), 10**7).map(lambda each: round(each, 6)))
    waited = {}
    for span in SPAN_NAMES:
        rows = some()
        drawn = draw(st.lists(seconds, min_size=len(rows), max_size=len(rows)))
        waited[span] = rows, np.array(drawn, np.float64)
    return Facts(
        {BY[0]: Coded(("EMAIL", "SMS"), code(1)), BY[1]: Coded((None, "A", "B"), code(2))},
        np.empty(0, np.int64),
        Coded(_OUTCOMES, code(3)),
        Coded((None, *_MONEY), code(3)),
        paid_for,
        Coded(_MONEY, code(2)[: len(paid_for)]),
        waited,
    )


def told(rolled: Rolled) -> dict:
    """By the values of its dimensions: counts, money, and by span the reaction time with its bands."""
    columns = [
        [column.words[code] for code in column.codes.tolist()] for column in rolled.dimensions.values()
    ]
    keys = list(zip(*columns, strict=True))
    found = {
        key: [counts, Counter(), Counter(), {}]
        for key, counts in zip(keys, rolled.counts.tolist(), strict=True)
    }
    for place, amounts in ((1, rolled.cost), (2, rolled.collected)):
        assert isinstance(amounts, Amounts)
        for group, code, times in zip(
            amounts.group.tolist(), amounts.money.codes.tolist(), amounts.times.tolist(), strict=True
        ):
            found[keys[group]][place][amounts.money.words[code]] += times
    bands = iter(rolled.bands.tolist())
    for record in rolled.reactions:
        own = [next(bands) for _ in range(record["bands"])]
        sums = record["count"], record["entered"], record["microseconds"]
        found[keys[record["group"]]][3][record["span"]] = (*sums, own), record["p50"], record["p90"]
    return found


@given(messages(), st.integers(0, 2**12 - 1), st.booleans())
def test_days_put_together_are_all_their_messages(facts, split, has_money) -> None:
    wanted = ALL_FIGURES if has_money else MessageFigures(money=False)
    first = np.array([bool(split >> at & 1) for at in range(facts.size)])
    parts = [roll_up(chosen(facts, which), BY, wanted) for which in (first, ~first) if which.any()]
    together, anew = told(fold(parts, BY)), told(roll_up(facts, BY, wanted))
    assert together.keys() == anew.keys()
    for key, (counts, cost, collected, reactions) in anew.items():
        assert together[key][:3] == [counts, cost, collected]
        assert together[key][3].keys() == reactions.keys()
        for span, (exact, *percentiles) in reactions.items():
            assert together[key][3][span][0] == exact
            for one, other in zip(together[key][3][span][1:], percentiles, strict=True):
                assert isclose(one, other, rel_tol=0.01, abs_tol=1e-6)


@pytest.mark.parametrize("segments", [101, 401])
def test_many_groups_are_kept_apart(segments) -> None:
    rng = np.random.default_rng(segments)
    size = 6 * segments
    waited = {
        span: (np.arange(size), np.round(rng.exponential(10.0 ** (place + 1), size), 6))
        for place, span in enumerate(SPAN_NAMES)
    }
    names = (None, *map(str, range(segments)))
    facts = Facts(
        {
            BY[0]: Coded(("EMAIL", "SMS"), np.arange(size) % 2),
            BY[1]: Coded(names, np.arange(size) % segments),
        },
        np.empty(0, np.int64),
        Coded(_OUTCOMES, np.arange(size) % len(_OUTCOMES)),
        Coded((None, *_MONEY), np.arange(size) % 2),
        np.empty(0, np.int64),
        Coded(_MONEY, np.empty(0, np.int64)),
        waited,
    )
    first = rng.random(size) < 0.5
    together = told(fold([roll_up(chosen(facts, which), BY, ALL_FIGURES) for which in (first, ~first)], BY))
    anew = told(roll_up(facts, BY, ALL_FIGURES))
    assert together.keys() == anew.keys()
    for key, (*_, reactions) in anew.items():
        for span, (exact, *percentiles) in reactions.items():
            assert together[key][3][span][0] == exact
            assert together[key][3][span][1:] == pytest.approx(percentiles, rel=0.01)


@given(messages())
def test_a_day_alone_stays_as_exact_as_it_is(facts) -> None:
    rolled = roll_up(facts, BY, ALL_FIGURES)
    assert told(fold([rolled], BY)) == told(rolled)
