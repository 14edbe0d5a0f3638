"""While PostgreSQL is down, or takes no writes, requests say so; once it is back they go on by themselves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psycopg
import pytest
import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError
from starlette.applications import Starlette

from api.auth import create_key
from api.decisions.campaigns import CampaignService
from api.decisions.service import DecisionService
from api.embedded import EmbeddedPostgres
from api.http import create_app
from api.http.requests import RESPONSE_TYPE, STREAM_TYPE
from api.migrating import migrate
from api.recommendations.champions import Champions
from api.services import Services
from api.settings import Settings
from domain.storage.outages import FULL, READ_ONLY, UNREACHABLE, NoConnection, Outage, outage_of
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from domain.vocabulary import Role
from tests.api.http.clock import Clock
from tests.api.http.sockets import WebSocketClient, websocket
from tests.api.http.test_streams import events_in
from tests.api.learned import KEY
from tests.api.portfolio import Api, operation
from tests.api.stand_ins import FixedAdvice, FixedForecast, RunsInMemory

COMPILED = "{ debtors(first: 1) { edges { node { reference } } } }"
GENERIC = '{ kpis(period: {from: "2026-04-01T00:00:00Z", to: "2026-05-01T00:00:00Z"}) { messages(by: []) { sent } } }'
MUTATION = 'mutation { upsertDebtors(input: [{reference: "D1", name: "Ana", country: "ES"}]) { accepted } }'
WATCHED = {
    "query": operation("KpisChanged"),
    "variables": {"period": {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}},
}


class Machine:
    """A PostgreSQL of the test's own, to be stopped and started again at the same place."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._server: EmbeddedPostgres | None = EmbeddedPostgres.attach(home)
        self._port = self._server.port
        self.owner_url, self.app_url = self._server.owner_url, self._server.app_url

    def stop(self) -> None:
        if self._server is not None:
            self._server.release()
            self._server = None

    def start(self) -> None:
        self._server = EmbeddedPostgres.attach(self._home, port=self._port)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    migrate(made.owner_url)
    yield made
    made.stop()


Serving = Callable[[], AbstractAsyncContextManager[tuple[Starlette, Api]]]


@pytest.fixture
def serving(machine: Machine, clock: Clock) -> Serving:
    """The application over that PostgreSQL, and a client of it."""

    @asynccontextmanager
    async def serve() -> AsyncIterator[tuple[Starlette, Api]]:
        database = Database(machine.app_url)
        champions = Champions(database, KEY)
        services = Services(
            database,
            FixedAdvice(),
            DecisionService(database, champions),
            CampaignService(database, champions),
            FixedForecast(),
            RunsInMemory(),
        )
        app = create_app(services, Settings(), clock=clock)
        tenant_id = await create_tenant(machine.owner_url, key="acme", name="Acme", currency="EUR")
        key = await create_key(database, tenant_id, Role.ADMIN, now=clock())
        try:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
            ) as client:
                api = Api(client, key)
                await api.ask(MUTATION)
                yield app, api
        finally:
            champions.close()
            await database.close()

    return serve


async def _refused(api: Api, query: str, code: str, **headers: str) -> None:
    """The whole answer tells of the outage, and one line of the log, without a trace."""
    with structlog.testing.capture_logs() as logged:
        response = await api.post({"query": query}, **headers)
    assert response.status_code == 503, response.text
    assert int(response.headers["Retry-After"]) > 0
    errors = response.json()["errors"]
    assert {error["extensions"]["code"] for error in errors} == {code}, errors
    assert "again" in errors[0]["message"]
    told = [line for line in logged if line["log_level"] != "info"]
    assert [(line["event"], line["code"]) for line in told] == [("database_outage", code)], told
    assert "frames" not in told[0]


async def test_requests_say_that_the_database_is_down_and_go_on_when_it_is_back(
    machine: Machine, serving: Serving, clock: Clock
) -> None:
    async with serving() as (_, api):
        for query in (COMPILED, GENERIC):
            await api.ask(query)
        await asyncio.to_thread(machine.stop)
        for query in (COMPILED, GENERIC, MUTATION, "{ a: segments { key } b: segments { key } }"):
            await _refused(api, query, "DATABASE_UNREACHABLE")
        await _refused(api, COMPILED, "DATABASE_UNREACHABLE", Accept=RESPONSE_TYPE)
        clock.now += timedelta(seconds=60)  # whoever asks is looked up again
        await _refused(api, COMPILED, "DATABASE_UNREACHABLE")
        await asyncio.to_thread(machine.start)
        for query in (COMPILED, GENERIC, MUTATION):
            await api.ask(query)


async def test_streams_say_so_too(machine: Machine, serving: Serving) -> None:
    async with serving() as (_, api):
        await asyncio.to_thread(machine.stop)
        for body in ({"query": GENERIC}, WATCHED):
            response = await api.post(body, Accept=STREAM_TYPE)
            ((kind, content), last) = events_in(response.text)
            assert (kind, last) == ("next", ("complete", None))
            (error,) = content["errors"]
            assert error["extensions"]["code"] == "DATABASE_UNREACHABLE"


async def test_sockets_say_so_too(machine: Machine, serving: Serving, clock: Clock) -> None:
    async with serving() as (app, api), websocket(app, authorization=f"Bearer {api.key}") as client:
        await client.send({"type": "connection_init"})
        assert (await client.receive())["type"] == "connection_ack"
        await client.send({"type": "subscribe", "id": "watching", "payload": WATCHED})
        await client.send({"type": "subscribe", "id": "before", "payload": {"query": COMPILED}})
        assert (await client.receive())["type"] == "next"
        assert (await client.receive())["type"] == "complete"
        await asyncio.to_thread(machine.stop)
        assert await _told(client) == ("watching", "DATABASE_UNREACHABLE")
        clock.now += timedelta(seconds=60)
        await client.send({"type": "subscribe", "id": "after", "payload": {"query": COMPILED}})
        assert await _told(client) == ("after", "DATABASE_UNREACHABLE")
        async with websocket(app, authorization=f"Bearer {api.key}") as another:
            await another.send({"type": "connection_init"})
            assert await another.receive() == {"close": 1013}


async def _told(client: WebSocketClient) -> tuple[str, str]:
    """The operation that ends with an error, and the error's code."""
    message: dict[str, Any] = await client.receive()
    if message["type"] == "complete":  # of the one before
        message = await client.receive()
    payload = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
    (error,) = payload
    return message["id"], error["extensions"]["code"]


async def test_where_nothing_can_be_written_mutations_say_so_and_queries_are_answered(
    machine: Machine, serving: Serving
) -> None:
    with psycopg.connect(machine.owner_url, autocommit=True) as owner:
        async with serving() as (_, api):
            name = owner.info.dbname
            owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dunwell'"
            )
            await _refused(api, MUTATION, "DATABASE_READ_ONLY")
            await api.ask(COMPILED)


def _by_sqlalchemy(cause: Exception, *, lost: bool = False) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, cause, connection_invalidated=lost)


def _while_undoing(cause: Exception) -> InterfaceError:
    """What a transaction raises that a cause has ended and that cannot be undone either."""
    undoing = InterfaceError("ROLLBACK", {}, asyncpg.InterfaceError("another operation is in progress"))
    undoing.__context__ = asyncpg.InterfaceError("another operation is in progress")
    undoing.__context__.__context__ = cause
    return undoing


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (NoConnection(), UNREACHABLE),
        (ConnectionResetError(), UNREACHABLE),
        (asyncpg.ConnectionDoesNotExistError("gone"), UNREACHABLE),
        (_by_sqlalchemy(asyncpg.AdminShutdownError("stopped")), UNREACHABLE),
        (_by_sqlalchemy(asyncpg.CannotConnectNowError("starting")), UNREACHABLE),
        (_by_sqlalchemy(asyncpg.InterfaceError("closed"), lost=True), UNREACHABLE),
        (asyncpg.InternalClientError("in another state"), UNREACHABLE),
        (_while_undoing(asyncpg.InternalClientError("in another state")), UNREACHABLE),
        (_while_undoing(ValueError("ours")), None),
        (_by_sqlalchemy(asyncpg.DiskFullError("full")), FULL),
        (_by_sqlalchemy(asyncpg.ReadOnlySQLTransactionError("standby")), READ_ONLY),
        (_by_sqlalchemy(asyncpg.UniqueViolationError("twice")), None),
        (asyncpg.UndefinedTableError("none"), None),
        (FileNotFoundError(), None),
        (RuntimeError(), None),
    ],
    ids=lambda value: value.code if isinstance(value, Outage) else None,
)
def test_an_outage_is_told_from_a_fault(error: Exception, outage: Outage | None) -> None:
    assert outage_of(error) is outage
