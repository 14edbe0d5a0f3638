"""Subscriptions over graphql-transport-ws."""

import asyncio
import sys
import time
from itertools import pairwise

import pytest
from starlette.applications import Starlette

from api.auth import BELIEVED, create_key
from api.graphql.ids import global_id
from api.http import create_app
from api.settings import Settings
from domain.storage.keys import list_keys, revoke_key
from domain.storage.sessions import Database
from domain.vocabulary import Role
from tests.api.http.sockets import WebSocketClient, websocket
from tests.api.portfolio import NOW, Api, operation
from tests.conftest import ROOT
from tests.facts import merge_facts, row


async def begin(socket: WebSocketClient, key: str) -> None:
    await socket.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}})
    assert await socket.receive() == {"type": "connection_ack"}


async def subscribe(socket: WebSocketClient, name: str, **variables: object) -> None:
    payload = {"query": operation(name), "variables": variables}
    await socket.send({"type": "subscribe", "id": "1", "payload": payload})


async def run(socket: WebSocketClient, name: str, **variables: object) -> list[dict]:
    """Everything that comes until the operation is complete."""
    await subscribe(socket, name, **variables)
    frames = [await socket.receive()]
    while frames[-1]["type"] == "next":
        frames.append(await socket.receive())
    return frames


async def test_training_progress_is_told_to_its_end(app: Starlette, api: Api) -> None:
    started = (await api.ask(operation("TrainModels"), input={}))["trainModels"]
    async with websocket(app) as socket:
        await begin(socket, api.key)
        *told, last = await run(socket, "TrainingProgress", id=started["id"])
    assert [frame["payload"]["data"]["trainingProgress"]["status"] for frame in told] == [
        "QUEUED",
        "RUNNING",
        "FAILED",
    ]
    assert last["type"] == "complete"


async def test_queries_go_over_the_socket_too(app: Starlette, api: Api) -> None:
    async with websocket(app, authorization=f"Bearer {api.key}") as socket:
        await socket.send({"type": "connection_init"})
        assert (await socket.receive())["type"] == "connection_ack"
        first, last = await run(socket, "Segments")
    assert first["payload"]["data"]["segments"]
    assert last["type"] == "complete"


@pytest.mark.parametrize("payload", [None, {}, {"Authorization": "Bearer dw_1_nobody"}, {"Authorization": 7}])
async def test_nobody_is_turned_away(app: Starlette, payload) -> None:
    async with websocket(app) as socket:
        await socket.send(
            {"type": "connection_init", **({"payload": payload} if payload is not None else {})}
        )
        assert await socket.receive() == {"close": 4403}


async def test_an_unknown_run_is_an_error_with_a_code(app: Starlette, api: Api) -> None:
    async with websocket(app) as socket:
        await begin(socket, api.key)
        frames = await run(socket, "TrainingProgress", id=global_id("TrainingRun", 999_999))
    errors = frames[0].get("payload")
    errors = errors if isinstance(errors, list) else errors["errors"]
    assert errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_page_of_another_origin_may_not_connect(app: Starlette, api: Api) -> None:
    async with websocket(app, origin="https://evil.example", host="dunwell.test") as socket:
        assert await socket.receive() == {"close": 1008}


FEBRUARY = {"from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
WRITER = """
import asyncio, sys
from domain.storage.sessions import Database
from tests.facts import merge_facts, row

async def write(url, tenant_id):
    database = Database(url)
    for at in range(3):
        await merge_facts(database, tenant_id, {"communications": [row("communications", reference=f"C{at}")]})
    await database.close()

asyncio.run(write(sys.argv[1], int(sys.argv[2])))
"""


async def test_kpis_that_another_process_changed_are_told_at_most_once_a_second(
    app: Starlette, api_of, database: Database, owner_url: str, tenant_id: int
) -> None:
    await merge_facts(database, tenant_id, {"debtors": [row("debtors")], "accounts": [row("accounts")]})
    async with websocket(app) as socket:
        await begin(socket, (await api_of(tenant_id)).key)
        await subscribe(socket, "KpisChanged", period=FEBRUARY)
        await asyncio.sleep(0.3)
        # Of another period, so not told.
        late = row("communications", reference="LATE", sent_at="2026-04-01T00:00:00Z")
        await merge_facts(database, tenant_id, {"communications": [late]})
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, owner_url, str(tenant_id)), cwd=ROOT
        )
        sent, told = 0, []
        while sent < 3:
            frame = await socket.receive()
            told.append(time.monotonic())
            (channel,) = frame["payload"]["data"]["kpisChanged"]["messages"]
            assert channel["sent"] > sent, "told without a change"
            sent = channel["sent"]
        await process.wait()
    assert sent == 3
    assert all(later - sooner > 0.9 for sooner, later in pairwise(told))


async def test_a_period_that_cannot_be_is_refused(app: Starlette, api: Api) -> None:
    async with websocket(app) as socket:
        await begin(socket, api.key)
        frames = await run(socket, "KpisChanged", period={"from": FEBRUARY["to"], "to": FEBRUARY["from"]})
    errors = frames[0].get("payload")
    errors = errors if isinstance(errors, list) else errors["errors"]
    assert errors[0]["extensions"]["reason"] == "IMPOSSIBLE_PERIOD"


async def test_a_subscription_ends_with_its_key(services, database: Database, tenant_id: int) -> None:
    """A key that is revoked while somebody watches: nothing more is told."""
    now = NOW
    app = create_app(services, Settings(), clock=lambda: now)
    key = await create_key(database, tenant_id, Role.ADMIN, now=NOW)
    await merge_facts(database, tenant_id, {"debtors": [row("debtors")], "accounts": [row("accounts")]})

    async def change(reference: str) -> None:
        await merge_facts(
            database, tenant_id, {"communications": [row("communications", reference=reference)]}
        )

    async with websocket(app) as socket:
        await begin(socket, key)
        await subscribe(socket, "KpisChanged", period=FEBRUARY)
        await asyncio.sleep(0.3)
        await change("C1")
        assert (await socket.receive())["type"] == "next"
        async with database.transaction(tenant_id) as connection:
            (stored,) = await list_keys(connection, tenant_id)
            await revoke_key(connection, tenant_id, stored.id, now=now)
        now += BELIEVED
        await change("C2")
        frame = await socket.receive()
    told = frame["payload"] if frame["type"] == "error" else frame["payload"]["errors"]
    assert told[0]["extensions"]["code"] == "KEY_REVOKED"
    assert "kpisChanged" not in str(frame)
