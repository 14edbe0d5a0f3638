"""What has a global id, and how to get from the id to the thing."""

from collections.abc import Awaitable, Callable
from typing import Any

import strawberry

from api.graphql.context import Info
from api.graphql.ids import global_id


@strawberry.interface(description="Anything with a global id; `node(id)` answers it again.")
class Node:
    """Anything with a global id."""

    id: strawberry.ID = strawberry.field(
        description="Unique over all types and stable: opaque, send it back as answered."
    )


_FINDERS: dict[str, Callable[[Info, int], Awaitable[Node | None]]] = {}


def node_id(kind: str, number: int) -> strawberry.ID:
    """The global id of a row, as GraphQL's ID."""
    return strawberry.ID(global_id(kind, number))


def found_by(
    kind: str, load: Callable[[Info, int], Awaitable[Any]], make: Callable[[Any, Info], Node]
) -> None:
    """Register how a type of node is found: `load` its row by number, `make` the node of it."""

    async def find(info: Info, number: int) -> Node | None:
        row = await load(info, number)
        return None if row is None else make(row, info)

    _FINDERS[kind] = find


async def find_node(info: Info, kind: str, number: int) -> Node | None:
    """The caller's node with this number; None when there is none, or no such type."""
    find = _FINDERS.get(kind)
    return await find(info, number) if find else None


async def linked_node(info: Info, kind: str, number: int | None) -> Any:
    """The node that a row refers to, or None when it refers to none."""
    return None if number is None else await find_node(info, kind, number)
