"""Subscriptions over graphql-transport-ws."""

import pytest
from starlette.applications import Starlette

from api.graphql.ids import global_id
from tests.api.http.sockets import WebSocketClient, websocket
from tests.api.portfolio import Api, operation


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
