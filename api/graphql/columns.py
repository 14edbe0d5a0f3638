"""Long lists of plain rows completed column by column, instead of field by field of row by row.

A resolver that answers `Rows`, `Columns` or `Lasting` says: the items are values whose fields are attributes, or
functions of one that are registered with `computed`; with `Columns` no item is ever made; of `Lasting` rows the JSON is
written once per selection. Everything before and around such a list is executed as ever. What cannot be completed so (a
field that needs a resolver of its own, a value that its type refuses, a null where none may be) is left to ordinary
execution of the same list, which says what is wrong. Tests hold the two to the same answers.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from math import isfinite
from operator import attrgetter
from types import NoneType
from typing import Any, ClassVar

import numpy as np
from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    get_named_type,
)
from graphql.execution.collect_fields import FieldDetails
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField

from api.graphql.json_rows import JsonRows, Written, to_json
from api.graphql.kept_json import Dated, KeptJson
from api.graphql.scalars import show_instant
from domain.columns import Columns, Numbers, Words, repeated
from domain.lasting import Lasting
from domain.latest import Latest

#: The extension under which Strawberry keeps its own definition of a field.
_DEFINITION = "strawberry-definition"

#: So many selections of lasting rows are remembered; each keeps its whole document.
_SHAPES = 64
#: So many instants are remembered as they are written: those at which actions are sent come again and again.
_INSTANTS = 4_000

#: (type, field) → the attribute that is read, and the function of it.
_COMPUTED: dict[tuple[str, str], tuple[str | None, Callable[[Any], Any]]] = {}


class Rows(list[Any]):
    """A list of plain rows."""


class _Uncompletable(Exception):
    """Left to ordinary execution."""


def computed(
    type_name: str, field_name: str, function: Callable[[Any], Any], *, of: str | None = None
) -> None:
    """Register what a field is, as a function of an attribute of the item; its resolver answers the same.

    of: the attribute, by default that of the field's name. An item without it is left to the resolver.
    """
    _COMPUTED[type_name, field_name] = (of, function)


@lru_cache(_INSTANTS)
def _instant_json(instant: datetime) -> bytes:
    return b'"%b"' % show_instant(instant).encode()


class ColumnExecutor(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's execution, with `Rows` completed by column."""

    _kept = KeptJson()
    #: Selection → its nodes, kept so that no others get their identity, and its shape.
    _shapes: ClassVar[Latest[Hashable, tuple[object, Hashable]]] = Latest(_SHAPES)

    def complete_list_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        """As ever, unless the list is one of those."""
        if isinstance(result, Rows | Columns | Lasting):
            try:
                if isinstance(result, Lasting):
                    return self._written(return_type.of_type, field_details_list, result)
                if isinstance(result, Rows) and result and isinstance(result[0], Dated):
                    return self._dated(return_type.of_type, field_details_list, result)
                return self._column(return_type.of_type, field_details_list, result)
            except _Uncompletable:
                result = list(result)
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _written(self, kind: GraphQLOutputType, nodes: Any, rows: Lasting[Any]) -> Written:
        """The rows as JSON, written when such a selection is first asked for."""

        def write() -> bytes:
            return to_json(self._column(kind, nodes, rows.rows))

        selection, key = self._selection(nodes)
        _, shape = self._shapes.get_or_make(key, lambda: (selection, self._shape(kind, nodes)))
        return Written([rows.made(shape, write)])

    def _dated(self, kind: GraphQLOutputType, nodes: Any, rows: Sequence[Dated]) -> Written:
        """Rows that last but for their instants, as they are kept for this selection."""
        selection, key = self._selection(nodes)

        def complete(whole: Sequence[Any]) -> list[bytes]:
            completed = self._column(kind, nodes, whole)
            return list(map(to_json, completed.rows() if isinstance(completed, JsonRows) else completed))

        return Written(self._kept.pieces(key, selection, rows, complete, _instant_json))

    def _selection(self, nodes: Sequence[FieldDetails]) -> tuple[object, Hashable]:
        """The nodes that select, and what tells them from others while they live.

        Documents are parsed once, so the same nodes come again with every request; the values of boolean variables
        decide what they leave out.
        """
        if any(details.fragment_variable_values for details in nodes):
            raise _Uncompletable
        selection = [details.node for details in nodes]
        conditions = frozenset(
            item for item in self.variable_values.coerced.items() if isinstance(item[1], bool)
        )
        return selection, (*map(id, selection), conditions)

    def _shape(self, kind: GraphQLOutputType, nodes: Any) -> Hashable:
        """All that decides how a value of this type is completed: names, aliases and their order, level by level."""
        inner = get_named_type(kind)
        if not isinstance(inner, GraphQLObjectType):
            return None
        fields, deferred, _ = self.collect_subfields(inner, nodes)
        if deferred:
            raise _Uncompletable
        shape: list[Hashable] = [inner.name]
        for answered, details in fields.items():
            name = details[0].node.name.value
            field = inner.fields.get(name)
            shape.append((answered, name, field and self._shape(field.type, details)))
        return tuple(shape)

    def _column(self, kind: GraphQLOutputType, nodes: Any, values: Sequence[Any]) -> Sequence[Any] | JsonRows:
        """What the values of one field are completed to, in order."""
        if isinstance(kind, GraphQLNonNull):
            if _holds_null(values):
                raise _Uncompletable
            return self._column(kind.of_type, nodes, values)
        if isinstance(kind, GraphQLList):
            completed = self._column(kind.of_type, nodes, [each for row in values for each in row])
            return _split(completed.rows() if isinstance(completed, JsonRows) else completed, values)
        if isinstance(kind, GraphQLObjectType):
            if not isinstance(values, Columns) and any(value is None for value in values):
                there = iter(self._objects(kind, nodes, [v for v in values if v is not None]).rows())
                return [None if value is None else next(there) for value in values]
            return self._objects(kind, nodes, values)
        if isinstance(kind, GraphQLScalarType | GraphQLEnumType):
            return _leaves(kind, values)
        raise _Uncompletable

    def _objects(self, kind: GraphQLObjectType, nodes: Any, values: Sequence[Any]) -> JsonRows:
        fields, deferred, _ = self.collect_subfields(kind, nodes)
        if deferred:
            raise _Uncompletable
        columns: dict[str, Sequence[Any] | JsonRows] = {}
        for answered, details in fields.items():
            name = details[0].node.name.value
            if name == "__typename":
                columns[answered] = repeated(kind.name, len(values))
                continue
            field = kind.fields[name]
            columns[answered] = self._column(field.type, details, _read(kind, name, field, values))
        return JsonRows(len(values), columns)


def _read(kind: GraphQLObjectType, name: str, field: GraphQLField, values: Sequence[Any]) -> Sequence[Any]:
    """What the items hold for a field."""
    definition = field.extensions.get(_DEFINITION)
    of, function = _COMPUTED.get((kind.name, name), (None, None))
    if not isinstance(definition, StrawberryField) or not (function or definition.is_basic_field):
        raise _Uncompletable
    attribute = of or definition.python_name
    try:
        held = (
            values.column(attribute)
            if isinstance(values, Columns)
            else list(map(attrgetter(attribute), values))
        )
        if held is None:  # a dimension that was not asked for
            held = repeated(None, len(values))
        return held if function is None else list(map(function, held))
    except AttributeError as error:
        raise _Uncompletable from error


def _holds_null(values: Sequence[Any]) -> bool:
    """Whether one of the values is null."""
    if isinstance(values, Columns):
        return False
    if isinstance(values, Numbers):
        return not values.are_whole and bool(np.isnan(values.buffer).any())
    return (not isinstance(values, Words) or None in values.words) and None in values


def _leaves(kind: GraphQLScalarType | GraphQLEnumType, values: Sequence[Hashable]) -> Sequence[Any]:
    """Each different value is coerced once: a column has many rows and few values."""
    if isinstance(values, Words):
        return Words(_leaves(kind, values.words), values.codes)
    if isinstance(values, Numbers) and _are_numbers_of(kind, values):
        return values

    def coerce(value: Hashable) -> Any:
        return None if value is None else kind.coerce_output_value(value)

    kinds = set(map(type, values)) - {NoneType}
    if _is_completed(kind, kinds, values):
        return values
    try:
        if any(
            issubclass(each, Decimal) for each in kinds
        ):  # equal ones may be written differently: 1.5, 1.50
            return list(map(coerce, values))
        coerced = {value: coerce(value) for value in set(values)}
    except Exception as error:
        raise _Uncompletable from error
    return list(map(coerced.__getitem__, values))


def _are_numbers_of(kind: object, values: Numbers) -> bool:
    """Whether each number is what it would be coerced to."""
    if values.are_whole:
        numbers = np.asarray(values.buffer)
        within = numbers.min(initial=0) >= GRAPHQL_MIN_INT and numbers.max(initial=0) <= GRAPHQL_MAX_INT
        return kind is GraphQLInt and bool(within)
    return kind is GraphQLFloat and not np.isinf(values.buffer).any()


def _is_completed(kind: object, kinds: set[type], values: Sequence[Any]) -> bool:
    """Whether each value is what it would be coerced to."""
    if kinds == {float} and kind is GraphQLFloat:
        return all(map(isfinite, [value for value in values if value is not None]))
    if kinds == {int} and kind is GraphQLInt and None not in values:
        return bool(min(values) >= GRAPHQL_MIN_INT and max(values) <= GRAPHQL_MAX_INT)
    return kind is GraphQLString and kinds == {str}


def _split(completed: Sequence[Any], lists: Sequence[Sequence[Any]]) -> list[list[Any]]:
    remaining: Iterator[Any] = iter(completed)
    return [list(islice(remaining, len(each))) for each in lists]
