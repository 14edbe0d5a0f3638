"""WebSockets misused: what is no message closes with a code; what is wrong with one operation stays its own."""

import asyncio
import json

import pytest
import structlog
from starlette.applications import Starlette

from tests.api.http.sockets import WebSocketClient, websocket
from tests.api.portfolio import Api

GOOD = {"query": "{ segments { key } }"}


async def begun(socket: WebSocketClient, api: Api) -> None:
    await socket.send({"type": "connection_init", "payload": {"authorization": f"Bearer {api.key}"}})
    assert (await socket.receive())["type"] == "connection_ack"


NO_MESSAGES = [
    *("", "no JSON", "[]", "1", "null", '"connection_init"', "{}", '{"type": 1}', '{"type": "nothing"}'),
    *('{"type": "subscribe"}', '{"type": "subscribe", "id": "1"}', '{"type": "complete"}'),
    *('{"type": "subscribe", "id": "", "payload": {"query": "{ a }"}}', '{"type": "complete", "id": []}'),
    *(
        f'{{"type": "subscribe", "id": {bad}, "payload": {{"query": "{{ a }}"}}}}'
        for bad in ("1", "[]", "{}")
    ),
    *(
        f'{{"type": "subscribe", "id": "1", "payload": {bad}}}'
        for bad in ("[]", '"{ a }"', "1", "null", "{}")
    ),
    *(
        f'{{"type": "subscribe", "id": "1", "payload": {{"query": "{{ a }}", {bad}}}}}'
        for bad in ('"variables": []', '"variables": "x"', '"operationName": 1', '"extensions": 1')
    ),
    '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": {"a": NaN}}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": {"a": "\\ud800"}}}',
    '{"type": "ping", "payload": ' + "[" * 5000 + "]" * 5000 + "}",
]


@pytest.mark.parametrize("text", NO_MESSAGES, ids=lambda text: text[:60])
async def test_what_is_no_message_closes_the_socket(app: Starlette, api: Api, text: str) -> None:
    with structlog.testing.capture_logs() as logged:
        async with websocket(app) as socket:
            await begun(socket, api)
            await socket.to_app.put({"type": "websocket.receive", "text": text})
            assert await socket.receive() == {"close": 4400}
    assert [line for line in logged if line["event"] == "internal_error"] == []


async def test_bytes_are_no_message(app: Starlette, api: Api) -> None:
    async with websocket(app) as socket:
        await begun(socket, api)
        await socket.to_app.put({"type": "websocket.receive", "bytes": json.dumps({"type": "ping"}).encode()})
        assert await socket.receive() == {"close": 4400}


@pytest.mark.parametrize("payload", [[], "key", 1])
async def test_a_payload_of_init_must_be_an_object(app: Starlette, payload) -> None:
    async with websocket(app) as socket:
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.receive() == {"close": 4400}


async def test_a_payload_of_init_may_be_null_where_the_key_is_in_the_header(app: Starlette, api: Api) -> None:
    async with websocket(app, authorization=f"Bearer {api.key}") as socket:
        await socket.send({"type": "connection_init", "payload": None})
        assert await socket.receive() == {"type": "connection_ack"}
    async with websocket(app) as socket:
        await socket.send({"type": "connection_init", "payload": None})
        assert await socket.receive() == {"close": 4403}


async def test_nothing_is_served_before_init(app: Starlette) -> None:
    async with websocket(app) as socket:
        await socket.send({"type": "subscribe", "id": "1", "payload": GOOD})
        assert await socket.receive() == {"close": 4401}


async def test_a_second_init_closes(app: Starlette, api: Api) -> None:
    async with websocket(app) as socket:
        await begun(socket, api)
        await socket.send({"type": "connection_init"})
        assert await socket.receive() == {"close": 4429}


async def test_an_id_is_used_once_at_a_time(app: Starlette, api: Api) -> None:
    period = {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
    query = "subscription ($p: PeriodInput!) { kpisChanged(period: $p) { asOf } }"
    async with websocket(app) as socket:
        await begun(socket, api)
        for _ in range(2):
            await socket.send(
                {"type": "subscribe", "id": "1", "payload": {"query": query, "variables": {"p": period}}}
            )
        assert await socket.receive() == {"close": 4409}


async def test_reasons_to_close_fit_a_frame(app: Starlette, api: Api) -> None:
    """At most 123 bytes (RFC 6455, 5.5); a longer reason makes the server fail."""
    period = {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
    query = "subscription ($p: PeriodInput!) { kpisChanged(period: $p) { asOf } }"
    watch = {"type": "subscribe", "id": "x" * 200, "payload": {"query": query, "variables": {"p": period}}}
    for messages, code in (([{"type": "x" * 200}], 4400), ([watch, watch], 4409)):
        async with websocket(app) as socket:
            await begun(socket, api)
            for message in messages:
                await socket.send(message)
            closed = await asyncio.wait_for(socket.from_app.get(), 20)
            assert closed["code"] == code
            assert len(closed["reason"].encode()) <= 123


async def test_more_operations_than_served_are_refused_and_the_others_go_on(app: Starlette, api: Api) -> None:
    period = {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
    watch = "subscription ($p: PeriodInput!) { kpisChanged(period: $p) { asOf } }"
    async with websocket(app) as socket:
        await begun(socket, api)
        for number in range(21):
            payload = {"query": watch, "variables": {"p": period}}
            await socket.send({"type": "subscribe", "id": str(number), "payload": payload})
        refused = await socket.receive()
        assert (refused["type"], refused["id"]) == ("error", "20")
        limited = {"code": "LIMIT_EXCEEDED", "limited": "operations", "found": 21, "limit": 20}
        assert refused["payload"][0]["extensions"] == limited
        await socket.send({"type": "complete", "id": "0"})
        await socket.send({"type": "subscribe", "id": "again", "payload": GOOD})
        assert (await socket.receive())["id"] == "again"


BROKEN = [
    ("{", "GRAPHQL_PARSE_FAILED"),
    ("{" * 3000, "GRAPHQL_PARSE_FAILED"),
    ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
    ("{ " + "__typename " * 401 + "}", "LIMIT_EXCEEDED"),
    (" " * 100_001, "LIMIT_EXCEEDED"),
    ("fragment A on Query { __typename }", "UNKNOWN_OPERATION"),
    ("query A { __typename } query B { __typename }", "UNKNOWN_OPERATION"),
    ("query ($v: Int!) { debtors(first: $v) { totalCount } }", "BAD_USER_INPUT"),
    ("subscription { trainingProgress(id: 1.5) { id } }", "GRAPHQL_VALIDATION_FAILED"),
]


@pytest.mark.parametrize(("query", "code"), BROKEN, ids=[code + str(n) for n, (_, code) in enumerate(BROKEN)])
async def test_an_operation_that_is_none_is_told_so_alone(app: Starlette, api: Api, query, code) -> None:
    async with websocket(app) as socket:
        await begun(socket, api)
        await socket.send({"type": "subscribe", "id": "bad", "payload": {"query": query}})
        told = await socket.receive()
        errors = told["payload"] if told["type"] == "error" else told["payload"]["errors"]
        assert (told["id"], errors[0]["extensions"]["code"]) == ("bad", code)
        await socket.send({"type": "subscribe", "id": "good", "payload": GOOD})
        frames = [await socket.receive()]
        while frames[-1].get("id") != "good":
            frames.append(await socket.receive())
        assert frames[-1]["payload"]["data"]["segments"]
        assert all(frame == {"type": "complete", "id": "bad"} for frame in frames[:-1])


FAILED = [
    ("query ($v: Int!) { debtors(first: $v) { totalCount } }", "BAD_USER_INPUT"),
    ('subscription { trainingProgress(id: "none") { status } }', "BAD_USER_INPUT"),
    ("{ debtors(first: -1) { totalCount } }", "BAD_USER_INPUT"),
]


@pytest.mark.parametrize(("query", "code"), FAILED, ids=[query for query, _ in FAILED])
async def test_a_result_has_data_only_where_it_would_over_http(app: Starlette, api: Api, query, code) -> None:
    async with websocket(app) as socket:
        await begun(socket, api)
        await socket.send({"type": "subscribe", "id": "1", "payload": {"query": query}})
        told = (await socket.receive())["payload"]
    assert told["errors"][0]["extensions"]["code"] == code
    assert ("data" in told) == ("path" in told["errors"][0])


@pytest.mark.parametrize("name", ["", None, "A"])
async def test_an_empty_name_of_an_operation_is_none(app: Starlette, api: Api, name: str | None) -> None:
    async with websocket(app) as socket:
        await begun(socket, api)
        payload = {"query": "query A { __typename }", "operationName": name}
        await socket.send({"type": "subscribe", "id": "1", "payload": payload})
        assert (await socket.receive())["payload"] == {"data": {"__typename": "Query"}}


async def test_a_socket_that_the_server_closed_first_is_no_fault(app: Starlette, api: Api) -> None:
    """uvicorn closes those who answer no ping, and says so to whoever was about to send by a RuntimeError."""
    with structlog.testing.capture_logs() as logged:
        async with websocket(app) as socket:
            await begun(socket, api)
            socket.is_closed = True
            await socket.send({"type": "subscribe", "id": "1", "payload": GOOD})
            await socket.send({"type": "subscribe", "id": "2", "payload": {"query": "{ nothing }"}})
            await asyncio.sleep(0.5)
    assert not [entry for entry in logged if entry["event"] == "internal_error"]


async def test_a_socket_that_the_server_closed_first_may_be_closed_once_more(
    app: Starlette, api: Api
) -> None:
    async with websocket(app) as socket:
        await begun(socket, api)
        socket.is_closed = True
        await socket.send({"type": "nothing known"})  # for which it would be closed


async def test_pings_are_answered_and_strange_completes_forgiven(app: Starlette, api: Api) -> None:
    async with websocket(app) as socket:
        await begun(socket, api)
        await socket.send({"type": "complete", "id": "nobody's"})
        await socket.send({"type": "ping", "payload": {"a": 1}})
        assert await socket.receive() == {"type": "pong"}


async def test_another_protocol_is_not_spoken(app: Starlette) -> None:
    async with websocket(app, subprotocols=["graphql-ws"]) as socket:
        assert await socket.receive() == {"close": 4406}
