"""What a resolver knows: who asks, when, the use cases, and the loaders of this one operation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection

from api.callers import Caller
from api.graphql.loaders import Loaders
from api.services import Services
from domain.audit import Signature
from domain.storage.derived import catch_up, is_caught_up


@dataclass(frozen=True)
class Context:
    """One operation of one caller. `now` is one instant for the whole of it; what lasts longer asks the clock.

    still_admitted: for what lasts longer; raises NotAdmitted once the caller's key or token is not good any more.
    """

    services: Services
    caller: Caller
    clock: Callable[[], datetime]
    still_admitted: Callable[[], Awaitable[Caller]] | None = None
    now: datetime = field(init=False)
    _catching_up: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _is_caught_up: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        object.__setattr__(self, "now", self.clock())

    @cached_property
    def loaders(self) -> Loaders:
        """The loaders of this operation; none are made for one that needs none."""
        return Loaders(self.transaction, self.caller.tenant_id, self.now, self.services.recommendations)

    @property
    def tenant_id(self) -> int:
        """The caller's tenant."""
        return self.caller.tenant_id

    @property
    def signature(self) -> Signature:
        """What the audit log says of who does something in this operation."""
        return self.caller.signature(self.now)

    async def catch_up(self) -> None:
        """Bring derived columns up to `now`: done by whoever needs it first, the others wait."""
        async with self._catching_up:
            if self._is_caught_up.is_set():
                return
            if not await is_caught_up(self.services.database, self.tenant_id, now=self.now):
                async with self.services.database.transaction(self.tenant_id) as connection:
                    await catch_up(connection, self.tenant_id, now=self.now)
            self._is_caught_up.set()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction of its own, as resolvers run concurrently, over derived columns that are caught up.

        For reading; within it nobody may begin another.
        """
        await self.catch_up()
        async with self.services.database.reading(self.tenant_id) as connection:
            yield connection


@dataclass
class Socket:
    """A WebSocket and the key it came with; each of its operations is authenticated anew and has its own context.

    left: to be called once when it is closed.
    """

    services: Services
    clock: Callable[[], datetime]
    admit: Callable[[str | None, str], Awaitable[Caller]]
    authenticate: Callable[[str | None], Awaitable[Caller]]
    authorization: str | None
    connection_params: Mapping[str, Any] | None = None
    left: Callable[[], None] = lambda: None

    async def operation(self, document: str) -> Context:
        """The context of an operation that begins now.

        Raises:
            NotAdmitted: its key is not good any more, or has asked too much, or the document is not to be run.
        """
        caller = await self.admit(self.authorization, document)
        return Context(self.services, caller, self.clock, partial(self.authenticate, self.authorization))


Info = strawberry.Info[Context, None]
