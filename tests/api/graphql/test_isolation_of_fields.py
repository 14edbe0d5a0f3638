"""A tenant with nothing asks everything, with the ids and references of a tenant that has it all: it gets nothing.

Every operation of the contract and every field of the three roots is asked; one that is new fails here until somebody
says how it would be asked for what is another's.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    parse,
    print_ast,
)
from sqlalchemy import select, text
from starlette.applications import Starlette

from api.forecasting.counting import Tallies
from api.forecasting.service import ForecastService
from api.graphql.ids import global_id
from api.graphql.schema import build_schema
from api.http import create_app
from api.jobs.queue import JobQueue
from api.jobs.system import create_job_tables
from api.recommendations.champions import Champions
from api.recommendations.service import RecommendationService
from api.settings import Settings
from api.training.service import TrainingService
from domain.storage import tables
from domain.storage.sessions import Database
from tests.api.graphql.test_permissions import QUERIES
from tests.api.http.sockets import websocket
from tests.api.learned import AS_OF, Learned
from tests.api.models import open_nothing
from tests.api.portfolio import NOW, Api, operation, operation_names
from tests.conftest import ROOT

VARIABLES = json.loads((ROOT / "docs/contract/variables.json").read_text())
WITHIN = {"from": "2026-05-01T00:00:00Z", "to": "2026-05-08T00:00:00Z"}
INSTANT = "2026-04-30T10:00:00Z"
#: Type of node → the table its numbers are of.
NODES = {
    "Debtor": tables.debtor,
    "Account": tables.account,
    "Agent": tables.agent,
    "Communication": tables.communication,
    "Promise": tables.promise,
    "Payment": tables.payment,
    "Decision": tables.decision,
    "Campaign": tables.campaign,
    "ModelVersion": tables.model_version,
    "TrainingRun": tables.training_run,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def foreign(database: Database, learned: Learned) -> dict[str, str]:
    """The tenant that has it all: an id of each kind of node."""
    async with database.transaction(learned.tenant_id) as connection:
        debtor_id = (await connection.execute(select(tables.debtor.c.id).limit(1))).scalar_one()
        await connection.execute(
            tables.campaign.insert().values(
                tenant_id=learned.tenant_id, name="May", status="PLANNED", request={}, by_channel={},
                expected={"money": {}, "reasons": []},
                planned_at=NOW, starts_at=NOW, ends_at=NOW, planned_count=0, held_out_count=0, blocked_count=0,
            )
        )  # fmt: skip
        await connection.execute(
            tables.decision.insert().values(
                tenant_id=learned.tenant_id, debtor_id=debtor_id, decided_at=NOW, propensity=1.0, explored=False,
                arm="PLANNED", eligible=[], blocked_by=[], seed=1, rules_version="ES@1",
            )
        )  # fmt: skip
        return {
            kind: global_id(kind, (await connection.execute(select(table.c.id).limit(1))).scalar_one())
            for kind, table in NODES.items()
        }


@pytest.fixture(scope="module")
def app(
    database: Database, owner_url: str, services, champions: Champions, tmp_path_factory
) -> Iterator[Starlette]:
    """The application as it is served, but for a worker."""
    create_job_tables(owner_url)
    queue = JobQueue(owner_url)
    real = replace(
        services,
        recommendations=RecommendationService(database, champions),
        forecasts=ForecastService(
            database, Tallies(database, tmp_path_factory.mktemp("histories")), champions
        ),
        training=TrainingService(database, queue, lambda: NOW, open_nothing),
    )
    yield create_app(real, Settings(), clock=lambda: NOW)
    queue.close()


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(api_of, new_tenant) -> Api:
    """An ADMIN of a tenant that has nothing."""
    return await api_of(new_tenant())


async def fingerprint(database: Database, tenant_id: int) -> dict[str, str]:
    """All rows of a tenant, table by table."""
    found = {}
    async with database.transaction(tenant_id) as connection:
        for table in tables.TENANT_TABLES:
            digest = text(
                f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"
            )
            found[table] = (await connection.execute(digest)).scalar_one()
    return found


def numbers(answer: Any) -> Iterator[tuple[str, float]]:
    """Every number of an answer, and the field it is of."""
    pairs = (
        answer.items() if isinstance(answer, dict) else enumerate(answer) if isinstance(answer, list) else ()
    )
    for key, value in pairs:
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield str(key), value
        yield from numbers(value)


def assert_nothing(answer: dict[str, Any], ids: set[str]) -> None:
    """Nothing is there, and nothing went wrong on our side."""
    said = json.dumps(answer.get("data"))
    assert not [one for one in ids if one in said], said[:500]
    assert [(field, value) for field, value in numbers(answer.get("data")) if value] == []
    assert '"edges": [{' not in said
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
    assert codes <= {"BAD_USER_INPUT"}, answer


def test_every_kind_of_node_is_tried() -> None:
    schema = build_schema()._schema
    node = schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    assert {kind.name for kind in schema.get_possible_types(node)} == set(NODES)


def asked(name: str, foreign: dict[str, str], learned: Learned) -> Iterator[dict[str, Any]]:
    """The contract's variables of an operation, with what is the other's wherever an id or a reference may stand."""
    (definition,) = (d for d in parse(operation(name)).definitions if isinstance(d, OperationDefinitionNode))
    base = {**VARIABLES.get(name, {})}
    for defined in definition.variable_definitions or ():
        variable, kind = defined.variable.name.value, print_ast(defined.type).strip("[]!")
        if kind == "ID":
            for one in foreign.values():
                many = "[" in print_ast(defined.type)
                yield {**base, variable: [one] if many else one}
            return
        if variable == "reference":
            base[variable] = learned.references[0]
        if variable == "references":
            base[variable] = learned.references[:3]
        if variable not in base and isinstance(defined.type, NonNullTypeNode):
            given = {each[0][0].strip("[]!"): each[0][1] for each in attempts(foreign, learned).values()}
            base[variable] = {"PeriodInput": WITHIN, "Int": 20, **given}[kind]
    yield base


@pytest.mark.parametrize("name", [name for name in operation_names() if f"query {name}" in operation(name)])
async def test_a_query_of_the_contract_shows_nothing_of_anothers(
    stranger: Api, learned: Learned, foreign: dict[str, str], name: str
) -> None:
    for variables in asked(name, foreign, learned):
        answer = await stranger.send(operation(name), **variables)
        for row in (answer.get("data") or {}).get("debtorRecommendations", []):
            assert row["recommendation"] is None
        assert_nothing(answer, set(foreign.values()))


async def test_their_owner_gets_plenty(api_of, learned: Learned, foreign: dict[str, str]) -> None:
    """The questions above are such as find what is there."""
    owner: Api = await api_of(learned.tenant_id)
    for name in (
        "DebtorPage",
        "DebtorCase",
        "Communications",
        "MessageKpis",
        "Segments",
        "SegmentRecommendations",
    ):
        for variables in asked(name, foreign, learned):
            with pytest.raises(AssertionError):
                assert_nothing(await owner.send(operation(name), **variables), set(foreign.values()))
    for one in foreign.values():
        assert (await owner.ask("query ($id: ID!) { node(id: $id) { id } }", id=one))["node"] == {"id": one}


async def test_every_field_of_queries_shows_nothing_of_anothers(
    stranger: Api, learned: Learned, foreign: dict[str, str]
) -> None:
    root = build_schema()._schema.query_type
    assert isinstance(root, GraphQLObjectType)
    own_log = 'auditLog(where: {action: {eq: "import"}}) { totalCount edges { node { ids } } }'
    for field in root.fields:
        _, selection = QUERIES[field]
        tried = [selection]
        if "id:" in selection or "ids:" in selection:
            tried = [re.sub(r'"[A-Za-z0-9+/=]+"', f'"{one}"', selection) for one in foreign.values()]
        if "reference" in selection:
            tried = [re.sub(r'"D"', f'"{one}"', selection) for one in learned.references[:3]]
        for each in tried:
            query = own_log if field == "auditLog" else field + each
            answer = await stranger.send(f"{{ {query} }}")
            if field == "debtorRecommendations":
                (row,) = answer["data"].pop(field)
                assert set(row) == {"reference"}
            assert_nothing(answer, set(foreign.values()))


def attempts(foreign: dict[str, str], learned: Learned) -> dict[str, list[tuple[str, Any]]]:
    """Each mutation, and how it would touch what is another's."""
    reference = learned.references[0]
    money = {"amount": "1", "currency": "EUR"}
    ids = [("ID!", one) for one in foreign.values()]
    return {
        "defineSegments": [("[SegmentInput!]!", [{"key": "MINE", "name": "Mine", "where": {}}])],
        "decide": [("DecideInput!", {"references": learned.references[:3], "asOf": AS_OF.isoformat()})],
        "planCampaign": [("PlanCampaignInput!", {"name": "Mine", "within": WITHIN, "asOf": AS_OF.isoformat()})],
        "trainModels": [("TrainModelsInput!", {})],
        "cancelTraining": ids,
        "promoteModel": ids,
        "rollBackModel": [("", None)],
        "upsertDebtors": [("[DebtorInput!]!", [{"reference": reference, "name": "Mine", "country": "ES"}])],
        "upsertAccounts": [
            ("[AccountInput!]!", [{"reference": "MINE", "debtor": learned.references[1], "product": "CARD",
              "currency": "EUR", "principal": "1", "openedOn": "2026-01-01", "dueOn": "2026-02-01"}])
        ],
        "recordCommunications": [
            ("[CommunicationInput!]!", [{"reference": "MINE", "debtor": who, "channel": "EMAIL",
              "direction": "OUTBOUND", "sentAt": INSTANT, "decisionId": foreign["Decision"]}])
            for who in (reference, learned.references[1])
        ],
        "recordEvents": [
            ("[EventInput!]!", [{"reference": "MINE", "debtor": learned.references[1], "kind": "LANDED",
              "occurredAt": INSTANT}])
        ],
        "recordPayments": [
            ("[PaymentInput!]!", [{"reference": "MINE", "account": f"A{learned.references[1][1:]}", **money,
              "paidAt": INSTANT}])
        ],
        "recordPromises": [
            ("[PromiseInput!]!", [{"reference": "MINE", "account": f"A{learned.references[1][1:]}", **money,
              "promisedAt": INSTANT, "dueOn": "2026-05-20", "direction": "INBOUND"}])
        ],
    }  # fmt: skip


#: What of the stranger's own may come of it.
OWN = {"defineSegments": "SegmentList", "decide": "DecideReport", "trainModels": "TrainingRun"}


async def test_every_mutation_leaves_what_is_anothers_as_it_is(
    stranger: Api, database: Database, learned: Learned, foreign: dict[str, str]
) -> None:
    root = build_schema()._schema.mutation_type
    tried = attempts(foreign, learned)
    assert root is not None
    assert set(tried) == set(root.fields)
    before = await fingerprint(database, learned.tenant_id)
    for name, each in tried.items():
        argument = "id" if each[0][0] == "ID!" else "input"
        is_report = name.startswith(("upsert", "record"))
        selection = "{ accepted rejected { code field } }" if is_report else "{ __typename }"
        for kind, value in each:
            query = (
                f"mutation ($v: {kind}) {{ {name}({argument}: $v) {selection} }}"
                if kind
                else f"mutation {{ {name} {selection} }}"
            )
            answer = await stranger.send(query, v=value)
            if answer.get("errors"):
                assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}, name
            elif not is_report:
                assert answer["data"][name]["__typename"] == OWN.get(name, "UserError"), name
            elif name == "upsertDebtors":  # the same reference names a debtor of one's own
                assert answer["data"][name] == {"accepted": 1, "rejected": []}
            else:
                assert answer["data"][name]["accepted"] == 0, name
                assert answer["data"][name]["rejected"][0]["code"] == "UNKNOWN_REFERENCE", name
    assert await fingerprint(database, learned.tenant_id) == before


async def test_a_mutation_of_the_contract_leaves_it_as_it_is_too(
    stranger: Api, database: Database, learned: Learned, foreign: dict[str, str]
) -> None:
    names = [name for name in operation_names() if f"mutation {name}" in operation(name)]
    assert len(names) >= 10
    before = await fingerprint(database, learned.tenant_id)
    for name in names:
        for variables in asked(name, foreign, learned):
            answer = await stranger.send(operation(name), **variables)
            codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
            assert codes <= {"BAD_USER_INPUT"}, (name, answer)
            said = json.dumps(answer.get("data"))
            assert not [one for one in foreign.values() if one in said], name
    assert await fingerprint(database, learned.tenant_id) == before


async def test_every_subscription_tells_nothing_of_anothers(
    app: Starlette, stranger: Api, api_of, learned: Learned, foreign: dict[str, str]
) -> None:
    root = build_schema()._schema.subscription_type
    assert root is not None
    assert set(root.fields) == {"trainingProgress", "kpisChanged"}
    watched = {name for name in operation_names() if parse_operation(name) is OperationType.SUBSCRIPTION}
    assert watched == {"TrainingProgress", "KpisChanged"}
    async with websocket(app, authorization=f"Bearer {stranger.key}") as socket:
        await socket.send({"type": "connection_init"})
        await socket.receive()
        for one in foreign.values():
            payload = {"query": operation("TrainingProgress"), "variables": {"id": one}}
            await socket.send({"type": "subscribe", "id": one, "payload": payload})
            frame = await socket.receive()
            told = frame["payload"] if isinstance(frame["payload"], list) else frame["payload"]["errors"]
            assert told[0]["extensions"]["code"] == "BAD_USER_INPUT"
            if frame["type"] == "next":
                assert (await socket.receive())["type"] == "complete"
        payload = {"query": operation("KpisChanged"), "variables": VARIABLES["KpisChanged"]}
        await socket.send({"type": "subscribe", "id": "k", "payload": payload})
        await asyncio.sleep(0.2)
        mutation = "mutation ($v: [EventInput!]!) { recordEvents(input: $v) { accepted } }"
        landing = {"reference": "FOREIGN", "debtor": learned.references[0], "kind": "LANDED"}
        landing["occurredAt"] = VARIABLES["KpisChanged"]["period"]["from"]
        theirs = await (await api_of(learned.tenant_id)).ask(mutation, v=[landing])
        assert theirs["recordEvents"] == {"accepted": 1}
        await asyncio.sleep(2.5)  # two looks at what has changed
        assert socket.from_app.empty()
        await stranger.ask(
            'mutation { upsertDebtors(input: [{reference: "OWN", name: "Own", country: "ES"}]) { accepted } }'
        )
        await stranger.ask(mutation, v=[{**landing, "debtor": "OWN"}])
        assert (await socket.receive())["type"] == "next", "what is one's own is told"


def parse_operation(name: str) -> OperationType:
    (definition,) = (d for d in parse(operation(name)).definitions if isinstance(d, OperationDefinitionNode))
    return definition.operation
