"""Keyset pages: where the next page starts is a row's own sort values, so no page costs more than the first.

A page's order always ends in the row's id, which makes it total. Missing values come last in either direction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    any_,
    bindparam,
    column,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

R = TypeVar("R")

#: A row's sort values, in the order of the keys: what a cursor carries.
Position = tuple[Any, ...]


@dataclass(frozen=True)
class SortKey:
    """One column of an order; `nullable` when it can be missing, which sorts last either way."""

    column: ColumnElement[Any]
    descending: bool = False
    nullable: bool = False

    def ordering(self, column: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
        """The ORDER BY term, over the column or what stands for it in an outer statement."""
        column = self.column if column is None else column
        term = column.desc() if self.descending else column.asc()
        return term.nulls_last() if self.nullable else term

    def same(self, value: Any) -> ColumnElement[bool]:
        """Rows that stand level with a value."""
        return self.column.is_(None) if value is None else self.column == self._bound(value)

    def beyond(self, value: Any) -> ColumnElement[bool]:
        """Rows that come after a value."""
        if value is None:
            return false()
        bound = self._bound(value)
        further = self.column < bound if self.descending else self.column > bound
        return or_(further, self.column.is_(None)) if self.nullable else further

    def not_before(self, value: Any) -> ColumnElement[bool]:
        """A bound that an index scan can start from; implied by `same` or `beyond`."""
        if value is None:
            return self.column.is_(None)
        if self.nullable:  # a bound with OR starts no index scan
            return true()
        bound = self._bound(value)
        return self.column <= bound if self.descending else self.column >= bound

    def _bound(self, value: Any) -> ColumnElement[Any]:
        return bindparam(None, value, type_=self.column.type)


@dataclass(frozen=True)
class Page(Generic[R]):
    """Some rows of a list, in order, where each stands in it, and whether more follow."""

    rows: Sequence[R]
    positions: Sequence[Position]
    has_next: bool


def after(keys: Sequence[SortKey], position: Position) -> ColumnElement[bool]:
    """Rows that come after a position in the lexicographic order of the keys."""
    alternatives = [
        and_(
            *(key.same(value) for key, value in zip(keys[:depth], position, strict=False)),
            keys[depth].beyond(position[depth]),
        )
        for depth in range(len(keys))
    ]
    return and_(keys[0].not_before(position[0]), or_(*alternatives))


def ids(values: Sequence[int]) -> ColumnElement[Any]:
    """Row ids as one array parameter, so that a statement is the same for any number of them."""
    return bindparam(None, list(values), type_=ARRAY(BigInteger))


def among(column: ColumnElement[Any], values: Sequence[int]) -> ColumnElement[bool]:
    """Rows whose id is one of these."""
    return column == any_(ids(values))


def _sorted_slice(
    statement: Select[Any], keys: Sequence[SortKey], first: int, position: Position | None
) -> Select[Any]:
    """The slice after a position, its sort values appended as `sort_N`, one row more than asked for."""
    statement = statement.add_columns(*(key.column.label(f"sort_{n}") for n, key in enumerate(keys)))
    if position is not None:
        statement = statement.where(after(keys, position))
    return statement.order_by(*(key.ordering() for key in keys)).limit(first + 1)


def _cut(rows: Sequence[Sequence[Any]], make: Callable[..., R], width: int, first: int) -> Page[R]:
    shown = rows[:first]
    return Page(
        rows=[make(*row[:width]) for row in shown],
        positions=[tuple(row[width:]) for row in shown],
        has_next=len(rows) > first,
    )


async def read_page(
    connection: AsyncConnection,
    statement: Select[Any],
    keys: Sequence[SortKey],
    make: Callable[..., R],
    *,
    first: int,
    position: Position | None,
) -> Page[R]:
    """The `first` rows of a statement after a position; `make` takes the statement's columns in order."""
    width = len(statement.selected_columns)
    rows = (await connection.execute(_sorted_slice(statement, keys, first, position))).all()
    return _cut(rows, make, width, first)


async def read_pages(
    connection: AsyncConnection,
    statement: Select[Any],
    parent: ColumnElement[int],
    keys: Sequence[SortKey],
    make: Callable[..., R],
    *,
    parents: Sequence[int],
    first: int,
    position: Position | None,
) -> Mapping[int, Page[R]]:
    """For each parent id the page of its own children (rows whose `parent` column is it), in one statement."""
    width = len(statement.selected_columns)
    owner = func.unnest(ids(parents)).table_valued(column("id", BigInteger)).render_derived("owner")
    children = _sorted_slice(statement.where(parent == owner.c.id), keys, first, position).lateral("children")
    ordering = [key.ordering(children.c[f"sort_{n}"]) for n, key in enumerate(keys)]
    rows = await connection.execute(
        select(owner.c.id, children).select_from(owner.join(children, true())).order_by(owner.c.id, *ordering)
    )
    grouped: dict[int, list[Sequence[Any]]] = {owner_id: [] for owner_id in parents}
    for row in rows:
        grouped[row[0]].append(row[1:])
    return {owner_id: _cut(found, make, width, first) for owner_id, found in grouped.items()}


async def read_by_id(
    connection: AsyncConnection,
    statement: Select[Any],
    id_column: ColumnElement[int],
    make: Callable[..., R],
    wanted: Sequence[int],
) -> Mapping[int, R]:
    """The rows of a statement (whose first column is `id_column`) with these ids; unknown ids are left out."""
    rows = await connection.execute(statement.where(among(id_column, wanted)))
    return {row[0]: make(*row) for row in rows}


async def count_by_parent(
    connection: AsyncConnection,
    parent: ColumnElement[int],
    tenant: ColumnElement[bool],
    parents: Sequence[int],
) -> Mapping[int, int]:
    """How many children each parent has; 0 is left out."""
    rows = await connection.execute(
        select(parent, func.count()).where(tenant, among(parent, parents)).group_by(parent)
    )
    return {row[0]: row[1] for row in rows}
