"""Connections: a page of rows in order, each row an edge, and what is said about the page as a whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Select

from domain.storage.compiled import json_text
from domain.storage.compiled.json_text import NULL, Constant, Parts, Sql, expression, listed, members
from domain.storage.compiled.selection import Page, Selected
from domain.storage.compiled.values import Slot, Values
from domain.storage.reads.paging import SortKey, after

_CURSORS = frozenset({"startCursor", "endCursor"})


@dataclass(frozen=True)
class Connection:
    """A field that answers a connection over a selection of rows.

    name: under which the rows stand; path: where the page is found in the field's argument; row: an object of a row.
    """

    field: Selected
    name: str
    rows: Select[Any]
    keys: Sequence[SortKey]
    page: Page
    path: str
    values: Values
    row: Callable[[Sequence[Selected]], Parts]

    def text(self) -> Parts:
        """The connection as JSON."""
        whole = expression(members((inner.key, self._member(inner)) for inner in self.field.fields))
        names = {inner.name for inner in self.field.fields}
        if "edges" not in names and not self._is_placed:  # nothing of any row
            return (Sql(whole),)
        return (Sql(f"(SELECT {whole} FROM ({self._slice()}) AS {self.name})"),)

    @cached_property
    def _is_placed(self) -> bool:
        """Whether `pageInfo` takes one row more than the page shows, and each row's place.

        The cursors of an empty page are null whatever the rows.
        """
        return any(
            inner.name == "hasNextPage" or (inner.name in _CURSORS and self.page.first > 0)
            for whole in self.field.fields
            if whole.name == "pageInfo"
            for inner in whole.fields
        )

    def _slice(self) -> str:
        """The rows of the page, with their sort values and, where they are asked about, their places."""
        rows = self.rows.add_columns(*(key.column.label(f"sort_{n}") for n, key in enumerate(self.keys)))
        if self.page.position is not None:
            position = [
                None if value is None else self._slot("position", n)
                for n, value in enumerate(self.page.position)
            ]
            rows = rows.where(after(self.keys, tuple(position)))
        text = self.values.text_of(rows.order_by(*(key.ordering() for key in self.keys)))
        if not self._is_placed:
            return f"{text} LIMIT {self.page.first}"
        placed = "SELECT *, row_number() OVER () AS place, count(*) OVER () AS places"
        return f"{placed} FROM ({text} LIMIT {self.page.first + 1}) AS {self.name}"

    def _slot(self, name: str, index: int | None = None) -> Any:
        return Slot(self.field.argument, self.path + name, index)

    def _member(self, inner: Selected) -> Parts:
        match inner.name:
            case "__typename":
                return (Constant(f'"{self.field.kind}"'),)
            case "totalCount":
                counted = self.values.text_of(self.rows.with_only_columns(self.keys[-1].column))
                return json_text.integer(f"(SELECT count(*) FROM ({counted}) AS counted)")
            case "pageInfo":
                return members((each.key, self._about_page(each)) for each in inner.fields)
            case _:
                edge = members((each.key, self._edge(inner, each)) for each in inner.fields)
                shown = f"{self.name}.place <= {self.page.first}" if self._is_placed else ""
                return (Sql(listed(json_text.row(edge), only=shown)),)

    def _edge(self, edges: Selected, each: Selected) -> Parts:
        match each.name:
            case "__typename":
                return (Constant(f'"{edges.kind}"'),)
            case "cursor":
                return Constant('"'), Sql(self._cursor()), Constant('"')
            case _:
                return self.row(each.fields)

    def _cursor(self) -> str:
        sorted_by = [(f"{self.name}.sort_{n}", key.column) for n, key in enumerate(self.keys)]
        return json_text.cursor(f"{self.values.bind(self._slot('cursor'))}::text", sorted_by)

    def _about_page(self, each: Selected) -> Parts:
        first = self.page.first
        match each.name:
            case "__typename":
                return (Constant('"PageInfo"'),)
            case "hasNextPage":
                return (Sql(f"CASE WHEN count(*) > {first} THEN 'true' ELSE 'false' END"),)
            case "hasPreviousPage":
                return (Constant("false" if self.page.position is None else "true"),)
        if first == 0:
            return NULL
        place = "1" if each.name == "startCursor" else f"least({first}, {self.name}.places)"
        cursor = f"min({self._cursor()}) FILTER (WHERE {self.name}.place = {place})"
        return json_text.or_null(f"'\"' || {cursor} || '\"'")
