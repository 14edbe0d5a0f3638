"""Personal data: shown to whom it may be, found out by nobody else, and in no log, metric or error text."""

import copy
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from graphql import GraphQLEnumType, GraphQLObjectType, GraphQLScalarType, get_named_type
from sqlalchemy import text
from starlette.applications import Starlette

from api.auth import create_key
from api.graphql.personal import PERSONAL_FIELDS, PERSONAL_INPUTS
from api.graphql.schema import build_schema
from domain.storage.sessions import Database
from domain.vocabulary import Role
from tests.api.http.sockets import websocket
from tests.api.portfolio import NOW, OPERATIONS, Api, operation, operation_names
from tests.conftest import ROOT

VARIABLES = json.loads((ROOT / "docs/contract/variables.json").read_text())
PERIOD = {"from": "2026-01-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}

#: What is stated of people, and is not personal: references are the creditor's own, and tell nothing outside.
IMPERSONAL = {
    "Debtor": "id reference country region language timeZone daysPastDue lastContactedAt",
    "ContactPoint": "channel status verifiedAt consentedAt optedOutAt",
    "Agent": "id reference team",
    "Account": "id reference product openedOn dueOn closedOn daysPastDue bucket",
    "Communication": "id reference channel direction template campaign sentAt deliveredAt bouncedAt bounceKind "
    "openedAt machineOpenedAt clickedAt landedAt convertedAt",
    "Promise": "id reference promisedAt dueOn direction status",
    "Payment": "id reference paidAt reversedAt method",
}


def test_of_each_fact_about_people_somebody_decided_whether_it_is_personal() -> None:
    types = build_schema()._schema.type_map
    for name, impersonal in IMPERSONAL.items():
        kind = types[name]
        assert isinstance(kind, GraphQLObjectType)
        leaves = {
            field
            for field, of in kind.fields.items()
            if isinstance(get_named_type(of.type), GraphQLScalarType | GraphQLEnumType)
        }
        personal = {field for of, field in PERSONAL_FIELDS if of == name}
        assert leaves == personal | set(impersonal.split()), name


def test_what_the_schema_calls_personal_is_and_nothing_else() -> None:
    said = set()
    for name, kind in build_schema()._schema.type_map.items():
        for field, of in getattr(kind, "fields", {}).items():
            if "Personal." in (of.description or ""):
                said.add((name, field))
    assert said == PERSONAL_FIELDS | PERSONAL_INPUTS


@pytest.fixture
async def restricted(client: httpx.AsyncClient, database: Database, sample_tenant: int) -> Api:
    """An ADMIN in all but personal data."""
    return Api(
        client, await create_key(database, sample_tenant, Role.ADMIN, reads_personal_data=False, now=NOW)
    )


WHERE = "query ($w: DebtorWhere) { debtors(where: $w) { totalCount } }"
USES = [
    ("{ debtors { edges { node { name } } } }", {}, "Debtor.name"),
    ("{ debtors { edges { node { called: name } } } }", {}, "Debtor.name"),
    ('{ debtorByReference(reference: "D0000010") { attributes } }', {}, "Debtor.attributes"),
    ("{ debtors { edges { node { contactPoints { channel address } } } } }", {}, "ContactPoint.address"),
    ("{ communications { edges { node { debtor { name } } } } }", {}, "Debtor.name"),
    ("{ promises { edges { node { agent { name } } } } }", {}, "Agent.name"),
    ("query ($p: PeriodInput!) { kpis(period: $p) { agents { agent { name } } } }", {"p": PERIOD}, "Agent.name"),
    ('{ node(id: "RGVidG9yOjE=") { ... on Debtor { name } } }', {}, "Debtor.name"),
    ("{ debtors { edges { node { ...A } } } } fragment A on Debtor { ...B } fragment B on Debtor { name }",
     {}, "Debtor.name"),
    ("{ debtors { edges { node { ... { name } } } } }", {}, "Debtor.name"),
    ("query ($b: Boolean!) { debtors { edges { node { name @include(if: $b) } } } }", {"b": True}, "Debtor.name"),
    ("query ($b: Boolean = false) { debtors { edges { node { name @skip(if: $b) } } } }", {}, "Debtor.name"),
    ('{ debtors(where: {name: {startsWith: "a"}}) { totalCount } }', {}, "DebtorWhere.name"),
    ('{ debtors(where: {not: {or: [{and: {name: {eq: "a"}}}]}}) { totalCount } }', {}, "DebtorWhere.name"),
    ("query ($f: StringFilter) { debtors(where: {name: $f}) { totalCount } }", {"f": {"eq": "a"}}, "DebtorWhere.name"),
    (WHERE, {"w": {"or": [{"name": {"startsWith": "a"}}]}}, "DebtorWhere.name"),
    (WHERE, {"w": {"birthDate": {"gte": "1980-01-01"}}}, "DebtorWhere.birthDate"),
    (WHERE, {"w": {"attributes": [{"key": "x_a", "eq": "b"}]}}, "DebtorWhere.attributes"),
    ('query ($w: DebtorWhere = {name: {eq: "a"}}) { debtors(where: $w) { totalCount } }', {}, "DebtorWhere.name"),
    ("{ debtors(orderBy: [{field: NAME}]) { edges { cursor } } }", {}, "DebtorOrderField.NAME"),
    ("{ debtors(orderBy: {field: NAME}) { edges { cursor } } }", {}, "DebtorOrderField.NAME"),
    (
        "query ($o: [DebtorOrder!]) { debtors(orderBy: $o) { edges { cursor } } }",
        {"o": [{"field": "REFERENCE"}, {"field": "NAME"}]},
        "DebtorOrderField.NAME",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("query", "variables", "field"), USES, ids=[use[0][:70] for use in USES])
async def test_who_may_not_read_personal_data_is_told_which_field_is(
    api: Api, restricted: Api, query: str, variables: dict, field: str
) -> None:
    await api.ask(
        query, **variables
    )  # whoever may is not kept from it, and whatever is remembered of it changes nothing
    response = await restricted.post({"query": query, "variables": variables})
    answer = response.json()
    assert "data" not in answer
    (error,) = answer["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN", "field": field}
    assert field in error["message"]
    assert error["locations"]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ debtors { edges { node { reference contactPoints { channel status } } } } }", {}),
        ("query ($b: Boolean!) { debtors { edges { node { reference name @include(if: $b) } } } }", {"b": False}),
        ("query ($b: Boolean!) { debtors { edges { node { reference ... @skip(if: $b) { name } } } } }", {"b": True}),
        (WHERE, {"w": {"name": None, "country": {"eq": "ES"}}}),
        (WHERE, {}),
        ("query ($f: StringFilter) { debtors(where: {name: $f}) { totalCount } }", {}),
        ("query A { debtors { totalCount } } query B { debtors { edges { node { name } } } }", {}),
        ("{ segments { key name where } __typename }", {}),
    ],
)  # fmt: skip
async def test_the_rest_is_answered(restricted: Api, query: str, variables: dict) -> None:
    body = {
        "query": query,
        "variables": variables,
        "operationName": "A" if query.startswith("query A") else None,
    }
    assert "errors" not in (await restricted.post(body)).json()


async def test_a_mutation_whose_answer_would_show_a_name_changes_nothing(
    restricted: Api, database: Database, sample_tenant: int
) -> None:
    async def decided() -> int:
        async with database.transaction(sample_tenant) as connection:
            return int(await connection.scalar(text("SELECT count(*) FROM decision")) or 0)

    before = await decided()
    query = """mutation ($r: [String!]!) { decide(input: {references: $r}) { ... on DecideReport {
        decisions { decision { debtor { name } } } } } }"""
    assert (await restricted.error(query, r=["D0000010"]))["extensions"]["field"] == "Debtor.name"
    segments = """mutation {
        defineSegments(input: [{key: "A", name: "A", where: {name: {startsWith: "a"}}}]) { __typename } }"""
    assert (await restricted.error(segments))["extensions"]["field"] == "DebtorWhere.name"
    plan = """mutation ($w: PeriodInput!) {
        planCampaign(input: {name: "a", within: $w, where: {birthDate: {gte: "1980-01-01"}}}) { __typename } }"""
    assert (await restricted.error(plan, w=PERIOD))["extensions"]["field"] == "DebtorWhere.birthDate"
    assert await decided() == before


async def test_a_subscription_shows_no_name_either(app: Starlette, restricted: Api) -> None:
    async with websocket(app, authorization=f"Bearer {restricted.key}") as socket:
        await socket.send({"type": "connection_init"})
        await socket.receive()
        query = "subscription ($p: PeriodInput!) { kpisChanged(period: $p) { agents { agent { name } } } }"
        payload = {"query": query, "variables": {"p": PERIOD}}
        await socket.send({"type": "subscribe", "id": "1", "payload": payload})
        frame = await socket.receive()
    assert frame["type"] == "error"
    assert frame["payload"][0]["extensions"]["code"] == "FORBIDDEN"


# ---------- canaries ----------

CANARY = "Zebulon Quagmire"
PIECES = ("ebulon", "uagmire", "canary-quagga", "700555013", "Quagga Alley")
PERSON = {
    "reference": "CANARY-1",
    "name": CANARY,
    "country": "ES",
    "email": "zebulon@canary-quagga.example",
    "phone": "+34700555013",
    "postalAddress": "13 Quagga Alley",
    "attributes": {"x_note": CANARY},
}


def leaves(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The place of every part of a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from leaves(one, (*path, key))


def planted(variables: dict, path: tuple, what: Any) -> dict:
    """The variables with something else in one place."""
    changed = copy.deepcopy(variables)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = what
    return changed


def asked_with_canaries() -> Iterator[tuple[str, dict]]:
    """Every operation as it is, and with something personal of a wrong kind in each place of its variables."""
    for name in operation_names():
        if name in ("KpisChanged", "TrainingProgress"):
            continue
        variables = VARIABLES.get(name, {})
        yield operation(name), variables
        for path in leaves(variables):
            if path:
                for what in (CANARY, {CANARY: CANARY}, [[CANARY]], [{"name": PERSON["email"]}]):
                    yield operation(name), planted(variables, path, what)
    yield 'mutation { upsertDebtors(input: [{reference: "C", name: "Zebulon Quagmire"}]) { accepted } }', {}
    yield '{ debtors(where: {name: {eq: "Zebulon "Quagmire""}}) { totalCount } }', {}
    yield '{ debtors(where: {name: {eq: "Zebulon Quagmire}}) { totalCount } }', {}
    yield '{ debtors(where: {name: "Zebulon Quagmire"}) { totalCount } }', {}
    yield '{ debtors(first: "Zebulon Quagmire") { totalCount } }', {}
    yield '{ debtors(after: "Zebulon Quagmire") { totalCount } }', {}
    yield "{ communications(where: {channel: {eq: Quagmire}}) { totalCount } }", {}
    yield '{ node(id: "Zebulon Quagmire") { id } }', {}
    yield "Zebulon Quagmire", {}
    yield '"Zebulon Quagmire"', {}


async def test_nothing_personal_is_in_logs_metrics_and_error_texts(
    client: httpx.AsyncClient, api_of, new_tenant, caplog: pytest.LogCaptureFixture, capfd
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, logger="httpx")  # the client's own
    api: Api = await api_of(new_tenant())
    upsert = "mutation ($v: [DebtorInput!]!) { upsertDebtors(input: $v) { accepted } }"
    assert (await api.ask(upsert, v=[PERSON]))["upsertDebtors"] == {"accepted": 1}
    told, failures = [], 0
    with structlog.testing.capture_logs() as logged:
        shown = await api.ask(
            '{ debtorByReference(reference: "CANARY-1") { name attributes contactPoints { address } } }'
        )
        for query, variables in asked_with_canaries():
            response = await api.post({"query": query, "variables": variables})
            assert response.status_code == 200, response.text
            errors = response.json().get("errors", [])
            failures += bool(errors)
            told.append(json.dumps([errors, dict(response.headers)]))
        for body in (
            f'{{"query": "{CANARY}',
            f'["{CANARY}"]',
            f'"{CANARY}"',
            json.dumps({"query": {"a": CANARY}}),
        ):
            headers = {
                "Authorization": f"Bearer {api.key}",
                "Content-Type": "application/json",
                "X-Debtor": CANARY,
            }
            told.append((await client.post("/graphql", content=body, headers=headers)).text)
        told.append(
            (await client.post("/graphql", json={}, headers={"Authorization": f"Bearer {CANARY}"})).text
        )
        told.append((await client.get(f"/p/{CANARY}?name={CANARY}")).text)
        told.append((await client.get("/metrics")).text)
    assert all(piece in json.dumps(shown) for piece in PIECES), "the canaries are there to be found"
    assert failures > 200
    out, err = capfd.readouterr()
    for piece in PIECES:
        assert not [one for one in told if piece in one][:3]
        assert piece not in json.dumps(logged, default=str)
        assert piece not in caplog.text
        assert piece not in out + err
    audit = await api.ask("{ auditLog(first: 100) { edges { node { action code subject ids counts } } } }")
    assert not [piece for piece in PIECES if piece in json.dumps(audit)]


def test_the_canaries_go_through_every_operation() -> None:
    assert len(OPERATIONS.definitions) > len(operation_names()) > 20
