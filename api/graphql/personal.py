"""Personal data: which fields and filters are, and that an operation keeps off them where its caller may not read them.

Checked on the document before anything runs, so that however an operation is executed nothing personal is read for a
caller who may not, and a mutation whose answer would show it changes nothing. Filters and orders count too: who may not
read a name may not find it out letter by letter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    VariableNode,
    get_named_type,
    get_operation_ast,
    value_from_ast_untyped,
)

from api.graphql.errors import FORBIDDEN

#: (type, field) of answers. Custom attributes too: what a creditor keeps there is not ours to know.
PERSONAL_FIELDS = frozenset(
    {("Debtor", "name"), ("Debtor", "attributes"), ("ContactPoint", "address"), ("Agent", "name")}
)
#: (input, field) that tell something of what they compare with.
PERSONAL_INPUTS = frozenset(
    {("DebtorWhere", "name"), ("DebtorWhere", "birthDate"), ("DebtorWhere", "attributes")}
)
#: (input, field, value).
PERSONAL_VALUES = frozenset({("DebtorOrder", "field", "NAME")})


def personal_use(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any]
) -> list[GraphQLError]:
    """One error for each personal field or filter that the operation would use with these variables."""
    operation = get_operation_ast(document, operation_name)
    root = schema.get_root_type(operation.operation) if operation else None
    if operation is None or root is None:
        return []
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    walk = _Walk(schema, fragments, {**_defaults(operation), **variables})
    found = dict(walk.selection(operation.selection_set, root))
    return [_error(coordinate, node) for coordinate, node in found.items()]


def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    return {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }


def _error(coordinate: str, node: Node) -> GraphQLError:
    return GraphQLError(
        f"{coordinate} is personal data, which this caller may not read; leave it out, or ask with a key or token "
        "that may.",
        node,
        extensions={"code": FORBIDDEN, "field": coordinate},
    )


@dataclass
class _Walk:
    """Goes through what one operation would execute; each fragment once."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    entered: set[str] = field(default_factory=set)

    def selection(self, selections: SelectionSetNode | None, parent: Any) -> Iterator[tuple[str, Node]]:
        for node in selections.selections if selections else ():
            if self._left_out(node.directives or ()):
                continue
            if isinstance(node, FieldNode):
                yield from self._field(node, parent)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                kind = self.schema.get_type(condition.name.value) if condition else parent
                yield from self.selection(node.selection_set, kind)
            elif isinstance(node, FragmentSpreadNode):
                yield from self._spread(node.name.value)

    def _spread(self, name: str) -> Iterator[tuple[str, Node]]:
        fragment = self.fragments.get(name)
        if fragment is not None and name not in self.entered:
            self.entered.add(name)
            kind = self.schema.get_type(fragment.type_condition.name.value)
            yield from self.selection(fragment.selection_set, kind)

    def _field(self, node: FieldNode, parent: Any) -> Iterator[tuple[str, Node]]:
        name = node.name.value
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) or name not in parent.fields:
            return  # __typename, or nothing that validation lets through
        definition = parent.fields[name]
        if (parent.name, name) in PERSONAL_FIELDS:
            yield f"{parent.name}.{name}", node
        for argument in node.arguments or ():
            given = value_from_ast_untyped(argument.value, dict(self.variables))
            taken = definition.args.get(argument.name.value)
            for coordinate in _personal_inputs(given, taken and taken.type):
                yield coordinate, argument
        yield from self.selection(node.selection_set, get_named_type(definition.type))

    def _left_out(self, directives: tuple[DirectiveNode, ...]) -> bool:
        """Whether @skip or @include leaves a node out."""
        for directive in directives:
            for argument in directive.arguments or ():
                value = argument.value
                held = (
                    self.variables.get(value.name.value)
                    if isinstance(value, VariableNode)
                    else value_from_ast_untyped(value)
                )
                if (directive.name.value == "skip" and held is True) or (
                    directive.name.value == "include" and held is False
                ):
                    return True
        return False


def _personal_inputs(given: Any, kind: Any) -> Iterator[str]:
    """The personal parts of an argument's value, in JSON's form; a null is as good as left out."""
    if isinstance(kind, GraphQLNonNull):
        yield from _personal_inputs(given, kind.of_type)
    elif isinstance(kind, GraphQLList):
        for item in given if isinstance(given, list) else [given]:
            yield from _personal_inputs(item, kind.of_type)
    elif isinstance(kind, GraphQLInputObjectType) and isinstance(given, Mapping):
        for name, value in given.items():
            if value in (None, Undefined) or name not in kind.fields:
                continue
            if (kind.name, name) in PERSONAL_INPUTS:
                yield f"{kind.name}.{name}"
            elif isinstance(value, str) and (kind.name, name, value) in PERSONAL_VALUES:
                yield f"{get_named_type(kind.fields[name].type).name}.{value}"
            yield from _personal_inputs(value, kind.fields[name].type)
