"""The checks of graphql-cop, in the production profile: none finds anything.

The package of that name on the registry is an empty reservation, so its probes are made here: what each sends, and what
it takes for a finding. Source: its list of detections.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.api.judges.conftest import Served

Probe = Callable[[httpx.AsyncClient], Awaitable[bool]]
_IDE_PATHS = ("/graphiql", "/playground", "/console", "/graphql", "/ide", "/")
_IDE_WORDS = ("graphiql", "graphql playground", "graphql-playground", "apollo sandbox", "altair")


async def answer(client: httpx.AsyncClient, query: str) -> Any:
    return (await client.post("/graphql", json={"query": query})).json()


def has_data(response: httpx.Response) -> bool:
    try:
        return bool(response.json()["data"]["__typename"])
    except (ValueError, KeyError, TypeError):
        return False


async def aliases_overload(client: httpx.AsyncClient) -> bool:
    found = await answer(client, "query cop { " + " ".join(f"a{n}: __typename" for n in range(101)) + " }")
    return bool((found.get("data") or {}).get("a100"))


async def batches_are_run(client: httpx.AsyncClient) -> bool:
    return isinstance((await client.post("/graphql", json=[{"query": "{ __typename }"}] * 10)).json(), list)


async def directives_overload(client: httpx.AsyncClient) -> bool:
    found = await answer(client, "query cop { __typename " + "@aa" * 10 + " }")
    return len(found["errors"]) >= 10


async def fields_are_repeated(client: httpx.AsyncClient) -> bool:
    return bool((await answer(client, "query cop { " + "__typename " * 500 + "}")).get("data"))


async def introspection_turns_in_circles(client: httpx.AsyncClient) -> bool:
    query = (
        "query cop { __schema { types { fields { " + "type { fields { " * 4 + "name" + " } }" * 4 + " } } } }"
    )
    return bool((await answer(client, query)).get("data"))


async def fragments_turn_in_circles(client: httpx.AsyncClient) -> bool:
    query = "{ __schema { ...A } } fragment A on __Schema { __typename ...B } fragment B on __Schema { ...A }"
    return "errors" not in await answer(client, query)


async def introspection_answers(client: httpx.AsyncClient) -> bool:
    return bool(
        (await answer(client, "query cop { __schema { types { name fields { name } } } }")).get("data")
    )


async def fields_are_suggested(client: httpx.AsyncClient) -> bool:
    queries = (
        "query cop { __schema { directive } }",
        "{ debtros { totalCount } }",
        "{ debtors { totalCuont } }",
    )
    return any(["did you mean" in str(await answer(client, query)).lower() for query in queries])


async def an_ide_is_served(client: httpx.AsyncClient) -> bool:
    pages = [(await client.get(path, headers={"Accept": "text/html"})).text.lower() for path in _IDE_PATHS]
    return any(word in page for word in _IDE_WORDS for page in pages)


async def queries_are_got(client: httpx.AsyncClient) -> bool:
    return has_data(await client.get("/graphql", params={"query": "{ __typename }"}))


async def mutations_are_got(client: httpx.AsyncClient) -> bool:
    return has_data(await client.get("/graphql", params={"query": "mutation { __typename }"}))


async def forms_are_taken(client: httpx.AsyncClient) -> bool:
    asked = {"query": "query cop { __typename }"}
    answers = [
        await client.post("/graphql", data=asked),
        await client.post("/graphql", params=asked),
        await client.post("/graphql", params=asked, content=b"", headers={"Content-Type": "text/plain"}),
    ]
    return any(map(has_data, answers))


async def traces_are_told(client: httpx.AsyncClient) -> bool:
    response = await client.post(
        "/graphql", json={"query": "query cop { __typename }"}, headers={"X-Apollo-Tracing": "1"}
    )
    return any(word in response.text.lower() for word in ("tracing", "stacktrace", "exception"))


async def errors_are_unhandled(client: httpx.AsyncClient) -> bool:
    found = str(await answer(client, "qwerty cop { abc }")).lower()
    return any(word in found for word in ("exception", "traceback", "stacktrace", ".py"))


PROBES: list[Probe] = [
    *(aliases_overload, batches_are_run, directives_overload, fields_are_repeated),
    *(introspection_turns_in_circles, fragments_turn_in_circles, introspection_answers, fields_are_suggested),
    *(
        an_ide_is_served,
        queries_are_got,
        mutations_are_got,
        forms_are_taken,
        traces_are_told,
        errors_are_unhandled,
    ),
]


async def client_of(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.base, headers=served.headers) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def production(served_in_production: Served) -> AsyncIterator[httpx.AsyncClient]:
    async for client in client_of(served_in_production):
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def development(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async for client in client_of(served):
        yield client


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
async def test_production_gives_nothing_to_find(production: httpx.AsyncClient, probe: Probe) -> None:
    assert not await probe(production)


async def test_the_probes_would_find_something(development: httpx.AsyncClient) -> None:
    found = {probe.__name__ for probe in PROBES if await probe(development)}
    assert found == {"introspection_answers", "fields_are_suggested", "an_ide_is_served", "queries_are_got"}
