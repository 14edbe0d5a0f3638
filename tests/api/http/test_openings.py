"""A key holds so many sockets and streams open at a time, and no more; what is closed makes room."""

import asyncio

import httpx
import pytest

from api.graphql.ids import global_id
from api.http import create_app
from api.http.requests import STREAM_TYPE
from api.settings import Settings
from tests.api.http.clock import Clock
from tests.api.http.sockets import WebSocketClient, websocket
from tests.api.portfolio import Api, operation

WATCH = 'subscription { kpisChanged(period: {from: "2026-04-01T00:00:00Z", to: "2026-05-01T00:00:00Z"}) { asOf } }'


@pytest.fixture
def strict_app(services, clock: Clock):
    return create_app(services, Settings(open_streams=2), clock=clock)


async def begin(socket: WebSocketClient, key: str) -> dict[str, object]:
    await socket.send({"type": "connection_init", "payload": {"authorization": f"Bearer {key}"}})
    return await socket.receive()


async def test_a_third_socket_is_closed_until_one_is_left(strict_app, api_of, tenant_id: int) -> None:
    key, other = [(await api_of(tenant_id)).key for _ in range(2)]
    async with websocket(strict_app) as first:
        assert (await begin(first, key))["type"] == "connection_ack"
        async with websocket(strict_app) as second:
            assert (await begin(second, key))["type"] == "connection_ack"
            async with websocket(strict_app) as third:
                assert await begin(third, key) == {"close": 4429}
            async with websocket(strict_app) as others:
                assert (await begin(others, other))["type"] == "connection_ack"
        async with websocket(strict_app) as again:
            assert (await begin(again, key))["type"] == "connection_ack"


async def test_streams_count_beside_sockets_and_end(strict_app, api_of, tenant_id: int) -> None:
    key = (await api_of(tenant_id)).key
    transport = httpx.ASGITransport(app=strict_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dunwell.test") as client:
        api = Api(client, key)
        nothing = {"query": operation("TrainingProgress"), "variables": {"id": global_id("TrainingRun", 1)}}
        for _ in range(4):  # each has ended when the next begins
            response = await api.post(nothing, Accept=STREAM_TYPE)
            assert response.headers["content-type"] == STREAM_TYPE
        async with websocket(strict_app) as first, websocket(strict_app) as second:
            await begin(first, key)
            assert (await begin(second, key))["type"] == "connection_ack"
            refused = await api.post({"query": WATCH}, Accept=STREAM_TYPE)
            assert refused.status_code == 429
            (error,) = refused.json()["errors"]
            assert error["extensions"]["code"] == "TOO_MANY_OPEN"
            assert "2 sockets and streams" in error["message"]
            assert (await api.post({"query": "{ segments { key } }"})).status_code == 200


async def test_a_stream_that_nobody_reads_on_makes_room(strict_app, api_of, tenant_id: int) -> None:
    key = (await api_of(tenant_id)).key
    gone = asyncio.Event()

    async def receive() -> dict[str, object]:
        if not hasattr(gone, "asked"):
            gone.asked = True  # type: ignore[attr-defined]
            body = b'{"query": "%b"}' % WATCH.replace('"', '\\"').encode()
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    sent: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    headers = {"authorization": f"Bearer {key}", "accept": STREAM_TYPE, "content-type": "application/json"}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("dunwell.test", 80),
    }
    reading = asyncio.create_task(strict_app(scope, receive, sent.put))
    async with asyncio.timeout(20):
        assert (await sent.get())["status"] == 200
    async with websocket(strict_app) as first, websocket(strict_app) as second:
        await begin(first, key)
        assert await begin(second, key) == {"close": 4429}
    gone.set()
    await reading
    async with websocket(strict_app) as first, websocket(strict_app) as second:
        await begin(first, key)
        assert (await begin(second, key))["type"] == "connection_ack"
