"""How many items one field takes or answers."""

from collections.abc import Sequence
from typing import Any

from api.services import InvalidArgument

DEFAULT_FIRST = 20
MAX_FIRST = 100
MOST_IDS = 100
MOST_REFERENCES = 1000


def page_size(first: int | None, *, argument: str = "first") -> int:
    """How many items a page shall have.

    Raises:
        InvalidArgument: below 0 or above 100.
    """
    if first is None:
        return DEFAULT_FIRST
    if not 0 <= first <= MAX_FIRST:
        raise InvalidArgument(f"{argument} is {first}; ask for 0 to {MAX_FIRST} items.", path=(argument,))
    return first


def at_most(items: Sequence[Any] | None, most: int, argument: str) -> None:
    """Refuse too many items. argument: where they stand, `input.references`.

    Raises:
        InvalidArgument: says how many there are, and how many are possible.
    """
    if items is not None and len(items) > most:
        raise InvalidArgument(
            f"{argument} has {len(items)} items; at most {most:,} are possible.",
            path=tuple(argument.split(".")),
        )
