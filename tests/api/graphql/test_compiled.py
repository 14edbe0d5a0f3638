"""Answers by one statement are those of ordinary execution, byte for byte."""

import os
import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from api.auth import create_key
from api.graphql.compiled import CompiledReads, plans
from api.graphql.compiled.selection import NODE_KINDS
from api.graphql.ids import parse_id
from api.graphql.schema import build_schema
from domain.storage.compiled import is_known
from domain.storage.compiled.json_text import Constant, Parts, Sql, day, instant, word
from domain.storage.compiled.shapes import SHAPES
from domain.storage.direct import DirectConnections
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from domain.vocabulary import Role
from tests.api.graphql.generated import Operation, Pool
from tests.api.graphql.odd_facts import merge_odd_facts
from tests.api.portfolio import NOW, Api, operation


@contextmanager
def watched(*, compiled: bool) -> Iterator[list[bool]]:
    """Whether each answer was compiled; without `compiled` none is."""
    answers: list[bool] = []
    answer = CompiledReads.answer

    async def answering(self, *asked):
        found = await answer(self, *asked) if compiled else None
        answers.append(found is not None)
        return found

    def fail(error: Exception) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "log_failure", fail)
        patch.setattr(CompiledReads, "answer", answering)
        yield answers


CASES = {
    "Debtors": {"first": 30, "orderBy": [{"field": "DAYS_PAST_DUE", "direction": "DESC"}]},
    "DebtorCount": {},
    "DebtorPage": {"first": 50},
    "DebtorCase": {"reference": "D0000010"},
    "Communications": {"first": 20},
    "Promises": {"first": 20},
}


@pytest.mark.parametrize("name", CASES)
async def test_the_contracts_own(api: Api, name: str) -> None:
    body = {"query": operation(name), "variables": CASES[name]}
    with watched(compiled=True) as answers:
        by_statement = await api.post(body)
    assert answers == [True]
    with watched(compiled=False):
        field_by_field = await api.post(body)
    assert by_statement.content == field_by_field.content
    assert headers(by_statement) == headers(field_by_field)


async def test_a_node_of_a_type_that_nothing_is_selected_of_is_an_empty_object(api: Api) -> None:
    found = await api.ask(
        "{ debtors(first: 1) { edges { node { id accounts(first: 1) { edges { node { id } } } } } } }"
    )
    debtor = found["debtors"]["edges"][0]["node"]
    ids = [debtor["id"], debtor["accounts"]["edges"][0]["node"]["id"]]
    query = """query ($ids: [ID!]!, $id: ID!) {
        nodes(ids: $ids) { ... on Debtor { id } } node(id: $id) { ... on Debtor { id } } }"""
    body = {"query": query, "variables": {"ids": ids, "id": ids[1]}}
    with watched(compiled=True) as answers:
        by_statement = await api.post(body)
    assert answers == [True]
    assert by_statement.json()["data"] == {"nodes": [{"id": ids[0]}, {}], "node": {}}
    with watched(compiled=False):
        assert (await api.post(body)).content == by_statement.content


POOL = """
    { debtors(first: 100) { edges { cursor node {
        id reference
        accounts(first: 3) { edges { cursor node { id agent { id } } } }
        communications(first: 4) { edges { cursor node { id } } }
        promises(first: 3) { edges { cursor node { id } } }
        payments(first: 2) { edges { cursor node { id } } }
    } } }
    communications(first: 50) { edges { cursor } }
    promises(first: 50) { edges { cursor } } }
"""


async def pool_of(api: Api) -> Pool:
    """What a tenant has, as ordinary execution answers it."""
    with watched(compiled=False):
        found = await api.ask(POOL)
        orders = [
            (await api.ask(ORDERED, orderBy=order))["debtors"]["edges"]
            for order in (None, BY_NAME, BY_DAYS, BY_OWED)
        ]
    pool = Pool(cursors={"debtors": [edge["cursor"] for edges in orders for edge in edges]})
    for name in ("communications", "promises"):
        pool.cursors[name] = [edge["cursor"] for edge in found[name]["edges"]]
    for debtor in [edge["node"] for edge in found["debtors"]["edges"]]:
        pool.references.append(debtor["reference"])
        for name in ("accounts", "communications", "promises", "payments"):
            edges = debtor[name]["edges"]
            pool.cursors.setdefault(f"debtor.{name}", []).extend(edge["cursor"] for edge in edges)
            for node in [debtor, *(edge["node"] for edge in edges)]:
                for identifier in (node["id"], *([node["agent"]["id"]] if node.get("agent") else [])):
                    kind = parse_id(identifier)[0]
                    pool.ids.setdefault(kind, []).append(identifier)
    return pool


ORDERED = "query($orderBy: [DebtorOrder!]) { debtors(first: 30, orderBy: $orderBy) { edges { cursor } } }"
BY_NAME = [{"field": "NAME"}]
BY_DAYS = [{"field": "DAYS_PAST_DUE", "direction": "DESC"}]
BY_OWED = [{"field": "BALANCE", "currency": "EUR"}, {"field": "LAST_CONTACTED_AT"}]

LONG = os.environ.get("DUNWELL_TEST_LONG")
GENERATED = 5_000 if LONG else 300


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd_tenant(database: Database, owner_url: str) -> int:
    key = f"odd{uuid.uuid4().hex[:12]}"
    tenant_id = await create_tenant(owner_url, key=key, name=key, currency="EUR")
    await merge_odd_facts(database, tenant_id, seed=11)
    return tenant_id


async def differences(apis: Sequence[tuple[Api, Pool]], count: int, seed: int) -> AsyncIterator[str]:
    """Generated operations that are answered differently."""
    schema, rng = build_schema()._schema, random.Random(seed)
    with watched(compiled=True) as compiled:
        for _ in range(count):
            api, pool = rng.choice(apis)
            operation = Operation(schema, pool, rng)
            body = {"query": operation.write(), "variables": operation.variables}
            by_statement = await api.post(body)
            with watched(compiled=False):
                field_by_field = await api.post(body)
            if not alike(by_statement, field_by_field, compiled=compiled[-1]):
                yield f"{body}\n{by_statement.text}\n{field_by_field.text}"
    assert compiled.count(True) > count * 0.6, compiled.count(True)


def headers(response: httpx.Response) -> dict[str, str]:
    """All but what is left of the key's requests."""
    return {name: value for name, value in response.headers.items() if "ratelimit" not in name}


def alike(one: httpx.Response, other: httpx.Response, *, compiled: bool) -> bool:
    """Byte for byte; where execution had several errors to tell, in whatever order it came upon them."""
    if one.status_code != other.status_code:
        return False
    if compiled:
        return one.content == other.content and headers(one) == headers(other)
    first, second = one.json(), other.json()
    told = [sorted(map(repr, answer.pop("errors", []))) for answer in (first, second)]
    return repr(first) == repr(second) and told[0] == told[1]


@pytest_asyncio.fixture(loop_scope="session")
async def asked_of(
    api: Api, api_of, odd_tenant: int, client: httpx.AsyncClient, database: Database
) -> list[tuple[Api, Pool]]:
    """Two tenants asked about what they have, each also about the other's; and keys that may not read all or any."""
    odd = await api_of(odd_tenant)
    own, others = await pool_of(api), await pool_of(odd)
    forbidden = await api_of(odd_tenant, Role.INGEST)
    reader = await api_of(odd_tenant, Role.READER)
    asked = [(api, own)] * 8 + [(odd, others)] * 8 + [(reader, others)] * 3
    key = await create_key(database, odd_tenant, Role.READER, reads_personal_data=False, now=NOW)
    return [*asked, (api, others), (odd, own), (forbidden, others), (Api(client, key), others)]


async def test_generated_operations(asked_of) -> None:
    async for difference in differences(asked_of, GENERATED, seed=5):
        raise AssertionError(difference)


@pytest.mark.parametrize(
    ("kind", "name", "fault"),
    [
        ("Promise", "dueOn", day("promise.promised_at")),
        ("Communication", "sentAt", instant("communication.sent_at + interval '1 microsecond'")),
        ("Debtor", "name", (Constant('"'), Sql("debtor.name"), Constant('"'))),
        ("Account", "bucket", word("'CURRENT'::text")),
    ],
)
async def test_a_planted_fault_is_found(
    asked_of, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, fault: Parts
) -> None:
    fields = {**SHAPES[kind].fields, name: fault}
    monkeypatch.setitem(SHAPES, kind, replace(SHAPES[kind], fields=fields))
    monkeypatch.setattr(plans.Latest, "get", lambda *_: None)  # nothing from before the fault
    async for _ in differences(asked_of, 300, seed=5):
        return
    raise AssertionError("not found")


@pytest.mark.parametrize(
    "query",
    [
        "{ debtor(id: $id) { name region } }",
        "{ nodes(ids: [$id]) { id ... on Debtor { region } } }",
        "{ debtors(first: 3) { edges { node { reference region } } } }",
        "{ debtor(id: $id) { communications(first: 2) { edges { node { debtor { region } } } } } }",
    ],
)
async def test_what_is_null_against_expectation_is_left_to_ordinary_execution(
    api: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    fields = {**SHAPES["Debtor"].fields, "region": word("NULL::text")}
    monkeypatch.setitem(SHAPES, "Debtor", replace(SHAPES["Debtor"], fields=fields))
    monkeypatch.setattr(plans.Latest, "get", lambda *_: None)
    found = await api.ask('{ debtorByReference(reference: "D0000010") { id } }')
    asked = query.replace("$id", f'"{found["debtorByReference"]["id"]}"')
    with watched(compiled=True) as answers:
        by_statement = await api.ask(asked)
    assert answers == [False]
    with watched(compiled=False):
        assert await api.ask(asked) == by_statement


@pytest.mark.parametrize("wanted", ["endCursor", "startCursor hasPreviousPage", "hasNextPage", "__typename"])
async def test_an_empty_page_of_nothing_is_a_page(api: Api, wanted: str) -> None:
    lists = " ".join(
        f"{name}(first: 0) {{ pageInfo {{ {wanted} }} }}"
        for name in ("accounts", "communications", "promises", "payments")
    )
    query = f"{{ debtors(first: 100) {{ edges {{ node {{ reference {lists} }} }} }} }}"
    with watched(compiled=True) as answers:
        by_statement = await api.ask(query)
    assert answers == [True]
    with watched(compiled=False):
        assert await api.ask(query) == by_statement


NOT_COMPILED = {
    "attributes": "{ debtors(first: 1) { edges { node { attributes } } } }",
    "a size of a segment": "{ debtors(first: 1) { edges { node { segment { debtorCount } } } } }",
    "a recommendation": '{ debtorByReference(reference: "D0000010") { recommendation { evidence } } }',
    "another field beside": "{ debtors(first: 1) { totalCount } segments { key } }",
    "no such page": "{ debtors(first: 101) { totalCount } }",
    "a foreign cursor": '{ debtors(first: 1, after: "nonsense") { totalCount } }',
    "an unknown field": "{ debtors(first: 1) { nothing } }",
    "introspection": "{ __schema { queryType { name } } }",
}


@pytest.mark.parametrize("query", NOT_COMPILED.values(), ids=NOT_COMPILED)
async def test_what_is_left_to_ordinary_execution(api: Api, query: str) -> None:
    with watched(compiled=True) as answers:
        await api.send(query)
    assert answers == [False]


@pytest.mark.parametrize("query", ["node(id: $id)", "nodes(ids: [$id])"])
async def test_a_node_of_which_something_is_not_compiled_is_left_as_a_whole(api: Api, query: str) -> None:
    found = await api.ask(
        "{ debtors(first: 1) { edges { node { id accounts(first: 1) { edges { node { id } } } } } } }"
    )
    debtor = found["debtors"]["edges"][0]["node"]
    account = debtor["accounts"]["edges"][0]["node"]["id"]
    asked = f"query ($id: ID!) {{ {query} {{ id ... on Debtor {{ attributes }} }} }}"
    with watched(compiled=True) as answers:
        by_statement = await api.ask(asked, id=debtor["id"])
        await api.ask(asked, id=account)
    assert answers == [False, True]
    with watched(compiled=False):
        assert await api.ask(asked, id=debtor["id"]) == by_statement


async def test_what_a_role_may_not_read_is_refused(api_of, sample_tenant: int) -> None:
    ingest = await api_of(sample_tenant, Role.INGEST)
    with watched(compiled=True) as answers:
        error = await ingest.error("{ debtors(first: 1) { totalCount } }")
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert answers == [False]


async def test_personal_data_is_refused_to_a_key_without_leave(
    api_of, client: httpx.AsyncClient, database: Database, sample_tenant: int
) -> None:
    admin = await api_of(sample_tenant)
    key = await create_key(database, sample_tenant, Role.ADMIN, reads_personal_data=False, now=NOW)
    restricted = Api(client, key)
    query = "{ debtors(first: 1) { edges { node { reference %s } } } }"
    with watched(compiled=True) as answers:
        await admin.ask(query % "name")
        error = await restricted.error(query % "name")
        await restricted.ask(query % "country")
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert answers == [True, False, True]


async def test_columns_that_are_behind_are_brought_up_first(
    api_of, database: Database, owner_url: str
) -> None:
    key = f"late{uuid.uuid4().hex[:12]}"
    tenant_id = await create_tenant(owner_url, key=key, name=key, currency="EUR")
    await merge_odd_facts(database, tenant_id, seed=2)
    api = await api_of(tenant_id)
    query = "{ debtors(first: 5) { edges { node { daysPastDue segment { key } } } } }"
    async with database.transaction(tenant_id) as connection:
        await connection.execute(
            text("UPDATE debtor SET segment_key = 'OLD', state_until = :at"), {"at": NOW}
        )
    with watched(compiled=True) as answers:
        first, second = await api.ask(query), await api.ask(query)
    assert answers == [False, True]
    assert first == second
    assert "OLD" not in str(first)


async def test_a_database_that_does_not_answer_is_told_by_ordinary_execution(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ConnectionResetError("gone")

    monkeypatch.setattr(DirectConnections, "value", fail)
    assert (await api.ask("{ debtors(first: 1) { totalCount } }"))["debtors"]["totalCount"] > 0


def test_every_field_of_a_fact_is_known_or_left_out_on_purpose() -> None:
    left = {"Debtor": {"attributes", "recommendation"}, "Segment": {"where", "debtorCount"}}
    schema = build_schema()._schema
    for kind in SHAPES:
        fields = schema.type_map[kind].fields
        assert {name for name in fields if not is_known(kind, name)} == left.get(kind, set()), kind
    assert set(NODE_KINDS) <= set(SHAPES)
