"""Message KPIs from rollups, with what these leave to the facts added: the same rows as from the facts alone.

In one snapshot. Counts and money are exact. A percentile is exact where one rollup row, or facts alone, made the group,
else within 1 % (`domain.kpis.sketches`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, Text, TextualSelect, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.messages import MessageKpiRow, ReactionTime, ReactionTimes
from domain.kpis.requests import (
    GROUP_LIMIT,
    MessageDimension,
    MessageFigures,
    MessageKpiWhere,
    Period,
    check_groups,
)
from domain.kpis.sketches import sketch_percentiles
from domain.storage.kpis.cohort import cohort_of, conditions
from domain.storage.kpis.grouping import TextKeys
from domain.storage.kpis.messages import COUNT_NAMES
from domain.storage.kpis.reactions import exact_sum
from domain.storage.rollups.coverage import Coverage
from domain.storage.rollups.dimensions import FILTERS, ROLLUPS
from domain.storage.rollups.figures import figures, key_of
from domain.storage.rollups.medians import medians

_SHARES = (Fraction(1, 2), Fraction(9, 10))
_NO_TIMES = ReactionTimes()
_DAY_SENT = "(sent_at AT TIME ZONE 'UTC')::date"
_CALENDAR = {
    MessageDimension.DAY: "day",
    MessageDimension.WEEK: "date_trunc('week', day::timestamp)::date",
    MessageDimension.MONTH: "date_trunc('month', day::timestamp)::date",
}


@dataclass(frozen=True, slots=True)
class _Figure:
    """Rows of a rollup's table, equally of the CTE `source`; told apart `within` a key, and added up by `sums`."""

    table: str
    source: str
    stored: str
    within: str
    sums: str


_COUNTS = _Figure(
    "message_rollup",
    "counts",
    ", ".join(COUNT_NAMES),
    "",
    ", ".join(f"sum({name})::bigint" for name in COUNT_NAMES),
)
_MONEY = _Figure(
    "message_rollup_money", "money", "currency, cost, collected", ", currency", "sum(cost), sum(collected)"
)
# One row's percentiles are exact; those of several are read from their sketches.
_REACTIONS = _Figure(
    "message_rollup_reaction",
    "reactions",
    "span, count, seconds, p50, p90, sketch",
    ", span",
    f"sum(count)::bigint, {exact_sum('seconds')}, min(p50), min(p90), "
    "CASE WHEN count(*) > 1 THEN string_agg(sketch, ''::bytea) END",
)
# What the Kaplan–Meier medians are told by.
_POPULATION = _Figure(
    "message_rollup",
    "counts",
    "day, delivered, opened",
    "",
    "array_agg(day), array_agg(delivered), array_agg(opened)",
)
_REACTED = _Figure(
    "message_rollup_reaction",
    "reactions",
    "day, span, count, entered, sketch",
    ", span",
    "array_agg(day), array_agg(entered), sum(count)::bigint, string_agg(sketch, ''::bytea)",
)


class RollupReader:
    """One question, asked of one rollup in one snapshot."""

    def __init__(
        self,
        connection: AsyncConnection,
        tenant_id: int,
        *,
        rollup: str,
        covered: Coverage,
        by: Sequence[MessageDimension],
        where: MessageKpiWhere,
        as_of: datetime,
    ) -> None:
        self._connection = connection
        self._by = by
        self._as_of = as_of
        self._key = _key_in(rollup, by)
        self._conditions = _conditions(rollup, where)
        self._facts = _facts(tenant_id, covered.facts, by=by, where=where, as_of=as_of)
        self._binds = {
            "tenant_id": tenant_id,
            "rollup": rollup,
            "first": covered.first,
            "until": covered.until,
            "unserved": covered.unserved,
            **({"as_of": as_of} if self._facts else {}),
        }

    async def rows(self, wanted: MessageFigures) -> list[MessageKpiRow]:
        """The rows in the order of their keys; figures that are not wanted are missing.

        Raises:
            KpiRequestError: TOO_MANY_GROUPS.
            CannotTell: medians are wanted, and the facts alone can tell them.
        """
        counts: dict[_Key, tuple[int, ...]] = {
            tuple(row[0]): row[1:] for row in await self._read(_COUNTS, most=GROUP_LIMIT + 1)
        }
        if len(counts) > GROUP_LIMIT:
            check_groups(await self._count_groups())
        if not self._by:
            counts.setdefault((), (0,) * len(COUNT_NAMES))
        cost, collected = _money(await self._read(_MONEY) if wanted.money else ())
        times = _times(await self._read(_REACTIONS) if wanted.reactions else ())
        if wanted.medians:
            reacted = await self._read(_REACTED)
            found = medians(await self._read(_POPULATION), reacted, as_of=self._as_of)
            for (key, span), median in found.items():
                times[key][span] = replace(times[key].get(span, ReactionTime()), median_censored=median)
        keys = TextKeys(self._by, counts)
        return [
            MessageKpiRow(
                key=keys.key_of(key),
                **dict(zip(COUNT_NAMES, counts[key], strict=True)),
                cost=cost.get(key, {}),
                collected=collected.get(key, {}),
                reaction=ReactionTimes(**times[key]) if key in times else _NO_TIMES,
            )
            for key in sorted(counts, key=keys.place_of)
        ]

    async def _read(self, figure: _Figure, *, most: int | None = None) -> list[tuple[Any, ...]]:
        columns = f"key{figure.within}"
        limit = f"LIMIT {most}" if most else ""
        sql = f"SELECT {columns}, {figure.sums} FROM {self._found(figure)} GROUP BY {columns} {limit}"
        return [
            tuple(row) for row in await self._connection.execute(self._statement(figure, sql), self._binds)
        ]

    async def _count_groups(self) -> int:
        sql = f"SELECT count(DISTINCT key) FROM {self._found(_COUNTS)}"
        return int(await self._connection.scalar(self._statement(_COUNTS, sql), self._binds) or 0)

    def _found(self, figure: _Figure) -> str:
        both = ("rolled", figure.source) if self._facts else ("rolled",)
        return (
            f"({' UNION ALL '.join(f'SELECT key, {figure.stored} FROM {source}' for source in both)}) found"
        )

    def _statement(self, figure: _Figure, sql: str) -> TextualSelect:
        rolled: Select[Any, Any] = (
            select(literal_column(self._key, Text).label("key"), literal_column(figure.stored))
            .select_from(text(figure.table))
            .where(text(_OF_DAYS), *self._conditions)
        )
        return text(sql).columns().add_cte(rolled.cte("rolled"), *self._facts)


_OF_DAYS = (
    "tenant_id = :tenant_id AND rollup = :rollup AND day >= :first AND day < :until "
    "AND day <> ALL(CAST(:unserved AS date[]))"
)


def _key_in(rollup: str, by: Sequence[MessageDimension]) -> str:
    """The SQL of the answer's key over a rollup's rows."""
    place = {dimension: at for at, dimension in enumerate(ROLLUPS[rollup], start=1)}
    return key_of(tuple(_CALENDAR[each] if each in _CALENDAR else f"key[{place[each]}]" for each in by))


def _conditions(rollup: str, where: MessageKpiWhere) -> list[ColumnElement[bool]]:
    place = {dimension: at for at, dimension in enumerate(ROLLUPS[rollup], start=1)}
    columns: dict[str, ColumnElement[Any]] = {
        field: literal_column(f"key[{place[dimension]}]", Text)
        for field, dimension in FILTERS.items()
        if dimension in place
    }
    return conditions(where, columns)


def _facts(
    tenant_id: int,
    facts: Sequence[Period],
    *,
    by: Sequence[MessageDimension],
    where: MessageKpiWhere,
    as_of: datetime,
) -> list[CTE]:
    """The CTEs of the figures in these stretches; none for none."""
    if not facts:
        return []
    cohort = cohort_of(tenant_id, periods=facts, by=by, where=where, as_of=as_of)
    parts = figures({"": cohort.keys}, day=_DAY_SENT)
    return [*cohort.ctes, *(text(sql).columns().cte(name) for name, sql in parts.items())]


_Key = tuple[str | None, ...]
_Money = dict[_Key, dict[str, Decimal]]


def _money(rows: Iterable[tuple[Any, ...]]) -> tuple[_Money, _Money]:
    """(cost, collected) by key and currency, currencies in order."""
    cost: _Money = defaultdict(dict)
    collected: _Money = defaultdict(dict)
    for key, currency, spent, paid in sorted(rows, key=lambda row: row[1]):
        if spent is not None:
            cost[tuple(key)][currency] = spent
        if paid is not None:
            collected[tuple(key)][currency] = paid
    return cost, collected


def _times(rows: Iterable[tuple[Any, ...]]) -> defaultdict[_Key, dict[str, ReactionTime]]:
    times: defaultdict[_Key, dict[str, ReactionTime]] = defaultdict(dict)
    for key, span, count, seconds, p50, p90, sketches in rows:
        percentiles = (p50, p90) if sketches is None else sketch_percentiles(sketches, _SHARES)
        times[tuple(key)][span] = ReactionTime(count, seconds / count, *percentiles)
    return times
