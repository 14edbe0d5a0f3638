"""The messages of a period read from the tables of facts, as columns."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Generic

import numpy as np
from sqlalchemy import TextualSelect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import ALL_FIGURES, MessageDimension, MessageFigures, MessageKpiWhere, Period
from domain.storage.kpis.cohort import cohort_of
from domain.storage.kpis.messages import COUNTS
from domain.storage.rollups.arrays import Coded, Word
from domain.storage.rollups.blocks import SPAN_NAMES, Facts, Money
from domain.storage.rollups.dimensions import ROLLED_UP

_READ_AT_ONCE = 20_000
_SPANS = {
    "sent_to_open": "date_part('epoch', opened_at - sent_at)",
    "open_to_pay": "CASE WHEN first_paid_at >= opened_at THEN date_part('epoch', first_paid_at - opened_at) END",
    "sent_to_pay": "CASE WHEN first_paid_at >= sent_at THEN date_part('epoch', first_paid_at - sent_at) END",
}
_OUTCOME = " | ".join(f"(({condition})::integer << {bit})" for bit, (_, condition) in enumerate(COUNTS))
_PAID = """
    SELECT member.id, min(paid_at) FILTER (WHERE {known}) AS first_paid_at,
        array_agg(ARRAY[p.currency, p.amount::text] ORDER BY p.id) FILTER (WHERE {known}) AS paid,
        max(GREATEST(paid_at, reversed_at)) AS last_payment_at
    FROM member JOIN payment p ON p.tenant_id = :tenant_id AND p.attributed_to = member.id
    GROUP BY member.id""".format(known="paid_at <= :as_of AND (reversed_at IS NULL OR reversed_at > :as_of)")


async def read_messages(
    connection: AsyncConnection,
    tenant_id: int,
    periods: Sequence[Period],
    *,
    dimensions: Sequence[MessageDimension] = ROLLED_UP,
    wanted: MessageFigures = ALL_FIGURES,
    as_of: datetime,
) -> tuple[Facts, datetime | None]:
    """The outbound messages sent in the periods as known at `as_of`, and their last fact, known or not; None of none.

    By these dimensions and their day; figures that are not wanted are missing. Payments are where they are attributed
    to now (`domain.storage.kpis.attribution` tells when that differs).
    """
    dimensions = (*dimensions, MessageDimension.DAY)
    reading, last = _Reading(dimensions), None
    statement = _statement(tenant_id, periods, dimensions, wanted, as_of)
    found = await connection.stream(statement, {"tenant_id": tenant_id, "as_of": as_of})
    async for rows in found.partitions(_READ_AT_ONCE):
        *columns, last_facts = zip(*rows, strict=True)
        reading.add(columns)
        last = max([*([last] if last else []), *last_facts])
    return reading.facts(), last


def _statement(
    tenant_id: int,
    periods: Sequence[Period],
    dimensions: Sequence[MessageDimension],
    wanted: MessageFigures,
    as_of: datetime,
) -> TextualSelect:
    cohort = cohort_of(tenant_id, periods=periods, by=dimensions, where=MessageKpiWhere(), as_of=as_of)
    keys = ", ".join(f"{key}::text" for key in cohort.keys)
    money = "currency, cost::text, paid" if wanted.money else "NULL, NULL, NULL"
    timed = wanted.reactions or wanted.medians
    spans = ", ".join(_SPANS[span] if timed else "NULL::float8" for span in SPAN_NAMES)
    sql = f"""
        SELECT {keys}, days_past_due, {_OUTCOME}, {money}, {spans}, GREATEST(last_stage_at, last_payment_at)
        FROM member LEFT JOIN paid USING (id) ORDER BY id"""
    ctes = {"member": "SELECT * FROM cohort", "paid": _PAID}
    return (
        text(sql)
        .columns()
        .add_cte(*cohort.ctes, *(text(cte).columns().cte(name) for name, cte in ctes.items()))
    )


class _Coder(Generic[Word]):
    """Takes a column in bit by bit."""

    def __init__(self) -> None:
        self._places: dict[Word, int] = {}
        self._codes: list[Any] = []

    def add(self, values: Sequence[Word]) -> None:
        """More rows."""
        for word in set(values) - self._places.keys():
            self._places[word] = len(self._places)
        self._codes.append(np.fromiter(map(self._places.__getitem__, values), np.int64, len(values)))

    def column(self) -> Coded[Word]:
        """Words in the order of their text: the same values are coded alike, whatever came first."""
        words = sorted(self._places, key=repr)
        code = np.empty(len(words), np.int64)
        code[[self._places[word] for word in words]] = np.arange(len(words))
        return Coded(tuple(words), code[_joined(self._codes)])


class _Reading:
    """Messages taken in bit by bit."""

    def __init__(self, dimensions: Sequence[MessageDimension]) -> None:
        self._dimensions: dict[MessageDimension, _Coder[str | None]] = {each: _Coder() for each in dimensions}
        self._outcome: _Coder[int] = _Coder()
        self._cost: _Coder[Money | None] = _Coder()
        self._paid: _Coder[Money] = _Coder()
        self._days_past_due: list[Any] = []
        self._paid_for: list[Any] = []
        self._waited: dict[str, list[tuple[Any, Any]]] = {span: [] for span in SPAN_NAMES}
        self._rows = 0

    def add(self, columns: list[tuple[Any, ...]]) -> None:
        """More rows, as `_statement` lists their columns."""
        *dimensions, days_past_due, outcome, currency, cost, paid, sent_to_open, open_to_pay, sent_to_pay = (
            columns
        )
        for coder, values in zip(self._dimensions.values(), dimensions, strict=True):
            coder.add(values)
        self._outcome.add(outcome)
        self._cost.add(
            [None if amount is None else (of, amount) for of, amount in zip(currency, cost, strict=True)]
        )
        self._days_past_due.append(np.array(days_past_due, np.int64))
        payments = [(row, money) for row, each in enumerate(paid, self._rows) for money in each or ()]
        self._paid_for.append(np.array([row for row, _ in payments], np.int64))
        self._paid.add([(of, amount) for _, (of, amount) in payments])
        for span, seconds in zip(SPAN_NAMES, (sent_to_open, open_to_pay, sent_to_pay), strict=True):
            known = np.array(seconds, np.float64)  # None is NaN
            rows = np.flatnonzero(~np.isnan(known))
            self._waited[span].append((rows + self._rows, known[rows]))
        self._rows += len(outcome)

    def facts(self) -> Facts:
        """All of them."""
        return Facts(
            {each: coder.column() for each, coder in self._dimensions.items()},
            _joined(self._days_past_due),
            self._outcome.column(),
            self._cost.column(),
            _joined(self._paid_for),
            self._paid.column(),
            {span: tuple(map(_joined, self._parts(span))) for span in SPAN_NAMES},
        )

    def _parts(self, span: str) -> Iterator[Any]:
        return zip(*self._waited[span], strict=True) if self._waited[span] else iter(((), ()))


def _joined(parts: Any) -> Any:
    return np.concatenate(parts) if len(parts) else np.empty(0, np.int64)
