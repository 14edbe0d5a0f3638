"""Long lists of plain rows completed column by column, instead of field by field of row by row.

A resolver that answers `Rows` says: the items are values whose fields are attributes, or functions of the item that are
registered with `computed`. Everything before and around such a list is executed as ever. What cannot be completed so (a
field that needs a resolver of its own, a value that its type refuses, a null where none may be) is left to ordinary
execution of the same list, which says what is wrong. Tests hold the two to the same answers.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.field import StrawberryField

#: The extension under which Strawberry keeps its own definition of a field.
_DEFINITION = "strawberry-definition"

_COMPUTED: dict[tuple[str, str], Callable[[Any], Any]] = {}


class Rows(list[Any]):
    """A list of plain rows."""


class _Uncompletable(Exception):
    """Left to ordinary execution."""


def computed(type_name: str, field_name: str, function: Callable[[Any], Any]) -> None:
    """Register what a field of a type is, as a function of the item; its resolver must answer the same."""
    _COMPUTED[type_name, field_name] = function


class ColumnExecutor(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's execution, with `Rows` completed by column."""

    def complete_list_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        """As ever, unless the list is `Rows`."""
        if isinstance(result, Rows):
            try:
                return self._column(return_type.of_type, field_details_list, result)
            except _Uncompletable:
                result = list(result)
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _column(self, kind: GraphQLOutputType, nodes: Any, values: Sequence[Any]) -> list[Any]:
        """What the values of one field are completed to, in order."""
        if isinstance(kind, GraphQLNonNull):
            if any(value is None for value in values):
                raise _Uncompletable
            return self._column(kind.of_type, nodes, values)
        if isinstance(kind, GraphQLList):
            return _split(self._column(kind.of_type, nodes, [each for row in values for each in row]), values)
        if isinstance(kind, GraphQLObjectType):
            return self._objects(kind, nodes, values)
        if isinstance(kind, GraphQLScalarType | GraphQLEnumType):
            return _leaves(kind, values)
        raise _Uncompletable

    def _objects(self, kind: GraphQLObjectType, nodes: Any, values: Sequence[Any]) -> list[Any]:
        if any(value is None for value in values):
            raise _Uncompletable
        fields, deferred, _ = self.collect_subfields(kind, nodes)
        if deferred:
            raise _Uncompletable
        columns = []
        for details in fields.values():
            name = details[0].node.name.value
            if name == "__typename":
                columns.append([kind.name] * len(values))
                continue
            field = kind.fields[name]
            columns.append(self._column(field.type, details, list(map(_reader(kind, name, field), values))))
        return [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]


def _reader(kind: GraphQLObjectType, name: str, field: GraphQLField) -> Callable[[Any], Any]:
    """How a field is read from an item."""
    function = _COMPUTED.get((kind.name, name))
    if function is not None:
        return function
    definition = field.extensions.get(_DEFINITION)
    if not isinstance(definition, StrawberryField) or not definition.is_basic_field:
        raise _Uncompletable
    return attrgetter(definition.python_name)


def _leaves(kind: GraphQLScalarType | GraphQLEnumType, values: Sequence[Hashable]) -> list[Any]:
    """Each different value is coerced once: a column has many rows and few values."""

    def coerce(value: Hashable) -> Any:
        return None if value is None else kind.coerce_output_value(value)

    try:
        if any(
            isinstance(value, Decimal) for value in values
        ):  # equal ones may be written differently: 1.5, 1.50
            return list(map(coerce, values))
        coerced = {value: coerce(value) for value in set(values)}
    except Exception as error:
        raise _Uncompletable from error
    return [coerced[value] for value in values]


def _split(completed: Sequence[Any], lists: Sequence[Sequence[Any]]) -> list[list[Any]]:
    remaining: Iterator[Any] = iter(completed)
    return [list(islice(remaining, len(each))) for each in lists]
