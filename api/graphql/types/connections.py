"""Relay connections: keyset pages of up to 100, and an exact count made only when asked for."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import strawberry

from api.graphql.cursors import ListOrder, encode
from api.graphql.fields import resolved
from domain.storage.reads.paging import Page

N = TypeVar("N")
R = TypeVar("R")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool = strawberry.field(description="Whether the list goes on after this page.")
    has_previous_page: bool = strawberry.field(
        description="Whether `after` was given, so that something comes before this page."
    )
    start_cursor: str | None = strawberry.field(
        description="Cursor of the first edge; null on an empty page."
    )
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last edge, `after` of the next page; null on an empty page."
    )


@strawberry.type(description="One item of a page.")
class Edge(Generic[N]):
    """One item of a page."""

    cursor: str = strawberry.field(
        description="The item's place in this list and order: opaque, good for `after` of the same list only."
    )
    node: N = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[N]):
    """A page of a list."""

    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")
    edges: list[Edge[N]] = strawberry.field(description="The items, in the list's order.")
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @resolved("How many items the whole list has: exact, counted only when asked for.")
    async def total_count(self) -> int:
        """The exact length of the list."""
        return await self.count()


def connection_of(
    page: Page[R],
    order: ListOrder,
    *,
    after: str | None,
    node: Callable[[R], N],
    count: Callable[[], Awaitable[int]],
) -> Connection[Any]:
    """A page of rows as a connection of nodes."""
    cursors = [encode(order, position) for position in page.positions]
    return Connection(
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=after is not None,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
        edges=[Edge(cursor=cursor, node=node(row)) for cursor, row in zip(cursors, page.rows, strict=True)],
        count=count,
    )
