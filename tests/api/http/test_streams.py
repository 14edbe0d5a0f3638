"""Server-sent events: one request, one operation, its results as events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette

from api.graphql.ids import global_id
from api.http.requests import JSON_TYPE, RESPONSE_TYPE, STREAM_TYPE, answered_type, takes_stream
from tests.api.portfolio import Api, operation

URQL_QUERY = f"{RESPONSE_TYPE}, application/graphql+json, {JSON_TYPE}, {STREAM_TYPE}, multipart/mixed"
PERIOD = {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("accept", "expected", "streams"),
    [
        (STREAM_TYPE, STREAM_TYPE, True),
        (f"{STREAM_TYPE}, multipart/mixed", STREAM_TYPE, True),
        (URQL_QUERY, RESPONSE_TYPE, True),
        (f"{STREAM_TYPE};q=0.5, {JSON_TYPE}", JSON_TYPE, True),
        (f"{STREAM_TYPE}, */*;q=0.1", STREAM_TYPE, True),
        ("*/*", JSON_TYPE, False),
        (f"{STREAM_TYPE};q=0, */*", JSON_TYPE, False),
        (None, JSON_TYPE, False),
    ],
)
def test_events_are_sent_to_those_who_prefer_them(accept, expected: str, streams: bool) -> None:
    assert answered_type(accept) == expected
    assert takes_stream(accept) is streams


def events_in(text: str) -> list[tuple[str, object]]:
    """The events of a stream, by the rules of the HTML standard."""
    found = []
    assert "\r" not in text, "urql looks for line feeds alone"
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"] or "null")))
    return found


async def streamed(api: Api, query: str, accept: str = STREAM_TYPE, **variables: object):
    response = await api.post({"query": query, "variables": variables}, Accept=accept)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == STREAM_TYPE
    return events_in(response.text)


@pytest.mark.parametrize("accept", [STREAM_TYPE, URQL_QUERY])
async def test_a_training_is_told_to_its_end(api: Api, accept: str) -> None:
    started = (await api.ask(operation("TrainModels"), input={}))["trainModels"]
    *told, last = await streamed(api, operation("TrainingProgress"), accept, id=started["id"])
    assert [content["data"]["trainingProgress"]["status"] for kind, content in told if kind == "next"] == [
        "QUEUED",
        "RUNNING",
        "FAILED",
    ]
    assert last == ("complete", None)


async def test_a_query_is_one_event(api: Api) -> None:
    first, last = await streamed(api, "{ segments { key } }")
    assert first[1]["data"]["segments"]
    assert last == ("complete", None)


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        (operation("TrainingProgress"), {}, "BAD_USER_INPUT"),
        (operation("TrainingProgress"), {"id": global_id("TrainingRun", 999_999)}, "BAD_USER_INPUT"),
        (operation("TrainingProgress"), {"id": "junk"}, "BAD_USER_INPUT"),
        (
            operation("KpisChanged"),
            {"period": {"from": PERIOD["to"], "to": PERIOD["from"]}},
            "BAD_USER_INPUT",
        ),
        ("query A { __typename } query B { __typename }", {}, "UNKNOWN_OPERATION"),
        ("fragment A on Query { __typename }", {}, "UNKNOWN_OPERATION"),
    ],
)
async def test_what_is_wrong_is_told_in_the_stream(api: Api, query: str, variables, code: str) -> None:
    (kind, content), last = await streamed(api, query, **variables)
    assert kind == "next"
    assert content["errors"][0]["extensions"]["code"] == code
    assert last == ("complete", None)


async def test_a_request_that_is_none_is_refused_before_a_stream_begins(api: Api) -> None:
    response = await api.post({"query": 1}, Accept=STREAM_TYPE)
    assert response.status_code == 400
    assert response.headers["content-type"].startswith(JSON_TYPE)
    stranger = Api(api.client, "dw_1_nobody")
    assert (await stranger.post({"query": "{ a }"}, Accept=STREAM_TYPE)).status_code == 401


async def test_a_subscription_without_events_says_how(api: Api) -> None:
    response = await api.post({"query": operation("TrainingProgress"), "variables": {"id": "x"}})
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "USE_A_STREAM"
    assert STREAM_TYPE in error["message"]
    assert response.status_code == 400


async def test_mutations_are_not_got_by_events_either(client: httpx.AsyncClient, api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.key}", "Accept": STREAM_TYPE}
    query = 'mutation { upsertDebtors(input: [{reference: "GOT", name: "Got", country: "ES"}]) { accepted } }'
    response = await client.get("/graphql", params={"query": query}, headers=headers)
    ((_, content), _) = events_in(response.text)
    assert content["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"
    assert (await api.ask('{ debtorByReference(reference: "GOT") { id } }'))["debtorByReference"] is None


@asynccontextmanager
async def watching(app: Starlette, api: Api) -> AsyncIterator[asyncio.Task[None]]:
    """A subscription over HTTP that its reader leaves at the end."""
    body = json.dumps({"query": operation("KpisChanged"), "variables": {"period": PERIOD}}).encode()
    headers = {"authorization": f"Bearer {api.key}", "accept": STREAM_TYPE, "content-type": JSON_TYPE}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "state": {},
        "client": ("127.0.0.1", 1),
        "server": ("dunwell.test", 80),
    }
    incoming: asyncio.Queue = asyncio.Queue()
    outgoing: asyncio.Queue = asyncio.Queue()
    await incoming.put({"type": "http.request", "body": body, "more_body": False})
    serving = asyncio.create_task(app(scope, incoming.get, outgoing.put))
    async with asyncio.timeout(20):
        assert (await outgoing.get())["status"] == 200
    yield serving
    await incoming.put({"type": "http.disconnect"})


async def test_a_reader_who_leaves_ends_the_operation(app: Starlette, api: Api) -> None:
    before = asyncio.all_tasks()
    async with watching(app, api) as serving:
        await asyncio.sleep(0.2)
        assert not serving.done()
    await asyncio.wait_for(serving, 20)
    assert asyncio.all_tasks() <= before
