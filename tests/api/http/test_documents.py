"""Trusted documents: named by hash, and where only those are served, nothing else is run."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette

from api.documents import BELIEVED
from api.http import create_app
from api.settings import Settings
from domain.audit import operator
from domain.storage.documents import add_documents, remove_document, sha256_of
from domain.storage.sessions import Database
from domain.vocabulary import Role
from tests.api.http.clock import Clock
from tests.api.http.sockets import websocket
from tests.api.portfolio import NOW, Api

QUERY = "query Keys($n: Int) { segments { key } debtors(first: $n) { totalCount } }"
NAMED = {"documentId": f"sha256:{sha256_of(QUERY).hex()}", "variables": {"n": 1}}
APOLLO = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256_of(QUERY).hex()}}}
MUTATION = "mutation M { recordEvents(input: []) { accepted } }"
UNKNOWN = "sha256:" + "0" * 64


@pytest.fixture
def strict_app(services, clock: Clock) -> Starlette:
    return create_app(services, Settings(trusted_documents="only"), clock=clock)


@pytest_asyncio.fixture(loop_scope="session")
async def strict(strict_app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=strict_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dunwell.test") as client:
        yield client


@pytest.fixture
async def trusting(database: Database, tenant_id: int) -> int:
    """A tenant that trusts two documents."""
    async with database.transaction(tenant_id) as connection:
        assert await add_documents(connection, tenant_id, [QUERY, MUTATION, QUERY], by=operator(NOW)) == 2
        assert await add_documents(connection, tenant_id, [QUERY], by=operator(NOW)) == 0
    return tenant_id


def code(response: httpx.Response) -> str | None:
    answer = response.json()
    if "errors" not in answer:
        return None
    (error,) = answer["errors"]
    assert "data" not in answer
    found: str = error["extensions"]["code"]
    return found


@pytest.mark.parametrize(
    "body", [NAMED, APOLLO, {**NAMED, "query": QUERY}, {**APOLLO, "query": QUERY}], ids=str
)
async def test_a_trusted_document_is_run_by_its_hash(api_of, trusting: int, body: dict) -> None:
    api: Api = await api_of(trusting)
    response = await api.post(body)
    assert response.status_code == 200
    assert response.json()["data"]["debtors"]["totalCount"] == 0
    got = await api.client.get(
        "/graphql", params={"documentId": NAMED["documentId"]}, headers={"Authorization": f"Bearer {api.key}"}
    )
    assert got.json()["data"]["debtors"]["totalCount"] == 0


async def test_a_document_nobody_added_is_told_apart(api_of, trusting: int) -> None:
    api: Api = await api_of(trusting)
    unknown = await api.post({"documentId": UNKNOWN})
    assert (unknown.status_code, code(unknown)) == (400, "DOCUMENT_NOT_FOUND")
    apollo = await api.post({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}})
    assert (apollo.status_code, code(apollo)) == (400, "PERSISTED_QUERY_NOT_FOUND")
    assert apollo.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    # What Apollo's link sends next: the text runs, and is not taken up by that.
    other = "{ segments { key name } }"
    asked = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256_of(other).hex()}}}
    assert (await api.post({**asked, "query": other})).status_code == 200
    assert code(await api.post(asked)) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        {"documentId": 7},
        {"documentId": ""},
        {"documentId": "sha256:" + "A" * 64},
        {"documentId": "sha256:" + "a" * 63},
        {"documentId": "md5:" + "a" * 32},
        {"documentId": UNKNOWN, "query": QUERY},
        {"extensions": {"persistedQuery": "x"}},
        {"extensions": {"persistedQuery": {"sha256Hash": 7}}},
        {"extensions": {"persistedQuery": {"sha256Hash": "é" * 64}}},
        {"documentId": NAMED["documentId"], "variables": []},
        {"documentId": NAMED["documentId"], "query": ""},
        {},
    ],
    ids=str,
)
async def test_what_names_no_document_is_a_bad_request(api_of, trusting: int, body: dict) -> None:
    response = await (await api_of(trusting)).post(body)
    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


async def test_another_tenants_documents_are_nobodys(api_of, new_tenant, trusting: int) -> None:
    stranger: Api = await api_of(new_tenant())
    assert code(await stranger.post(NAMED)) == "DOCUMENT_NOT_FOUND"


async def test_roles_and_limits_hold_for_trusted_documents_too(api_of, database, trusting: int) -> None:
    reader: Api = await api_of(trusting, Role.READER)
    response = await reader.post({"documentId": f"sha256:{sha256_of(MUTATION).hex()}"})
    assert response.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    got = await reader.client.get(
        "/graphql",
        params={"documentId": f"sha256:{sha256_of(MUTATION).hex()}"},
        headers={"Authorization": f"Bearer {reader.key}"},
    )
    assert got.status_code == 405
    deep = "{" + "a{" * 60 + "b" + "}" * 61
    async with database.transaction(trusting) as connection:
        await add_documents(connection, trusting, [deep], by=operator(NOW))
    refused = await reader.post({"documentId": f"sha256:{sha256_of(deep).hex()}"})
    assert refused.json()["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"


async def test_where_only_trusted_documents_are_served_no_other_runs(
    strict: httpx.AsyncClient, api_of, database: Database, trusting: int
) -> None:
    api = Api(strict, (await api_of(trusting)).key)
    for body in (NAMED, APOLLO, {"query": QUERY}, {"query": MUTATION}):
        assert (await api.post(body)).status_code == 200
    others = [
        QUERY + " ",
        "{ __schema { types { name } } }",
        "{ segments { key } }",
        'mutation { upsertDebtors(input: [{reference: "D", name: "A", country: "ES"}]) { accepted } }',
        "{",
        "{" * 5000,
    ]
    for other in others:
        for more in (
            {},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256_of(other).hex()}}},
        ):
            response = await api.post({"query": other, **more})
            assert (response.status_code, code(response)) == (400, "DOCUMENT_NOT_TRUSTED")
        got = await strict.get(
            "/graphql", params={"query": other}, headers={"Authorization": f"Bearer {api.key}"}
        )
        assert code(got) == "DOCUMENT_NOT_TRUSTED"
    assert (await api.ask(QUERY))["debtors"]["totalCount"] == 0


async def test_a_socket_and_a_stream_run_no_other_either(
    strict_app: Starlette, strict: httpx.AsyncClient, api_of, trusting: int
) -> None:
    key = (await api_of(trusting)).key
    async with websocket(strict_app, authorization=f"Bearer {key}") as socket:
        await socket.send({"type": "connection_init"})
        await socket.receive()
        await socket.send({"type": "subscribe", "id": "1", "payload": {"query": "{ segments { key } }"}})
        frame = await socket.receive()
        assert frame["type"] == "error"
        assert frame["payload"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
        await socket.send({"type": "subscribe", "id": "2", "payload": {"query": QUERY}})
        assert (await socket.receive())["type"] == "next"
    streamed = await Api(strict, key).post({"query": "{ segments { key } }"}, Accept="text/event-stream")
    assert code(streamed) == "DOCUMENT_NOT_TRUSTED"


async def test_a_document_that_is_removed_is_refused_within_seconds(
    strict: httpx.AsyncClient, api_of, database: Database, trusting: int, clock: Clock
) -> None:
    api = Api(strict, (await api_of(trusting)).key)
    assert code(await api.post(NAMED)) is None
    async with database.transaction(trusting) as connection:
        assert await remove_document(connection, trusting, sha256_of(QUERY), by=operator(NOW))
        assert not await remove_document(connection, trusting, sha256_of(QUERY), by=operator(NOW))
    clock.now += BELIEVED
    assert code(await api.post(NAMED)) == "DOCUMENT_NOT_FOUND"
    assert code(await api.post({"query": QUERY})) == "DOCUMENT_NOT_TRUSTED"


async def test_the_servers_role_changes_no_document(database: Database, trusting: int) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database.transaction(trusting) as connection:
            await connection.execute(text("UPDATE trusted_document SET text = 'x'"))


async def test_adding_and_removing_is_audited(api_of, database: Database, trusting: int) -> None:
    async with database.transaction(trusting) as connection:
        await remove_document(connection, trusting, sha256_of(QUERY), by=operator(NOW))
    log = await (await api_of(trusting)).ask("{ auditLog { edges { node { action counts key } } } }")
    told = [(edge["node"]["action"], edge["node"]["counts"]) for edge in log["auditLog"]["edges"]]
    assert ("removeDocument", {"documents": 1}) in told
    assert ("addDocuments", {"documents": 2}) in told
