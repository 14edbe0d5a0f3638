"""Bytes as an attacker sends them, over a real port: each gets a precise refusal, and the server goes on."""

import asyncio
import json
from contextlib import suppress
from datetime import timedelta

import pytest
import structlog
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets import ClientConnection, ConnectionClosed, Subprotocol, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from api.http import connections, requests
from api.http.requests import MAX_BODY
from api.http.sockets import GraphQLSocket
from tests.api.judges.conftest import Served, serving

QUERY = b'{"query": "{ __typename }"}'


async def sent(served: Served, *parts: bytes, quiet: float = 0.3) -> bytes:
    """What comes back until the server closes, or is quiet for so many seconds after it has answered."""
    host, port = served.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    got = b""
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        while True:
            found = await asyncio.wait_for(reader.read(65536), quiet if got else 10)
            if not found:
                break
            got += found
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return got


def post(served: Served, body: bytes = QUERY, *, line: str = "POST /graphql", **headers: str) -> bytes:
    """A request, whole unless headers say otherwise; `None` leaves a header out."""
    given = {
        "Host": "dunwell.test",
        "Authorization": f"Bearer {served.key}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value != "none")
    return f"{line} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def code(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["errors"][0]["extensions"]["code"])


async def test_a_body_in_chunks_is_read(served: Served) -> None:
    chunked = b"5\r\n" + QUERY[:5] + b"\r\n16\r\n" + QUERY[5:] + b"\r\n0\r\n\r\n"
    answer = await sent(served, post(served, chunked, Content_Length="none", Transfer_Encoding="chunked"))
    assert status(answer) == 200
    slowly = [bytes([byte]) for byte in post(served)]
    assert status(await sent(served, *slowly)) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Length": "-1"},
        {"Content_Length": "many"},
        {"Content_Length": "27\r\nContent-Length: 3"},
        {"Transfer_Encoding": "chunked"},
        {"Transfer_Encoding": "gzip", "Content_Length": "none"},
        {"X_Null": "a\x00b"},
    ],
    ids=str,
)
async def test_a_head_that_is_none_is_a_bad_request(served: Served, headers: dict[str, str]) -> None:
    assert status(await sent(served, post(served, **headers))) == 400


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00" * 50,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\x00\x00",
        b"POST /graphql HTTP/9.9\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_bad_request(served: Served, junk: bytes) -> None:
    assert status(await sent(served, junk)) == 400


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "TRACE", "CONNECT", "PROPFIND", "DELETE"])
async def test_other_methods_are_told_which_are_served(served: Served, method: str) -> None:
    answer = await sent(served, post(served, line=f"{method} /graphql"))
    assert status(answer) == 405
    assert b"\r\nallow: GET, POST\r\n" in answer.lower().replace(b"get, post", b"GET, POST")
    assert method == "HEAD" or code(answer) == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "head",
    [
        b"X-Large: " + b"a" * 200_000,
        b"".join(b"X-%d: a\r\n" % number for number in range(20_000)).rstrip(),
    ],
    ids=["one", "many"],
)
async def test_a_head_that_is_too_large_is_refused(served: Served, head: bytes) -> None:
    whole = post(served).replace(b"Host:", head + b"\r\nHost:", 1)
    assert status(await sent(served, whole)) == 431
    assert status(await sent(served, *(whole[at : at + 1000] for at in range(0, len(whole), 1000)))) == 431


async def test_a_head_without_end_is_not_kept(served: Served) -> None:
    endless = [b"POST /graphql HTTP/1.1\r\nX-Endless: ", *[b"a" * 10_000] * 10]
    assert status(await sent(served, *endless)) == 431


async def test_a_head_may_be_large_within_reason(served: Served) -> None:
    assert status(await sent(served, post(served, X_Large="a" * 40_000))) == 200
    assert (
        status(await sent(served, post(served, b'{"query": "{ __typename }"' + b" " * 300_000 + b"}"))) == 200
    )


async def test_who_sends_no_head_does_not_wait_for_ever(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.2)
    assert status(await sent(served, b"POST /graphql HTTP/1.1\r\nHost: ")) == 408
    assert status(await sent(served)) == 408


async def test_who_comes_back_with_half_a_head_does_not_either(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = served.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(post(served))
    assert status(await reader.readuntil(b"\r\n")) == 200
    await reader.readuntil(b'"Query"}}')
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.2)
    writer.write(b"POST /gra")
    assert status(await asyncio.wait_for(reader.read(), 10)) == 408
    writer.close()


WATCH = json.dumps(
    {
        "query": """subscription { kpisChanged(period: {from: "2026-04-01T00:00:00Z", to: "2026-05-01T00:00:00Z"}) {
            asOf } }"""
    }
).encode()


async def test_a_server_that_stops_lets_go_of_its_streams(
    app: Starlette, admin_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(app, admin_key) as served:
        host, port = served.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(post(served, WATCH, Accept="text/event-stream"))
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        asked = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - asked < 4
    assert await reader.read() == b""
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    writer.close()


H2C = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2_Settings": "AAEAAEAAAAIAAAAB"}


async def test_a_protocol_that_is_not_spoken_is_declined_by_answering(served: Served) -> None:
    whole = post(served, **H2C)
    assert b'"Query"' in await sent(served, whole)
    assert b'"Query"' in await sent(served, *(whole[at : at + 1] for at in range(len(whole))))
    many = await sent(served, whole * 1_500 + post(served), quiet=5)
    assert many.count(b'{"data":{"__typename":"Query"}}') == 1_501
    chunked = b"5\r\n" + QUERY[:5] + b"\r\n16\r\n" + QUERY[5:] + b"\r\n0\r\n\r\n"
    headers = {**H2C, "Content_Length": "none", "Transfer_Encoding": "chunked"}
    assert b'"Query"' in await sent(served, post(served, chunked, **headers))


async def test_a_body_behind_a_declined_protocol_is_no_request(served: Served) -> None:
    host, port = served.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    within = b"GET /healthz HTTP/1.1\r\nHost: dunwell.test\r\n\r\n"
    writer.write(post(served, Content_Length=str(len(within)), **H2C).removesuffix(QUERY))
    await asyncio.sleep(0.2)
    writer.write(within)
    with suppress(TimeoutError):
        while answer := await asyncio.wait_for(reader.read(65536), 1):
            assert code(answer) == "BAD_REQUEST"
    writer.close()


SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Content_Type": "none",
}


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("POST /graphql", {"Content_Length": "3"}),
        ("GET /graphql", {"Content_Length": "3"}),
        ("GET /graphql?" + "a" * 9_000, {"Content_Length": "none"}),
        ("GET /graphql", {"Content_Length": "none", "Cookie": "a" * 9_000}),
        ("GET /graphql", {"Content_Length": "none", **{f"X_{at}": "a" for at in range(130)}}),
    ],
    ids=["post", "body", "long line", "long header", "many headers"],
)
async def test_what_opens_no_socket_is_not_waited_on(
    served: Served, line: str, headers: dict[str, str]
) -> None:
    assert status(await sent(served, post(served, b"", line=line, **SOCKET, **headers))) == 400


async def test_who_sends_half_a_body_does_not_wait_for_ever(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "_BODY_SECONDS", 0.2)
    answer = await sent(served, post(served, Content_Length="500"))
    assert status(answer) == 408
    assert code(answer) == "REQUEST_TIMEOUT"


async def test_who_leaves_in_the_middle_is_no_fault_of_ours(served: Served) -> None:
    with structlog.testing.capture_logs() as logged:
        host, port = served.base.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(post(served, Content_Length="500"))
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        async with asyncio.timeout(20):
            while not any(line["event"] == "request" for line in logged):  # noqa: ASYNC110 - nobody else tells
                await asyncio.sleep(0.05)
    assert [line["status"] for line in logged if line["event"] == "request"] == [400]
    assert [line for line in logged if line["event"] == "internal_error"] == []


async def test_a_compressed_body_is_not_taken(served: Served) -> None:
    answer = await sent(served, post(served, Content_Encoding="gzip"))
    assert (status(answer), code(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_requests_in_a_row_are_answered_in_their_order(served: Served) -> None:
    answer = await sent(served, post(served) + post(served, b"{}") + post(served), quiet=2)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400", b"200"]


async def begun(served: Served) -> ClientConnection:
    socket = await connect(
        served.socket_url, subprotocols=[Subprotocol("graphql-transport-ws")], max_size=None
    )
    await socket.send(json.dumps({"type": "connection_init", "payload": served.headers}))
    assert json.loads(await socket.recv())["type"] == "connection_ack"
    return socket


async def closed_with(socket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(socket.recv(), 10)
    return socket.close_code


async def test_a_message_that_is_too_large_closes_the_socket(served: Served) -> None:
    socket = await begun(served)
    await socket.send(json.dumps({"type": "ping", "payload": {"a": "a" * MAX_BODY}}))
    assert await closed_with(socket) == 1009


async def test_pieces_of_a_message_count_together(served: Served) -> None:
    socket = await begun(served)
    with suppress(ConnectionClosed):
        await socket.send("a" * 1_000_000 for _ in range(6))
    assert await closed_with(socket) == 1009


async def test_text_that_is_none_closes_the_socket(served: Served) -> None:
    socket = await begun(served)
    await socket.send(b"\xff\xfe\xff", text=True)
    assert await closed_with(socket) == 1007


async def test_no_message_is_compressed(served: Served) -> None:
    """Four kilobytes would unpack to four megabytes, before anybody has said who they are."""
    offered = [ClientPerMessageDeflateFactory()]
    protocol = [Subprotocol("graphql-transport-ws")]
    async with connect(
        served.socket_url, subprotocols=protocol, extensions=offered, compression=None
    ) as socket:
        assert socket.protocol.extensions == []


async def test_who_does_not_begin_does_not_stay(app: Starlette, served: Served, monkeypatch) -> None:
    monkeypatch.setattr(sockets_of(app), "connection_init_wait_timeout", timedelta(seconds=0.2))
    socket = await connect(served.socket_url, subprotocols=[Subprotocol("graphql-transport-ws")])
    assert await closed_with(socket) == 4408


def sockets_of(app: Starlette) -> GraphQLSocket:
    (found,) = [route.endpoint for route in app.routes if isinstance(route, WebSocketRoute)]
    assert isinstance(found, GraphQLSocket)
    return found


async def test_many_sockets_that_end_badly_leave_nothing(served: Served) -> None:
    watch = {"query": "subscription ($p: PeriodInput!) { kpisChanged(period: $p) { asOf } }"}
    period = {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
    await (await begun(served)).close()
    before = len(asyncio.all_tasks())
    for _ in range(10):
        socket = await begun(served)
        for number in range(20):
            payload = {**watch, "variables": {"p": period}}
            await socket.send(json.dumps({"type": "subscribe", "id": str(number), "payload": payload}))
        socket.transport.abort()
    async with asyncio.timeout(20):
        while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - nobody else tells
            await asyncio.sleep(0.1)
    assert status(await sent(served, post(served))) == 200
