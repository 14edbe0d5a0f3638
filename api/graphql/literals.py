"""What is wrong with values that stand in a document itself, told as of values of variables: by the argument, and the
place in it.

Source: the wording of graphql-core 3.3 for variables (`Variable '$input' has invalid value at [1].dueOn: ...`).
"""

from typing import Any

from graphql import (
    SKIP,
    ArgumentNode,
    GraphQLError,
    GraphQLInputType,
    ListValueNode,
    Node,
    ObjectValueNode,
    StringValueNode,
    ValidationRule,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VariableDefinitionNode,
    VisitorAction,
    specified_rules,
)
from graphql.pyutils import print_path_list
from graphql.utilities import validate_input_literal

from api.graphql.errors import BAD_USER_INPUT

NUL = "the character NUL (U+0000), which cannot be stored; leave it out."


class _Literals(ValidationRule):
    """Knows the argument, or the variable with its default, whose literal is being looked at."""

    #: None outside of both: in the definition of a type, say.
    _holder: ArgumentNode | VariableDefinitionNode | None = None

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        """Begin with an argument's value."""
        self._holder = node

    def leave_argument(self, *_: Any) -> None:
        """Have done with it."""
        self._holder = None

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> None:
        """Begin with a variable's default."""
        self._holder = node

    def leave_variable_definition(self, *_: Any) -> None:
        """Have done with it."""
        self._holder = None

    def _report(self, problem: str, node: Node, path: list[str | int], **extensions: Any) -> None:
        if isinstance(self._holder, ArgumentNode):
            place = f"Argument '{self._holder.name.value}' has invalid value{print_path_list(path)}: "
        elif self._holder is not None:
            name = self._holder.variable.name.value
            place = f"Variable '${name}' has invalid default value{print_path_list(path)}: "
        else:
            place = ""
        self.report_error(GraphQLError(place + problem, node, extensions=extensions))


class ValuesFit(_Literals, ValuesOfCorrectTypeRule):
    """Literals are of the type of where they stand."""

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        """Report what is wrong with a literal and with what it holds."""

        def report(error: GraphQLError, path: list[str | int]) -> None:
            self._report(error.message, (error.nodes or [node])[0], path)

        if input_type:
            validate_input_literal(node, input_type, report, None, None, self.context.hide_suggestions)
        return SKIP


class NoNulCharacter(_Literals):
    """No text can hold a NUL character, so no literal may."""

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        """Refuse a literal with a NUL."""
        if "\x00" in node.value:
            path = _path_to(node, _value_of(self._holder)) or []
            self._report(f"A text holds {NUL}", node, path, code=BAD_USER_INPUT)


def _value_of(holder: ArgumentNode | VariableDefinitionNode | None) -> ValueNode | None:
    if isinstance(holder, ArgumentNode):
        return holder.value
    return None if holder is None else holder.default_value


def _path_to(sought: ValueNode, value: ValueNode | None) -> list[str | int] | None:
    """The fields and indices that lead to a literal within another; None where it is not in it."""
    if value is sought:
        return []
    held: list[tuple[str | int, ValueNode]] = []
    if isinstance(value, ObjectValueNode):
        held = [(field.name.value, field.value) for field in value.fields]
    elif isinstance(value, ListValueNode):
        held = list(enumerate(value.values))
    paths = ((step, _path_to(sought, each)) for step, each in held)
    return next(([step, *path] for step, path in paths if path is not None), None)


#: The specification's rules, with our wording of what is wrong with literals.
RULES = (
    *(ValuesFit if rule is ValuesOfCorrectTypeRule else rule for rule in specified_rules),
    NoNulCharacter,
)
