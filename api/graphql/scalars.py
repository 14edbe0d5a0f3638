"""The contract's scalars: exact decimals, instants with an offset, plain dates, JSON.

What cannot be read is refused with a message that names the value's problem and shows the right form.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import strawberry
from graphql import FloatValueNode, GraphQLError, ValueNode, value_from_ast_untyped
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY
from strawberry.types.scalar import ScalarDefinition

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# Any number that a file may hold; one with a few digits more before the point comes back as the item it is in.
_DECIMAL = re.compile(r"[+-]?(\d{1,20}(\.\d{0,30})?|\.\d{1,30})", re.ASCII)
#: So many are kept by what a JSON reader makes of a number; of more the last ones are somebody else's.
_FLOAT_DIGITS = 15


def _instant(value: object) -> datetime:
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise GraphQLError(
        "DateTime: expected an existing instant in ISO 8601 with its offset, such as "
        "2026-05-01T09:30:00+02:00 or 2026-05-01T07:30:00Z."
    )


def _date(value: object) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise GraphQLError("Date: expected an existing day as YYYY-MM-DD, such as 2026-05-01.")


def _decimal(value: object) -> Decimal:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        text = str(value)
        if _DECIMAL.fullmatch(text):
            read = Decimal(text)
            if isinstance(value, float) and len(read.normalize().as_tuple().digits) > _FLOAT_DIGITS:
                raise GraphQLError(
                    f"Decimal: a number of more than {_FLOAT_DIGITS} digits does not arrive as it was written; send it "
                    'as a string, such as "100.00".'
                )
            return read
    raise GraphQLError(
        'Decimal: expected a decimal number as a string, such as "100.00", '
        "with at most 20 digits before and 30 after the point."
    )


def show_instant(value: datetime) -> str:
    """An instant as the API writes it."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _show_decimal(value: Decimal) -> str:
    return format(value, "f")


def _scalar(
    name: str, description: str, serialize: Callable[[Any], str], parse: Callable[[object], Any]
) -> ScalarDefinition:
    def parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> Any:
        try:
            if isinstance(node, FloatValueNode) and _DECIMAL.fullmatch(node.value):
                return parse(node.value)  # all of its digits
            return parse(value_from_ast_untyped(node))
        except GraphQLError as error:  # in a document only its place tells which of many values it is
            raise GraphQLError(error.message, node) from None

    return strawberry.scalar(
        name=name,
        description=description,
        serialize=serialize,
        parse_value=parse,
        parse_literal=parse_literal,
    )


SCALARS: dict[object, ScalarDefinition] = {
    Decimal: _scalar("Decimal", "An exact decimal as a string, never rounded.", _show_decimal, _decimal),
    datetime: _scalar(
        "DateTime",
        "An ISO 8601 instant with its offset, such as 2026-05-01T09:30:00+02:00; answered in UTC "
        "(2026-05-01T07:30:00Z), microseconds kept.",
        show_instant,
        _instant,
    ),
    date: _scalar("Date", "A calendar day, YYYY-MM-DD.", date.isoformat, _date),
}

JSON = strawberry.scalars.JSON
SCALARS[JSON] = strawberry.scalar(
    name="JSON",
    description="Any JSON value.",
    serialize=lambda value: value,
    parse_value=lambda value: value,
    parse_literal=DEFAULT_SCALAR_REGISTRY[JSON].parse_literal,
)
