"""The groups of several days put together: the rows of an answer, column by column.

Counts and money are exact. A percentile is exact where one group of one day made the row, else within 1 %
(`domain.kpis.sketches`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.columns import Columns, Words, repeated
from domain.kpis.messages import MessageKpiKey, ReactionTime, ReactionTimes
from domain.kpis.requests import MessageDimension, MessageFigures, MessageKpiWhere, check_groups
from domain.storage.kpis.grouping import in_order, key_field
from domain.storage.kpis.messages import COUNT_NAMES
from domain.storage.rollups.arrays import Coded, Ints, amounts_summed, combined, distinct, joined, summed
from domain.storage.rollups.blocks import BAND, SPAN_NAMES, Amounts, Rolled, Word
from domain.storage.rollups.medians import medians
from domain.storage.rollups.selecting import rows_that
from domain.storage.rollups.sketched import at_ranks
from domain.storage.rollups.table import MessageKpiTable, numbers

_NO_MONEY: Mapping[str, Decimal] = {}


@dataclass(frozen=True)
class Part:
    """Groups with the day of each (as `date.toordinal` has it)."""

    rolled: Rolled
    day: Ints


def merge(
    parts: Sequence[Part],
    by: Sequence[MessageDimension],
    where: MessageKpiWhere,
    wanted: MessageFigures,
    *,
    as_of: datetime,
) -> MessageKpiTable:
    """The rows in the order of their keys; figures that are not wanted are missing.

    Raises:
        KpiRequestError: TOO_MANY_GROUPS.
        CannotTell: medians are wanted, and the facts alone can tell them.
        TooFine: the groups are too many for their sketches to be put together.
    """
    merged = _Merged(parts, by, where)
    check_groups(merged.size)
    reaction, holding = merged.reactions(wanted, as_of)
    others = {
        "key": merged.keys(by),
        "collected": merged.money([part.rolled.collected for part in parts], wanted.money),
        "cost": merged.money([part.rolled.cost for part in parts], wanted.money),
        "reaction": reaction,
    }
    return MessageKpiTable(merged.size, merged.counts(), others, holding=holding)


class _Merged:
    """Which group of the answer each row of the parts belongs to (−1: none), and the figures that follow."""

    def __init__(self, parts: Sequence[Part], by: Sequence[MessageDimension], where: MessageKpiWhere) -> None:
        rows = [part.rolled.size for part in parts]
        kept = _concatenated(
            [rows_that(where, each.rolled.dimensions, each.rolled.size) for each in parts], bool
        )
        self._parts = parts
        self._starts = np.cumsum([0, *rows])
        self._day = _concatenated([part.day for part in parts])
        self._rows = np.flatnonzero(kept)
        ordered = [_ordered(each, self._column(each)) for each in by]
        codes, size = combined([column for _, column in ordered], len(self._rows))
        present, group = distinct(codes, size)
        self.size = len(present) if by else 1
        self._group = np.full(len(kept), -1, np.int64)
        self._group[self._rows] = group
        #: A row of each group, by its place among those that are kept.
        self._some_row = np.zeros(self.size, np.int64)
        self._some_row[group] = np.arange(len(group))
        self._keys = [(values, column.codes[self._some_row]) for values, column in ordered]

    def _column(self, dimension: MessageDimension) -> Coded[Word]:
        """The values of the rows that are kept."""
        if dimension in _CALENDAR:
            day = self._day[self._rows]
            first = int(day.min(initial=date.max.toordinal()))
            days, codes = distinct(day - first, int(day.max(initial=first)) - first + 1)
            words = (
                _CALENDAR[dimension](date.fromordinal(first + each)).isoformat() for each in days.tolist()
            )
            return Coded(tuple(words), codes)
        return joined([part.rolled.dimensions[dimension] for part in self._parts])[self._rows]

    def keys(self, by: Sequence[MessageDimension]) -> Columns[MessageKpiKey]:
        """The keys of the groups."""
        found = {
            key_field(each): Words(values, codes.data)
            for each, (values, codes) in zip(by, self._keys, strict=True)
        }
        return Columns(MessageKpiKey, self.size, found)

    def counts(self) -> dict[str, Ints]:
        """Count → its values."""
        counts = _concatenated([part.rolled.counts for part in self._parts]).reshape(-1, len(COUNT_NAMES))
        if self.size == len(self._rows):  # each is a group of its own
            found = counts[self._rows[self._some_row]].T.astype(np.int64, order="C")
            return dict(zip(COUNT_NAMES, found, strict=True))
        group, kept = self._group[self._rows], counts[self._rows]
        return {name: summed(group, kept[:, at], self.size) for at, name in enumerate(COUNT_NAMES)}

    def money(self, amounts: Sequence[Amounts], wanted: bool) -> Sequence[Mapping[str, Decimal]]:
        """Sums per currency, currencies in order."""
        if not wanted or not amounts:
            return repeated(_NO_MONEY, self.size)
        found: list[dict[str, Decimal]] = [{} for _ in range(self.size)]
        group = self._of([each.group for each in amounts])
        kept = group >= 0
        money = joined([each.money for each in amounts])[kept]
        times = _concatenated([each.times for each in amounts])[kept]
        currencies = sorted({currency for currency, _ in money.words})
        place = np.array([currencies.index(currency) for currency, _ in money.words], np.int64)
        codes, size = group[kept] * len(currencies) + place[money.codes], self.size * len(currencies)
        present, at = distinct(codes, size)
        amount = Coded(tuple(amount for _, amount in money.words), money.codes)
        for code, total in zip(
            present.tolist(), amounts_summed(at, amount, times, len(present)), strict=True
        ):
            found[code // len(currencies)][currencies[code % len(currencies)]] = total
        return found

    def reactions(self, wanted: MessageFigures, as_of: datetime) -> tuple[Columns[ReactionTimes], float]:
        """The reaction times of the groups, and for how many seconds after `as_of` they hold."""
        shape = (len(SPAN_NAMES), self.size)
        times = {"count": np.zeros(shape, np.int64)} | {name: np.full(shape, np.nan) for name in _TIME_PARTS}
        if wanted.reactions or wanted.medians:
            self._observe(times)
        holding = inf
        if wanted.medians:
            found, holding = self._medians(as_of)
            for (group, span), median in found.items():
                times["median_censored"][SPAN_NAMES.index(span), group] = median
        spans = {
            span: Columns(ReactionTime, self.size, {name: numbers(of[at]) for name, of in times.items()})
            for at, span in enumerate(SPAN_NAMES)
        }
        return Columns(ReactionTimes, self.size, spans), holding

    def _of(self, groups: Sequence[Ints]) -> Ints:
        """The groups of the answer that parts' own groups have become."""
        rows = [group + start for group, start in zip(groups, self._starts, strict=False)]
        found: Ints = self._group[_concatenated(rows)]
        return found

    def _records(self) -> tuple[NDArray[Any], Ints, NDArray[Any]]:
        """(records, group · spans + span of each, their bands in their order) of the rows that are kept."""
        records = np.concatenate([part.rolled.reactions for part in self._parts])
        bands = np.concatenate([part.rolled.bands for part in self._parts])
        group = self._of([part.rolled.reactions["group"].astype(np.int64) for part in self._parts])
        kept = group >= 0
        if not kept.all():
            bands = bands[np.repeat(kept, records["bands"])]
            records, group = records[kept], group[kept]
        return records, group * len(SPAN_NAMES) + records["span"], bands

    def _observe(self, times: dict[str, NDArray[Any]]) -> None:
        if not self._parts:
            return
        records, code, bands = self._records()
        size = self.size * len(SPAN_NAMES)
        count = summed(code, records["count"].astype(np.int64), size)
        some = np.zeros(size, np.int64)
        some[code] = np.arange(len(code))
        present, several = np.flatnonzero(count), np.flatnonzero(np.bincount(code, minlength=size) > 1)
        seconds = summed(code, records["microseconds"].astype(np.int64), size) / 1e6
        found = {"count": count[present], "mean": seconds[present] / count[present]}
        found |= {name: records[name][some[present]] for name in ("p50", "p90")}
        for name, values in found.items():
            times[name][present % len(SPAN_NAMES), present // len(SPAN_NAMES)] = values
        if len(several):
            place = np.full(size, len(several))  # the others' bands come last and are not looked at
            place[several] = np.arange(len(several))
            ranks = np.array([(share * count[several] + 9) // 10 for share in (5, 9)])
            percentiles = at_ranks(place[code], records["bands"], bands, ranks)
            for name, values in zip(("p50", "p90"), percentiles, strict=True):
                times[name][several % len(SPAN_NAMES), several // len(SPAN_NAMES)] = values

    def _medians(self, as_of: datetime) -> tuple[dict[tuple[Any, str], float], float]:
        if not self._parts:
            return {}, inf
        records, code, bands = self._records()
        day_of = _concatenated(
            [part.day[part.rolled.reactions["group"].astype(np.int64)] for part in self._parts]
        )
        group = self._of([part.rolled.reactions["group"].astype(np.int64) for part in self._parts])
        days = day_of[group >= 0]
        sketches = _split(np.repeat(code, records["bands"]), bands)
        reacted = [
            (
                row // len(SPAN_NAMES),
                SPAN_NAMES[row % len(SPAN_NAMES)],
                _dates(days[rows]),
                records["entered"][rows].tolist(),
                int(records["count"][rows].sum()),
                sketches[row].astype(BAND).tobytes(),
            )
            for row, rows in _split(code, np.arange(len(code))).items()
        ]
        counts = _concatenated([part.rolled.counts for part in self._parts]).reshape(-1, len(COUNT_NAMES))
        delivered, opened = (counts[:, COUNT_NAMES.index(name)] for name in ("delivered", "opened"))
        populations = [
            (row, _dates(self._day[rows]), delivered[rows].tolist(), opened[rows].tolist())
            for row, rows in _split(self._group[self._rows], self._rows).items()
        ]
        return medians(populations, reacted, as_of=as_of)


_TIME_PARTS = ("mean", "p50", "p90", "median_censored")
_CALENDAR = {
    MessageDimension.DAY: lambda day: day,
    MessageDimension.WEEK: lambda day: day - timedelta(days=day.weekday()),
    MessageDimension.MONTH: lambda day: day.replace(day=1),
}


def _ordered(dimension: MessageDimension, column: Coded[Word]) -> tuple[list[Any], Coded[Any]]:
    """(values, codes) with the values that there are, in their order."""
    used = np.flatnonzero(np.bincount(column.codes, minlength=len(column.words)))
    values = in_order(dimension, [column.words[code] for code in used.tolist()])
    place = {word: at for at, word in enumerate(values)}
    code = np.array([place.get(word, -1) for word in column.words], np.int64)
    return list(values.values()), Coded(tuple(values), code[column.codes])


def _split(codes: Ints, values: NDArray[Any]) -> dict[int, NDArray[Any]]:
    """Values by code."""
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    return dict(zip(present.tolist(), np.split(values[order], starts[1:]), strict=True)) if len(codes) else {}


def _dates(days: Ints) -> list[date]:
    return [date.fromordinal(day) for day in days.tolist()]


def _concatenated(arrays: Sequence[Any], kind: Any = np.int64) -> Any:
    return np.concatenate(arrays) if arrays else np.empty(0, kind)
