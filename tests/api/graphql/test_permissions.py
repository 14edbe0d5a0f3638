"""Who may use which root field: every field of the schema with every role, asked of the real endpoint."""

import pytest
from graphql import GraphQLObjectType
from starlette.applications import Starlette

from api.graphql.ids import global_id
from api.graphql.schema import build_schema
from domain.vocabulary import Role
from tests.api.http.sockets import websocket
from tests.api.portfolio import Api

READ = {Role.READER, Role.CAMPAIGN, Role.OPS, Role.ADMIN}
DECIDE = {Role.CAMPAIGN, Role.ADMIN}
INGEST = {Role.INGEST, Role.ADMIN}
OPERATE = {Role.OPS, Role.ADMIN}
ADMIN = {Role.ADMIN}

PERIOD = '{from: "2026-04-01T00:00:00Z", to: "2026-05-01T00:00:00Z"}'


def of(kind: str) -> str:
    return f'(id: "{global_id(kind, 1)}")'


#: Field: who may, and how it is asked. A field without a line here fails below: somebody has to decide who may.
QUERIES = {
    "node": (READ, of("Debtor") + " { id }"),
    "nodes": (READ, f'(ids: ["{global_id("Debtor", 1)}"]) {{ id }}'),
    "debtor": (READ, of("Debtor") + " { id }"),
    "debtorByReference": (READ, '(reference: "D") { id }'),
    "debtors": (READ, "{ totalCount edges { node { id } } }"),
    "communications": (READ, "{ totalCount edges { node { id } } }"),
    "promises": (READ, "{ totalCount edges { node { id } } }"),
    "segments": (READ, "{ key }"),
    "segmentsPendingSince": (READ, ""),
    "kpis": (READ, f"(period: {PERIOD}) {{ messages(by: []) {{ sent }} }}"),
    "kpiForecast": (READ, "(horizonDays: 7, policy: CURRENT) { asOf }"),
    "segmentRecommendations": (READ, "{ segment { key } }"),
    "debtorRecommendations": (READ, '(references: ["D"]) { reference }'),
    "decision": (READ, of("Decision") + " { id }"),
    "campaign": (READ, of("Campaign") + " { id }"),
    "campaigns": (READ, "{ totalCount }"),
    "trainingRun": (READ, of("TrainingRun") + " { id }"),
    "modelVersions": (READ, "{ totalCount }"),
    "auditLog": (ADMIN, "{ totalCount }"),
}
MUTATIONS = {
    "defineSegments": (DECIDE, "(input: []) { __typename }"),
    "decide": (DECIDE, "(input: {references: []}) { __typename }"),
    "planCampaign": (DECIDE, f'(input: {{name: "May", within: {PERIOD}}}) {{ __typename }}'),
    "trainModels": (OPERATE, "(input: {}) { __typename }"),
    "cancelTraining": (OPERATE, of("TrainingRun") + " { __typename }"),
    "promoteModel": (OPERATE, of("ModelVersion") + " { __typename }"),
    "rollBackModel": (OPERATE, "{ __typename }"),
    "upsertDebtors": (INGEST, "(input: []) { accepted }"),
    "upsertAccounts": (INGEST, "(input: []) { accepted }"),
    "recordCommunications": (INGEST, "(input: []) { accepted }"),
    "recordEvents": (INGEST, "(input: []) { accepted }"),
    "recordPayments": (INGEST, "(input: []) { accepted }"),
    "recordPromises": (INGEST, "(input: []) { accepted }"),
}
SUBSCRIPTIONS = {
    "trainingProgress": (READ, of("TrainingRun") + " { id }"),
    "kpisChanged": (READ, f"(period: {PERIOD}) {{ asOf }}"),
}


def test_somebody_decided_who_may_use_each_field() -> None:
    schema = build_schema()._schema
    for root, table in (
        (schema.query_type, QUERIES),
        (schema.mutation_type, MUTATIONS),
        (schema.subscription_type, SUBSCRIPTIONS),
    ):
        assert isinstance(root, GraphQLObjectType)
        assert set(root.fields) == set(table)


def is_refused(answer: dict, role: Role) -> bool:
    errors = answer.get("errors") or []
    refused = [error for error in errors if error["extensions"]["code"] == "FORBIDDEN"]
    if refused:
        assert role.value in refused[0]["message"]
        assert not any((answer["data"] or {}).values())
    assert not any(error["extensions"]["code"] == "INTERNAL_SERVER_ERROR" for error in errors), errors
    return bool(refused)


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_may_use_what_is_its_own_and_nothing_else(api_of, tenant_id: int, role: Role) -> None:
    api: Api = await api_of(tenant_id, role)
    found = {}
    for operation, table in (("query", QUERIES), ("mutation", MUTATIONS)):
        for field, (_, asked) in table.items():
            found[field] = is_refused(await api.send(f"{operation} {{ {field}{asked} }}"), role)
    assert found == {field: role not in may for field, (may, _) in (QUERIES | MUTATIONS).items()}


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_may_watch_what_is_its_own_and_nothing_else(
    app: Starlette, api_of, tenant_id: int, role: Role
) -> None:
    api: Api = await api_of(tenant_id, role)
    for field, (may, asked) in SUBSCRIPTIONS.items():
        async with websocket(app, authorization=f"Bearer {api.key}") as socket:
            await socket.send({"type": "connection_init"})
            assert (await socket.receive())["type"] == "connection_ack"
            payload = {"query": f"subscription {{ {field}{asked} }}"}
            await socket.send({"type": "subscribe", "id": "1", "payload": payload})
            if field == "kpisChanged" and role in may:  # nothing has changed, so nothing is told
                continue
            frame = await socket.receive()
        told = frame["payload"]
        errors = told if isinstance(told, list) else told.get("errors", [])
        refused = any(error["extensions"]["code"] == "FORBIDDEN" for error in errors)
        assert refused == (role not in may), (field, role, frame)


@pytest.mark.parametrize("role", list(Role))
async def test_what_may_be_read_is_refused_beside_what_may_not(api_of, tenant_id: int, role: Role) -> None:
    """One operation of an allowed and a forbidden field answers nothing of either: both are non-null."""
    api: Api = await api_of(tenant_id, role)
    answer = await api.send("{ segments { key } auditLog { totalCount } }")
    assert is_refused(answer, role) == (role is not Role.ADMIN)
