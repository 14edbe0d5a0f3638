"""The groups of several days as those of one stretch of time, in the form that a day's are kept in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.kpis.requests import MessageDimension
from domain.storage.rollups.arrays import Coded, Ints, combined, distinct, joined, summed
from domain.storage.rollups.blocks import NO_BANDS, NO_REACTIONS, REACTION, SPAN_NAMES, Amounts, Rolled
from domain.storage.rollups.sketched import added, at_ranks

_SUMS = ("count", "entered", "microseconds")


def fold(parts: Sequence[Rolled], dimensions: Sequence[MessageDimension]) -> Rolled:
    """The groups of all parts by dimensions, which tell the groups of each apart.

    Counts and money are added up, reaction times as their sketches are; a percentile that one day alone tells stays as
    exact as it is. What a part does not hold is empty here too.

    Raises:
        TooFine: they are too many.
    """
    starts = np.cumsum([0, *(part.size for part in parts)])
    columns = [joined([part.dimensions[each] for part in parts]) for each in dimensions]
    codes, size = combined(columns, int(starts[-1]))
    present, group = distinct(codes, size)
    some_row = np.zeros(len(present), np.int64)
    some_row[group] = np.arange(len(group))
    counts = np.concatenate([part.counts for part in parts])

    def groups_of(own: Sequence[NDArray[Any]]) -> Ints:
        found: Ints = group[np.concatenate([each + start for each, start in zip(own, starts, strict=False)])]
        return found

    def amounts(each: Sequence[Amounts]) -> Amounts:
        return _amounts(groups_of([one.group for one in each]), each)

    reactions, bands = _reactions(
        groups_of([part.reactions["group"].astype(np.int64) for part in parts]), len(present), parts
    )
    return Rolled(
        {each: column[some_row] for each, column in zip(dimensions, columns, strict=True)},
        np.column_stack([summed(group, column, len(present)) for column in counts.T]).astype(np.uint32),
        amounts([part.cost for part in parts]),
        amounts([part.collected for part in parts]),
        reactions,
        bands,
    )


def _amounts(group: Ints, amounts: Sequence[Amounts]) -> Amounts:
    money = joined([each.money for each in amounts])
    width = max(1, len(money.words))
    present, at = distinct(group * width + money.codes, (int(group.max(initial=0)) + 1) * width)
    times = summed(at, np.concatenate([each.times for each in amounts]), len(present))
    return Amounts(present // width, Coded(money.words, present % width), times)


def _reactions(group: Ints, groups: int, parts: Sequence[Rolled]) -> tuple[NDArray[Any], NDArray[Any]]:
    records = np.concatenate([part.reactions for part in parts])
    bands = np.concatenate([part.bands for part in parts])
    if not len(records):
        return NO_REACTIONS, NO_BANDS
    span = records["span"].astype(np.int64)  # its own byte would not hold the product
    present, at = distinct(span * groups + group, len(SPAN_NAMES) * groups)
    found = np.empty(len(present), REACTION)
    found["span"], found["group"] = present // groups, present % groups
    for name in _SUMS:
        found[name] = summed(at, records[name].astype(np.int64), len(present))
    count = found["count"].astype(np.int64)
    ranks = np.array([(share * count + 9) // 10 for share in (5, 9)])  # the ⌈p·n⌉-th smallest
    of_one = np.flatnonzero(np.bincount(at) == 1)
    some_record = np.zeros(len(present), np.int64)
    some_record[at] = np.arange(len(at))
    for name, ranked in zip(("p50", "p90"), at_ranks(at, records["bands"], bands, ranks), strict=True):
        found[name] = ranked
        found[name][of_one] = records[name][some_record[of_one]]
    together, found["bands"] = added(at, records["bands"], bands, len(present))
    return found, together
