"""A WebSocket to an ASGI application in the same event loop, so that both share the database's pool."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp


class WebSocketClient:
    """Speaks JSON frames."""

    def __init__(self) -> None:
        self.to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.is_closed = False

    async def take(self, event: MutableMapping[str, Any]) -> None:
        """What the application sends; it may not any more once the server has closed the socket."""
        if self.is_closed:
            raise RuntimeError(f"Unexpected ASGI message '{event['type']}', after sending 'websocket.close'.")
        await self.from_app.put(dict(event))

    async def send(self, message: dict[str, Any]) -> None:
        await self.to_app.put({"type": "websocket.receive", "text": json.dumps(message)})

    async def receive(self) -> dict[str, Any]:
        """The next frame; a close comes as {"close": code}."""
        async with asyncio.timeout(20):
            event = await self.from_app.get()
        if event["type"] == "websocket.close":
            return {"close": event["code"]}
        found: dict[str, Any] = json.loads(event.get("text") or event["bytes"])
        return found


@asynccontextmanager
async def websocket(
    app: ASGIApp, *, subprotocols: Sequence[str] = ("graphql-transport-ws",), **headers: str
) -> AsyncIterator[WebSocketClient]:
    """A WebSocket at /graphql, accepted with graphql-transport-ws."""
    client = WebSocketClient()
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("dunwell.test", 80),
        "subprotocols": list(subprotocols),
        "state": {},
    }
    await client.to_app.put({"type": "websocket.connect"})
    running = asyncio.create_task(app(scope, client.to_app.get, client.take))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(20):
            answer = await client.from_app.get()
        if answer["type"] == "websocket.accept":
            assert answer["subprotocol"] in (*subprotocols, None)
        else:
            await client.from_app.put(answer)
        yield client
    finally:
        await client.to_app.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(running, 20)
