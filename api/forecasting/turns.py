"""Long work one at a time, by turns among tenants, so that the threads it takes are never all taken by it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Whoever waits gets the next turn, but of each tenant only one waits among the others."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._of_tenant: dict[int, asyncio.Lock] = {}

    @asynccontextmanager
    async def of(self, tenant_id: int) -> AsyncIterator[None]:
        """A tenant's turn; until it ends nobody has another."""
        async with self._of_tenant.setdefault(tenant_id, asyncio.Lock()), self._turn:
            yield
