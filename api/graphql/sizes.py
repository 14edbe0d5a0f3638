"""How much an operation asks for, measured on its document before it runs.

Fragments count as often as they are spread, but each is walked once: a document of fragments that double one another
costs no more to measure than to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    Visitor,
    visit,
)

from api.graphql.counts import DEFAULT_FIRST, MAX_FIRST, MOST_IDS, MOST_REFERENCES

#: Arguments that say how many items a field answers, and how many that may be.
_COUNTED = {"first": MAX_FIRST, "ids": MOST_IDS, "references": MOST_REFERENCES}
#: Python reads no numbers of thousands of digits; validation refuses them later.
_DIGITS = 12
#: Arguments whose objects are conditions, or sort keys.
_FILTERS = ("where", "orderBy")
#: Fields whose number of items stands inside an input, counted at their most.
_ANSWERS_MANY = {"decide": MOST_REFERENCES}


@dataclass(frozen=True, slots=True)
class Size:
    """Levels of fields, and counts over all of them. `nodes`: items of lists at most, lists in lists multiplied.

    conditions: objects in filters and orders; values: other items of the lists in them. Those of a variable count
    wherever it is used, if it is known.
    """

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    nodes: int = 0
    conditions: int = 0
    values: int = 0

    def beside(self, other: "Size") -> "Size":
        """Both in one selection set."""
        return Size(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.nodes + other.nodes,
            self.conditions + other.conditions,
            self.values + other.values,
        )


def sizes_of(document: DocumentNode, variables: Mapping[str, Any] | None) -> list[Size]:
    """The size of each operation of a document; with variables None, for the largest values they could have."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    return [
        _Measure(fragments, None if variables is None else {**_defaults(operation), **variables})
        .selection(operation.selection_set)
        .beside(Size(directives=len(operation.directives or ())))
        for operation in document.definitions
        if isinstance(operation, OperationDefinitionNode)
    ]


def has_filters_by_variables(document: DocumentNode) -> bool:
    """Whether it takes variables to know how large the filters and orders of a document are."""
    finder = _FilterVariables()
    visit(document, finder)
    return finder.found


class _FilterVariables(Visitor):
    found = False
    _inside = 0

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        self._inside += node.name.value in _FILTERS

    def leave_argument(self, node: ArgumentNode, *_: object) -> None:
        self._inside -= node.name.value in _FILTERS

    def enter_variable(self, *_: object) -> None:
        self.found = self.found or self._inside > 0


def _defaults(operation: OperationDefinitionNode) -> dict[str, ValueNode]:
    """What the variables of an operation are when they are not given, as literals."""
    return {
        definition.variable.name.value: definition.default_value
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }


def _number(literal: IntValueNode) -> int:
    """A literal's number; one of more digits than any argument takes, as the largest or smallest of those."""
    return int(literal.value[:_DIGITS])


def _extent_of(given: object) -> tuple[int, int]:
    """The objects in a variable's value, and the other items of its lists."""
    conditions = values = 0
    pending = [given]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            conditions += 1
            pending += value.values()
        elif isinstance(value, list):
            values += sum(not isinstance(each, dict) for each in value)
            pending += value
    return conditions, values


class _Measure:
    def __init__(
        self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any] | None
    ) -> None:
        self._fragments = fragments
        self._variables = variables
        self._known: dict[str, Size] = {}
        self._open: set[str] = set()

    def selection(self, selections: SelectionSetNode | None) -> Size:
        size = Size()
        for node in selections.selections if selections else ():
            size = size.beside(Size(directives=len(node.directives or ())))
            if isinstance(node, FieldNode):
                size = size.beside(self._field(node))
            elif isinstance(node, InlineFragmentNode):
                size = size.beside(self.selection(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                size = size.beside(self._spread(node.name.value))
        return size

    def _field(self, node: FieldNode) -> Size:
        inner = self.selection(node.selection_set)
        items = self._items(node)
        nodes = inner.nodes if items is None else items * (1 + inner.nodes)
        filters = [each.value for each in node.arguments or () if each.name.value in _FILTERS]
        found = [self._extent(value) for value in filters]
        return Size(
            inner.depth + 1,
            inner.fields + 1,
            inner.aliases + bool(node.alias),
            inner.directives,
            nodes,
            inner.conditions + sum(conditions for conditions, _ in found),
            inner.values + sum(values for _, values in found),
        )

    def _spread(self, name: str) -> Size:
        if name not in self._known:
            if name in self._open or name not in self._fragments:  # validation refuses both
                return Size()
            self._open.add(name)
            fragment = self._fragments[name]
            size = Size(directives=len(fragment.directives or ()))
            self._known[name] = size.beside(self.selection(fragment.selection_set))
        return self._known[name]

    def _meant(self, value: ValueNode) -> ValueNode:
        """The literal that stands for a variable which is not given, where there is one."""
        given = (
            self._variables.get(value.name.value)
            if isinstance(value, VariableNode) and self._variables
            else None
        )
        return given if isinstance(given, ValueNode) else value

    def _extent(self, value: ValueNode) -> tuple[int, int]:
        """The conditions and values of a filter or an order."""
        value = self._meant(value)
        if isinstance(value, VariableNode):
            return _extent_of((self._variables or {}).get(value.name.value))
        if isinstance(value, ObjectValueNode):
            found = [self._extent(each.value) for each in value.fields]
            return 1 + sum(conditions for conditions, _ in found), sum(values for _, values in found)
        if isinstance(value, ListValueNode):
            found = [self._extent(each) for each in value.values]
            items = sum(not isinstance(each, ObjectValueNode) for each in value.values)
            return sum(conditions for conditions, _ in found), items + sum(values for _, values in found)
        return 0, 0

    def _items(self, node: FieldNode) -> int | None:
        """How many items a field answers at most; None when it is no list of many."""
        if node.name.value in _ANSWERS_MANY:
            return _ANSWERS_MANY[node.name.value]
        for argument in node.arguments or ():
            if argument.name.value in _COUNTED:
                return self._count(argument)
        selections = node.selection_set.selections if node.selection_set else ()
        is_connection = any(isinstance(each, FieldNode) and each.name.value == "edges" for each in selections)
        return DEFAULT_FIRST if is_connection else None

    def _count(self, argument: ArgumentNode) -> int:
        value, most = self._meant(argument.value), _COUNTED[argument.name.value]
        if isinstance(value, IntValueNode):
            return max(min(_number(value), most), 0)
        if isinstance(value, ListValueNode):
            return min(len(value.values), most)
        if isinstance(value, VariableNode) and self._variables is not None:
            given = self._variables.get(value.name.value)
            counted = len(given) if isinstance(given, list) else given
            return max(min(counted, most), 0) if isinstance(counted, int) else DEFAULT_FIRST
        return most
