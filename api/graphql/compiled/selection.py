"""From an operation's syntax to what it selects: fragments and directives resolved as execution resolves them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

from graphql import FieldNode, GraphQLField, GraphQLObjectType, OperationDefinitionNode, get_named_type
from graphql.execution.collect_fields import FieldDetails, collect_fields
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as Executor
from strawberry.types.field import StrawberryField

from api.graphql.permissions import Allow
from domain.storage.compiled import Argument, Selected, inline_fields, is_known
from domain.vocabulary import Role

#: The extension under which Strawberry keeps its own definition of a field.
_DEFINITION = "strawberry-definition"
#: Types of nodes that can be compiled; any other is left to ordinary execution.
NODE_KINDS = ("Account", "Agent", "Communication", "Debtor", "Payment", "Promise")
_ROOTS = frozenset({"communications", "debtor", "debtorByReference", "debtors", "node", "nodes", "promises"})
_NESTED = frozenset({"accounts", "communications", "payments", "promises"})
_PAGE_INFO = frozenset({"endCursor", "hasNextPage", "hasPreviousPage", "startCursor"})


class NotCompiled(Exception):
    """Left to ordinary execution."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A field that takes arguments, as it stands in the operation. parent: the type it is a field of.

    kinds: of a field that answers nodes, the types of which all that is selected can be compiled.
    """

    parent: str
    definition: GraphQLField
    details: FieldDetails
    kinds: frozenset[str] = frozenset()

    @property
    def field(self) -> StrawberryField:
        """Strawberry's own definition of it."""
        found: StrawberryField = self.definition.extensions[_DEFINITION]
        return found


@dataclass
class Selection:
    """An operation's root fields, and those of all its fields that take arguments; none when it is not compiled.

    constant: arguments that are the same in every request, by where the field stands in `asking`.
    """

    fields: tuple[Selected, ...] = ()
    asking: list[Asking] = field(default_factory=list)
    constant: dict[int, Argument] = field(default_factory=dict)


def may_be_compiled(operation: OperationDefinitionNode) -> bool:
    """Whether there is a root field that can be, as far as a look tells; what stands in a fragment may be."""
    return any(
        not isinstance(each, FieldNode) or each.name.value in (*_ROOTS, "__typename")
        for each in operation.selection_set.selections
    )


def select(executor: Executor, role: Role) -> Selection:
    """What an operation selects, for a role.

    Raises:
        NotCompiled: a field that no statement answers, or that the role may not use.
    """
    query = executor.schema.query_type
    if query is None or executor.operation.operation.value != "query":
        raise NotCompiled
    collected = collect_fields(
        executor.schema, executor.fragments, executor.variable_values, query, executor.operation
    )
    if collected.new_defer_usages:
        raise NotCompiled
    selecting = _Selecting(executor, role)
    selecting.found.fields = selecting.fields(query, collected.grouped_field_set, selecting.root)
    return selecting.found


class _Selecting:
    def __init__(self, executor: Executor, role: Role) -> None:
        self._executor = executor
        self._role = role
        self.found = Selection()

    def fields(
        self,
        kind: GraphQLObjectType,
        grouped: Mapping[str, Sequence[FieldDetails]],
        make: Callable[[GraphQLObjectType, str, Sequence[FieldDetails]], Selected],
    ) -> tuple[Selected, ...]:
        """The fields of a selection set on an object type, each made by `make`."""
        return tuple(
            Selected(key, "__typename")
            if details[0].node.name.value == "__typename"
            else make(kind, key, details)
            for key, details in grouped.items()
        )

    def root(self, kind: GraphQLObjectType, key: str, details: Sequence[FieldDetails]) -> Selected:
        """A field of the query root."""
        name = details[0].node.name.value
        if name not in _ROOTS:
            raise NotCompiled
        argument = self._ask(kind, details)
        if name in ("node", "nodes"):
            parts = self._nodes(details)
            kinds = frozenset(part.kind for part in parts)
            self.found.asking[argument] = replace(self.found.asking[argument], kinds=kinds)
            return Selected(key, name, "Node", parts, argument)
        if name in ("debtor", "debtorByReference"):
            return Selected(key, name, "Debtor", self._below(kind, details, self.fact), argument)
        return self._connection(kind, key, details, argument)

    def fact(self, kind: GraphQLObjectType, key: str, details: Sequence[FieldDetails]) -> Selected:
        """A field of a stored fact, or of what belongs to one."""
        name = details[0].node.name.value
        if not is_known(kind.name, name):
            raise NotCompiled
        if kind.name == "Debtor" and name in _NESTED:
            return self._connection(kind, key, details, self._ask(kind, details))
        self._permit(kind.fields[name])
        if details[0].node.selection_set is None:
            return Selected(key, name)
        inline = inline_fields(kind.name, name)
        make = self.fact if inline is None else partial(self._of_inline, inline)
        return Selected(key, name, self._answered(kind, name).name, self._below(kind, details, make))

    def _of_inline(
        self,
        known: frozenset[str],
        kind: GraphQLObjectType,
        key: str,
        details: Sequence[FieldDetails],
    ) -> Selected:
        name = details[0].node.name.value
        if name not in known:
            raise NotCompiled
        self._permit(kind.fields[name])
        return Selected(key, name)

    def _connection(
        self, kind: GraphQLObjectType, key: str, details: Sequence[FieldDetails], argument: int
    ) -> Selected:
        name = details[0].node.name.value
        fields = self._below(kind, details, self._of_connection)
        return Selected(key, name, self._answered(kind, name).name, fields, argument)

    def _of_connection(self, kind: GraphQLObjectType, key: str, details: Sequence[FieldDetails]) -> Selected:
        name = details[0].node.name.value
        self._permit(kind.fields[name])
        match name:
            case "totalCount":
                return Selected(key, name)
            case "pageInfo":
                return Selected(key, name, "PageInfo", self._below(kind, details, self._of_page_info))
            case "edges":
                edge = self._answered(kind, name)
                return Selected(key, name, edge.name, self._below(kind, details, self._of_edge))
        raise NotCompiled

    def _of_page_info(self, kind: GraphQLObjectType, key: str, details: Sequence[FieldDetails]) -> Selected:
        name = details[0].node.name.value
        if name not in _PAGE_INFO:
            raise NotCompiled
        self._permit(kind.fields[name])
        return Selected(key, name)

    def _of_edge(self, kind: GraphQLObjectType, key: str, details: Sequence[FieldDetails]) -> Selected:
        name = details[0].node.name.value
        self._permit(kind.fields[name])
        if name == "cursor":
            return Selected(key, name)
        if name != "node":
            raise NotCompiled
        return Selected(key, name, self._answered(kind, name).name, self._below(kind, details, self.fact))

    def _below(
        self,
        kind: GraphQLObjectType,
        details: Sequence[FieldDetails],
        make: Callable[[GraphQLObjectType, str, Sequence[FieldDetails]], Selected],
    ) -> tuple[Selected, ...]:
        """The fields selected on the object that a field answers."""
        answered = self._answered(kind, details[0].node.name.value)
        return self.fields(answered, self._collect(answered, details), make)

    def _collect(
        self, kind: GraphQLObjectType, details: Sequence[FieldDetails]
    ) -> Mapping[str, Sequence[FieldDetails]]:
        collected = self._executor.collect_subfields(kind, list(details))
        if collected.new_defer_usages:
            raise NotCompiled
        return collected.grouped_field_set

    def _answered(self, kind: GraphQLObjectType, name: str) -> GraphQLObjectType:
        answered = get_named_type(kind.fields[name].type)
        if not isinstance(answered, GraphQLObjectType):
            raise NotCompiled
        return answered

    def _nodes(self, details: Sequence[FieldDetails]) -> tuple[Selected, ...]:
        """What is selected of each type that a node can be and that can be compiled."""
        parts = []
        for name in NODE_KINDS:
            kind = cast(GraphQLObjectType, self._executor.schema.type_map[name])
            with suppress(NotCompiled):
                fields = self.fields(kind, self._collect(kind, details), self.fact)
                parts.append(Selected("", name, name, fields))
        return tuple(parts)

    def _ask(self, kind: GraphQLObjectType, details: Sequence[FieldDetails]) -> int:
        definition = kind.fields[details[0].node.name.value]
        self._permit(definition)
        self.found.asking.append(Asking(kind.name, definition, details[0]))
        return len(self.found.asking) - 1

    def _permit(self, definition: GraphQLField) -> None:
        """Leave alone whatever is done around a field but letting the role's group through."""
        found = definition.extensions.get(_DEFINITION)
        if not isinstance(found, StrawberryField):
            raise NotCompiled
        for extension in found.extensions:
            if not isinstance(extension, Allow) or self._role not in extension.group.value:
                raise NotCompiled
