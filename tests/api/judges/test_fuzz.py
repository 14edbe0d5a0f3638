"""schemathesis: whatever is asked of any operation, nothing fails, and each is answered with data."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from graphql import build_schema

from api.graphql.types.debtors import Segment
from tests.api.cli.server import Server
from tests.api.judges.conftest import Served
from tests.api.judges.fuzzing import Tally, fuzz, seed_decisions, words_of
from tests.api.portfolio import NOW, operation
from tests.conftest import ROOT

LONG = bool(os.environ.get("DUNWELL_TEST_LONG"))
CASES = 200 if LONG else 4
SCHEMA = build_schema((ROOT / "schema.graphql").read_text())
QUERIES = [f"Query.{name}" for name in SCHEMA.query_type.fields]
MUTATIONS = [f"Mutation.{name}" for name in SCHEMA.mutation_type.fields]
#: Null is its answer as long as no segment rules wait.
OFTEN_NULL = {"Query.segmentsPendingSince"}
FEW = ["Query.nodes", "Query.debtors", "Query.kpis", "Query.segmentRecommendations"]


def faults(tallies: dict[str, Tally]) -> list[str]:
    return [f"{name}: {fault}" for name, tally in tallies.items() for fault in tally.faults]


async def test_no_question_makes_the_server_fail(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.base, headers=served.headers) as client:
        words = await words_of(client)
    tallies = await asyncio.to_thread(fuzz, served.url, served.headers, words, cases=CASES, now=NOW, only=FEW)
    assert tallies.keys() == set(FEW)
    assert faults(tallies) == []
    assert all(tally.cases >= CASES for tally in tallies.values())


async def test_a_planted_fault_is_found(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(Segment, "of", fail)
    tallies = await asyncio.to_thread(
        fuzz, served.url, served.headers, {}, cases=10, now=NOW, only=["Query.segments"]
    )
    assert "Report error" in faults(tallies)[0]


async def test_an_operation_that_is_never_answered_is_noticed(served: Served) -> None:
    tallies = await asyncio.to_thread(
        fuzz, served.url, {"Authorization": "Bearer nobody's"}, {}, cases=3, now=NOW, only=["Query.segments"]
    )
    assert tallies["Query.segments"].with_data == 0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The whole product as `make run` starts it: a worker beside it, a model that decides."""
    server = Server(tmp_path_factory.mktemp("fuzz") / "home", "demo", "--debtors", "300")
    try:
        printed = server.read_until("Stop with Ctrl-C")
        (key,) = re.findall(r"API key .*: (dw_\S+)", printed)
        server.let_it_print()
        yield Served(f"http://127.0.0.1:{server.port}", key)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=60) == 0
    finally:
        server.process.kill()
        server.process.wait()


@pytest.mark.skipif(not LONG, reason="some minutes: `make conformance`")
async def test_two_hundred_trainings_at_once_are_one(demo: Served) -> None:
    body = {"query": operation("TrainModels"), "variables": {"input": {}}}
    async with httpx.AsyncClient(base_url=demo.base, headers=demo.headers, timeout=60) as client:
        answers = await asyncio.gather(*(client.post("/graphql", json=body) for _ in range(200)))
        runs = {answer.json()["data"]["trainModels"]["id"] for answer in answers}
        assert len(runs) == 1
        cancel = {"query": operation("CancelTraining"), "variables": {"id": runs.pop()}}
        assert (await client.post("/graphql", json=cancel)).json()["data"]["cancelTraining"]["id"]


@pytest.mark.skipif(not LONG, reason="some minutes: `make conformance`")
@pytest.mark.timeout(1800)
async def test_nothing_asked_of_the_whole_product_makes_it_fail(demo: Served) -> None:
    now = datetime.now(UTC)
    async with httpx.AsyncClient(base_url=demo.base, headers=demo.headers, timeout=60) as client:
        words = {**await seed_decisions(client, now), **await words_of(client)}
    tallies = await asyncio.to_thread(fuzz, demo.url, demo.headers, words, cases=CASES, now=now)
    assert tallies.keys() == {*QUERIES, *MUTATIONS}
    assert faults(tallies) == []
    assert {name: tally.cases for name, tally in tallies.items() if tally.cases < CASES} == {}
    assert {name for name, tally in tallies.items() if not tally.with_data} <= OFTEN_NULL
