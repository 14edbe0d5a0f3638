"""Messages rolled up by dimensions: for the rollups of a day, and for questions that no rollup serves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.kpis.requests import MessageDimension, MessageFigures
from domain.kpis.sketches import BEFORE, STEP, ZERO
from domain.storage.kpis.messages import COUNT_NAMES
from domain.storage.rollups.arrays import Bools, Coded, Ints, combined, distinct
from domain.storage.rollups.blocks import (
    BAND,
    NO_BANDS,
    NO_MONEY,
    NO_REACTIONS,
    REACTION,
    SPAN_NAMES,
    Amounts,
    Facts,
    Money,
    Rolled,
)

_DELIVERED = 1 << COUNT_NAMES.index("delivered")


def roll_up(facts: Facts, dimensions: Sequence[MessageDimension], wanted: MessageFigures) -> Rolled:
    """The groups of some messages by dimensions, which the facts hold."""
    columns = [facts.dimensions[each] for each in dimensions]
    codes, size = combined(columns, facts.size)
    present, group = distinct(codes, size)
    first = np.empty(len(present), np.int64)
    first[group[::-1]] = np.arange(facts.size)[::-1]
    reactions, bands = NO_REACTIONS, NO_BANDS
    if wanted.reactions or wanted.medians:
        reactions, bands = _reactions(facts, group)
    return Rolled(
        {each: column[first] for each, column in zip(dimensions, columns, strict=True)},
        _counts(facts.outcome, group, len(present)),
        _costs(facts.cost, group) if wanted.money else NO_MONEY,
        _amounts(group[facts.paid_for], facts.paid) if wanted.money else NO_MONEY,
        reactions,
        bands,
    )


def chosen(facts: Facts, which: Bools) -> Facts:
    """Some of the messages, with all that is theirs."""
    place = np.cumsum(which) - 1
    paid = which[facts.paid_for]
    waited = {}
    for span, (rows, seconds) in facts.waited.items():
        kept = which[rows]
        waited[span] = place[rows[kept]], seconds[kept]
    return Facts(
        {each: column[which] for each, column in facts.dimensions.items()},
        facts.days_past_due[which] if len(facts.days_past_due) else facts.days_past_due,
        facts.outcome[which],
        facts.cost[which] if len(facts.cost.codes) else facts.cost,
        place[facts.paid_for[paid]],
        facts.paid[paid],
        waited,
    )


def _counts(outcome: Coded[int], group: Ints, groups: int) -> NDArray[np.uint32]:
    """Messages by group and outcome, then by what each outcome counts as."""
    bits = (np.array(outcome.words, np.int64)[:, None] >> np.arange(len(COUNT_NAMES))) & 1
    width = len(outcome.words)
    found = np.bincount(group * width + outcome.codes, minlength=groups * width).reshape(groups, width)
    return (found @ bits).astype(np.uint32)


def _costs(cost: Coded[Money | None], group: Ints) -> Amounts:
    given = np.array([word is not None for word in cost.words], np.bool_)[cost.codes]
    words = tuple(word for word in cost.words if word is not None)
    code = np.cumsum([word is not None for word in cost.words], dtype=np.int64) - 1
    return _amounts(group[given], Coded(words, code[cost.codes[given]]))


def _amounts(group: Ints, money: Coded[Money]) -> Amounts:
    width = max(1, len(money.words))
    present, times = np.unique(group * width + money.codes, return_counts=True)
    return Amounts(present // width, Coded(money.words, present % width), times)


def _reactions(facts: Facts, group: Ints) -> tuple[NDArray[Any], NDArray[Any]]:
    found = [_reaction(facts, group, span) for span in SPAN_NAMES]
    return np.concatenate([each for each, _ in found]), np.concatenate([bands for _, bands in found])


def _reaction(facts: Facts, group: Ints, span: str) -> tuple[NDArray[Any], NDArray[Any]]:
    rows, seconds = facts.waited[span]
    if not len(rows):
        return NO_REACTIONS, NO_BANDS
    order = np.lexsort((seconds, group[rows]))
    rows, seconds, of = rows[order], seconds[order], group[rows[order]]
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    count = np.diff(starts, append=len(of))
    entered = np.ones(len(rows), np.int64)
    if span == "sent_to_pay":
        entered = np.array([bool(word & _DELIVERED) for word in facts.outcome.words], np.int64)[
            facts.outcome.codes[rows]
        ]
    band = _band(seconds)
    changes = np.flatnonzero((np.diff(band, prepend=0) != 0) | (np.diff(of, prepend=-1) != 0))
    found = np.empty(len(starts), REACTION)
    found["group"], found["span"], found["count"] = of[starts], SPAN_NAMES.index(span), count
    found["entered"] = np.add.reduceat(entered, starts)
    found["microseconds"] = np.add.reduceat(np.rint(seconds * 1e6).astype(np.int64), starts)
    found["p50"] = seconds[starts + (count + 1) // 2 - 1]  # the ⌈p·n⌉-th smallest
    found["p90"] = seconds[starts + (9 * count + 9) // 10 - 1]
    found["bands"] = np.diff(np.searchsorted(changes, starts), append=len(changes))
    bands = np.empty(len(changes), BAND)
    bands["band"], bands["count"] = band[changes], np.diff(changes, append=len(band))
    return found, bands


def _band(seconds: NDArray[np.float64]) -> Ints:
    """The bands of `domain.kpis.sketches` that seconds fall into."""
    size = np.ceil(np.log(np.abs(np.where(seconds == 0, 1.0, seconds))) / STEP).astype(np.int64)
    return np.where(seconds == 0, ZERO, np.where(seconds > 0, size, BEFORE - size))
