"""From a selection to the statement that answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, literal_column, select, true

from domain.list_where import CommunicationWhere, PromiseWhere
from domain.storage.compiled import json_text
from domain.storage.compiled.connections import Connection
from domain.storage.compiled.json_text import Constant, Parts, Sql, expression, listed, members
from domain.storage.compiled.selection import Argument, ListOf, Page, RowOf, RowsOf, Selected
from domain.storage.compiled.shapes import SHAPES, Inline, Link, Nested, Several, field_of
from domain.storage.compiled.values import NOW, TENANT, TENANT_ID, Run, Slot, Values
from domain.storage.derived import IS_CAUGHT_UP
from domain.storage.reads import communications, promises
from domain.storage.reads.conditions import communications_where, promises_where
from domain.storage.reads.debtors import debtors_in_order
from domain.storage.reads.paging import SortKey
from domain.storage.stored_debtor import debtor_condition

_CAUGHT_UP = IS_CAUGHT_UP.replace(":tenant_id", TENANT).replace(":now", NOW)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL whose one value is the JSON of `data`, or null when derived columns are not caught up.

    is_general: no value stands in it that only a condition has. values: constants and slots, in order.
    """

    sql: str
    values: tuple[Any, ...]
    is_general: bool

    def parameters(self, tenant_id: int, now: datetime, arguments: Sequence[Argument]) -> list[Any]:
        """The values of its parameters for one run."""
        run = Run(tenant_id, now, arguments)
        return [value.value(run) if isinstance(value, Slot) else value for value in self.values]


def compile_statement(fields: Sequence[Selected], arguments: Sequence[Argument], now: datetime) -> Statement:
    """The statement of an operation's root fields, all of which are known (`shapes`, and the lists of a tenant).

    It serves arguments of the same shapes at any instant of the same hour: conditions on days past due name dates,
    reckoned at whole hours from UTC.
    """
    compiler = _Compiler(arguments, now)
    text = expression(members((field.key, compiler.root(field)) for field in fields))
    general = not any(isinstance(argument, ListOf) and argument.where is not None for argument in arguments)
    return Statement(f"SELECT CASE WHEN {_CAUGHT_UP} THEN {text} END", tuple(compiler.values.found), general)


class _Compiler:
    def __init__(self, arguments: Sequence[Argument], now: datetime) -> None:
        self._arguments = arguments
        self._now = now
        self.values = Values(now)

    def root(self, field: Selected) -> Parts:
        """A field of the query root."""
        if field.argument is None:
            return (Constant('"Query"'),)
        match self._arguments[field.argument]:
            case ListOf() as asked:
                kind, rows, keys = self._list_of(field, asked)
                return self._connection(field, kind, rows, keys, asked.page, "page.")
            case RowOf() as asked:
                value = self.values.bind(Slot(field.argument, "value"))
                found = self._found(asked.kind, _part_of(field, asked.kind), value, asked.by)
                return json_text.or_null(found)
            case RowsOf() as asked:
                return self._rows_of(field, asked)
        raise LookupError(field.name)

    # ---------- objects ----------

    def _row(self, kind: str, fields: Sequence[Selected]) -> Parts:
        """A row as an object of a type."""
        return members((field.key, self._field(kind, field)) for field in fields)

    def _field(self, kind: str, field: Selected) -> Parts:
        if field.name == "__typename":
            return (Constant(f'"{kind}"'),)
        match field_of(kind, field.name):
            case Link() as link:
                found = self._found(link.kind, field.fields, f"{_table(kind).name}.{link.column}")
                return json_text.or_null(found) if link.nullable else (Sql(found),)
            case Nested() as nested:
                return self._nested(kind, nested, field)
            case Several() as several:
                items = json_text.row(self._row(several.kind, field.fields))
                return (Sql(f"(SELECT {listed(items)} FROM {several.rows})"),)
            case Inline() as inline:
                return _inline(inline, field)
            case tuple() as parts:
                return parts
        raise LookupError(f"{kind}.{field.name}")

    def _found(self, kind: str, fields: Sequence[Selected], value: str, by: str = "id") -> str:
        """SQL of the object of the row with an id or reference; null when there is none."""
        name = _table(kind).name
        added = "".join(f", {sql} AS {column}" for column, sql in SHAPES[kind].derived.items())
        rows = f"SELECT *{added} FROM {name} WHERE {name}.tenant_id = {TENANT} AND {name}.{by} = {value}"
        return f"(SELECT {json_text.row(self._row(kind, fields))} FROM ({rows}) AS {name})"

    def _rows_of(self, field: Selected, asked: RowsOf) -> Parts:
        kinds, numbers = (self.values.bind(Slot(field.argument, name)) for name in ("kinds", "numbers"))
        cases = " ".join(
            f"WHEN '{kind}' THEN {self._found(kind, _part_of(field, kind), 'asked.number')}"
            for kind in sorted(set(asked.kinds))
        )
        item = f"coalesce(CASE asked.kind {cases} END, 'null')" if cases else "'null'"
        given = f"unnest({kinds}::text[], {numbers}::bigint[]) WITH ORDINALITY AS given (kind, number, place)"
        return (Sql(f"(SELECT {listed(item)} FROM (SELECT * FROM {given} ORDER BY place) AS asked)"),)

    # ---------- lists ----------

    def _nested(self, kind: str, nested: Nested, field: Selected) -> Parts:
        page = self._arguments[field.argument or 0]
        if not isinstance(page, Page):
            raise LookupError(field.name)
        debtor_id = _table(nested.kind).c.debtor_id
        own = debtor_id == literal_column(f"{_table(kind).name}.id", debtor_id.type)
        return self._connection(field, nested.kind, _selection(nested.kind, own), nested.order, page, "")

    def _list_of(self, field: Selected, asked: ListOf[Any]) -> tuple[str, Select[Any], Sequence[SortKey]]:
        """The type of a list of the tenant's, its rows and their order."""
        match field.name:
            case "debtors":
                condition = true() if asked.where is None else debtor_condition(asked.where, now=self._now)
                ordered_at: Any = Slot(field.argument, "ordered_at")
                rows = _selection("Debtor", condition)
                return "Debtor", *debtors_in_order(rows, TENANT_ID, asked.order, ordered_at)
            case "communications":
                condition = communications_where(asked.where or CommunicationWhere(), TENANT_ID)
                return "Communication", _selection("Communication", condition), communications.NEWEST_FIRST
            case "promises":
                condition = promises_where(asked.where or PromiseWhere(), TENANT_ID, now=self._now)
                return "Promise", _selection("Promise", condition), promises.NEWEST_FIRST
        raise LookupError(field.name)

    def _connection(
        self,
        field: Selected,
        kind: str,
        rows: Select[Any],
        keys: Sequence[SortKey],
        page: Page,
        path: str,
    ) -> Parts:
        return Connection(
            field,
            _table(kind).name,
            rows,
            keys,
            page,
            path,
            self.values,
            lambda fields: self._row(kind, fields),
        ).text()


def _inline(inline: Inline, field: Selected) -> Parts:
    whole = members(
        (each.key, (Constant(f'"{field.kind}"'),) if each.name == "__typename" else inline.fields[each.name])
        for each in field.fields
    )
    if not inline.missing:
        return whole
    return (Sql(f"CASE WHEN {inline.missing} THEN 'null' ELSE {expression(whole)} END"),)


def _part_of(field: Selected, kind: str) -> Sequence[Selected]:
    """What is selected of a type; of an interface, its own part of the selection stands under the type's name."""
    if field.kind != "Node":
        return field.fields
    return next(part.fields for part in field.fields if part.kind == kind)


def _table(kind: str) -> Any:
    table = SHAPES[kind].table
    if table is None:
        raise LookupError(kind)
    return table


def _selection(kind: str, condition: ColumnElement[bool]) -> Select[Any]:
    """The tenant's rows of a type that meet a condition, with what the type derives."""
    table = _table(kind)
    derived: list[Any] = [literal_column(sql).label(name) for name, sql in SHAPES[kind].derived.items()]
    return select(table, *derived).where(table.c.tenant_id == TENANT_ID, condition)
