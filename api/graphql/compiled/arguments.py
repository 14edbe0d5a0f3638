"""The arguments of compiled fields, read for each request as the resolvers read them."""

from collections.abc import Mapping
from typing import Any

from graphql import IntValueNode
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_arguments

from api.graphql import lists
from api.graphql.compiled.selection import Asking, NotCompiled
from api.graphql.context import Context
from api.graphql.counts import MOST_IDS, at_most, page_size
from api.graphql.cursors import decode, prefix
from api.graphql.ids import number_of, parse_id, parse_ids
from api.graphql.types.debtors import NESTED_LISTS
from domain.storage.compiled import Argument, Page, RowOf, RowsOf

#: Arguments that resolvers take as they come.
_PLAIN = frozenset({"after", "first", "id", "ids", "reference"})


def read_argument(
    asking: Asking, converter: GraphQLCoreConverter, variables: VariableValues, context: Context
) -> Argument:
    """The arguments of a field.

    Raises:
        NotCompiled: a node of a type that is not compiled.
        Exception: whatever is wrong with them; ordinary execution says it.
    """
    node, _, fragment_variables = asking.details
    given = get_argument_values(asking.definition, node, variables, fragment_variables)
    if not _PLAIN.issuperset(given):
        given = convert_arguments(given, asking.field.arguments, converter.scalar_registry, converter.config)
    name = node.name.value
    if asking.parent != "Query":
        return _page(name, **given)
    if name in ("debtors", "communications", "promises"):
        return _list(name, context, {"first": None, "after": None, "where": None, **given})
    match name:
        case "debtor":
            return RowOf("Debtor", "id", number_of(given["id"], "Debtor"))
        case "debtorByReference":
            return RowOf("Debtor", "reference", given["reference"])
        case "node":
            return RowOf(*_compiled(asking, parse_id(given["id"])))
    return _nodes(asking, given)


def is_constant(asking: Asking) -> bool:
    """Whether the arguments of a field are the same in every request."""
    values = [argument.value for argument in asking.details.node.arguments or ()]
    return asking.parent != "Query" and all(isinstance(value, IntValueNode) for value in values)


def _list(name: str, context: Context, given: Mapping[str, Any]) -> Argument:
    match name:
        case "debtors":
            return lists.asked_debtors(context, **{"order_by": None, **given})[0]
        case "communications":
            return lists.asked_communications(**given)
    return lists.asked_promises(**given)


def _page(name: str, first: int | None = None, after: str | None = None) -> Page:
    order = NESTED_LISTS[name]
    position = None if after is None else decode(order, after)[0]
    return Page(page_size(first), prefix(order), position)


def _nodes(asking: Asking, given: Mapping[str, Any]) -> RowsOf:
    at_most(given["ids"], MOST_IDS, "ids")
    found = [_compiled(asking, each) for each in parse_ids(given["ids"])]
    return RowsOf(tuple(kind for kind, _, _ in found), tuple(number for _, _, number in found))


def _compiled(asking: Asking, parsed: tuple[str, int]) -> tuple[str, str, int]:
    kind, number = parsed
    if kind not in asking.kinds:
        raise NotCompiled
    return kind, "id", number
