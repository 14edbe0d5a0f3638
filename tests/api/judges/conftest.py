"""The application behind a real port, as judges by others meet it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass

import pytest_asyncio
import uvicorn
from starlette.applications import Starlette

from api.auth import create_key
from api.serving import listen, server_config
from domain.storage.sessions import Database
from domain.vocabulary import Role
from tests.api.portfolio import NOW


@dataclass(frozen=True)
class Served:
    """An application that answers on a port of this machine, and a key of an ADMIN."""

    base: str
    key: str

    @property
    def url(self) -> str:
        return f"{self.base}/graphql"

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


class _Quiet(uvicorn.Server):
    """Leaves the signals of the test run alone, and says when it has begun."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(server_config(app))
        self.begun = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.begun.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with nullcontext():
            yield


@asynccontextmanager
async def serving(app: Starlette, key: str) -> AsyncIterator[Served]:
    listener = listen("127.0.0.1", 0)
    server = _Quiet(app)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await server.begun.wait()
    yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", key)
    server.should_exit = True
    await running
    listener.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def admin_key(database: Database, sample_tenant: int) -> str:
    return await create_key(database, sample_tenant, Role.ADMIN, now=NOW)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(app: Starlette, admin_key: str) -> AsyncIterator[Served]:
    """The sample portfolio, in development."""
    async with serving(app, admin_key) as served:
        yield served


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served_in_production(production_app: Starlette, admin_key: str) -> AsyncIterator[Served]:
    """The sample portfolio, in production."""
    async with serving(production_app, admin_key) as served:
        yield served
