"""Clients by others, each on its own transport: queries, mutations, errors and subscriptions come through unharmed."""

import json
from pathlib import Path
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from api.graphql.ids import global_id
from tests.api.judges.conftest import Served
from tests.api.judges.node import node_json
from tests.api.portfolio import Api, operation
from tests.conftest import ROOT

VARIABLES = {
    **json.loads((ROOT / "docs/contract/variables.json").read_text()),
    "CancelTraining": {"id": global_id("TrainingRun", 999_999)},  # a mutation that changes nothing
}
NAMES = ("Debtors", "DebtorCase", "MessageKpis", "Segments", "DebtorRecommendations", "CancelTraining")
UNKNOWN_FIELD = "{ debtors { nothing } }"


def operations(run_id: str) -> dict[str, dict[str, Any]]:
    """What every client sends: reads, a mutation, two ways to be refused, and a training to watch to its end."""
    known = {name: {"query": operation(name), "variables": VARIABLES.get(name, {})} for name in NAMES}
    return {
        **known,
        "Refused": {"query": '{ debtors(after: "junk") { totalCount } }', "variables": {}},
        "Invalid": {"query": UNKNOWN_FIELD, "variables": {}},
        "TrainingProgress": {"query": operation("TrainingProgress"), "variables": {"id": run_id}},
    }


async def new_run(api: Api) -> str:
    started = await api.ask(operation("TrainModels"), input={})
    return str(started["trainModels"]["id"])


async def asked(api: Api, operation: dict[str, Any]) -> dict[str, Any]:
    """What plain HTTP answers."""
    return await api.ask(operation["query"], **operation["variables"])


def without_names(answer: Any) -> Any:
    """As asked: caches add `__typename` to selections."""
    if isinstance(answer, dict):
        return {name: without_names(value) for name, value in answer.items() if name != "__typename"}
    return [without_names(each) for each in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize("library", ["graphql-ws", "graphql-sse", "apollo", "urql"])
async def test_a_client_in_javascript(served: Served, api: Api, tmp_path: Path, library: str) -> None:
    sent = operations(await new_run(api))
    documents = tmp_path / "operations.json"
    documents.write_text(json.dumps(sent))
    got = await node_json("clients.mjs", library, served.url, served.key, str(documents))
    for name in NAMES:
        (answer,) = got[name]
        assert without_names(answer["data"]) == await asked(api, sent[name]), name
    statuses = [result["data"]["trainingProgress"]["status"] for result in got["TrainingProgress"]]
    assert statuses == ["QUEUED", "RUNNING", "FAILED"]
    for name, code in (("Refused", "BAD_USER_INPUT"), ("Invalid", "GRAPHQL_VALIDATION_FAILED")):
        (answer,) = got[name]
        assert code in json.dumps(answer), (name, answer)


async def test_gql_in_python(served: Served, api: Api) -> None:
    sent = operations(await new_run(api))
    transport = HTTPXAsyncTransport(url=served.url, headers=served.headers)
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        assert session.client.schema is not None
        for name in NAMES:
            request = gql(sent[name]["query"])
            request.variable_values = sent[name]["variables"]
            assert await session.execute(request) == await asked(api, sent[name])
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(gql(sent["Refused"]["query"]))
        assert refused.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"
    await _watched_by_gql(served, sent["TrainingProgress"])


async def _watched_by_gql(served: Served, watched: dict[str, Any]) -> None:
    sockets = WebsocketsTransport(
        url=served.socket_url, init_payload={"authorization": f"Bearer {served.key}"}
    )
    async with Client(transport=sockets) as session:
        request = gql(watched["query"])
        request.variable_values = watched["variables"]
        told = [result["trainingProgress"]["status"] async for result in session.subscribe(request)]
    assert told == ["QUEUED", "RUNNING", "FAILED"]
