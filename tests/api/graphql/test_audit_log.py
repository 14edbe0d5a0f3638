"""The audit log: every mutation leaves its entry in the transaction of its change, and none can be taken back."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.auth import create_key
from api.graphql.ids import global_id
from api.graphql.schema import build_schema
from api.http import create_app
from api.jobs.queue import JobQueue
from api.jobs.system import create_job_tables
from api.settings import Settings
from api.training.service import TrainingService
from domain.storage.sessions import Database
from domain.vocabulary import Role
from tests.api.learned import AS_OF, Learned
from tests.api.models import open_nothing
from tests.api.portfolio import NOW, Api

WITHIN = {"from": "2026-05-01T00:00:00Z", "to": "2026-05-08T00:00:00Z"}
LOG = """query ($where: AuditWhere, $first: Int, $after: String) {
    auditLog(first: $first, after: $after, where: $where) { totalCount pageInfo { hasNextPage endCursor }
    edges { node { at action role key subject outcome code ids counts } } } }"""
INSTANT = "2026-04-30T10:00:00Z"


@pytest_asyncio.fixture(loop_scope="session")
async def client(database: Database, owner_url: str, services) -> AsyncIterator[httpx.AsyncClient]:
    """The application with real training runs, without a worker."""
    create_job_tables(owner_url)
    queue = JobQueue(owner_url)
    real = replace(
        services, training=TrainingService(database, queue, lambda: NOW + timedelta(days=800), open_nothing)
    )
    transport = httpx.ASGITransport(app=create_app(real, Settings(), clock=lambda: NOW))
    async with httpx.AsyncClient(transport=transport, base_url="http://dunwell.test") as client:
        yield client
    queue.close()


async def entries(api: Api, **where: object) -> list[dict]:
    found = (await api.ask(LOG, where=where, first=100))["auditLog"]
    return [edge["node"] for edge in found["edges"]]


def mutation(name: str, kind: str, then: str = "{ __typename }") -> str:
    argument = "id" if kind == "ID!" else "input"
    return (
        f"mutation ($v: {kind}) {{ {name}({argument}: $v) {then} }}"
        if kind
        else f"mutation {{ {name}{then} }}"
    )


async def asked_of_all(api: Api, learned: Learned) -> dict[str, tuple[str, object]]:
    """Every mutation, and a value with which it does something."""
    first = global_id("ModelVersion", await learned.store())
    second = global_id("ModelVersion", await learned.store(promote=False))
    assert first != second
    fact = {"debtor": "AUDITED-1", "account": "AUDITED-1", "amount": "10", "currency": "EUR"}
    return {
        "upsertDebtors": ("[DebtorInput!]!", [{"reference": "AUDITED-1", "name": "Ana", "country": "ES"}]),
        "upsertAccounts": (
            "[AccountInput!]!",
            [
                {"reference": "AUDITED-1", "debtor": "AUDITED-1", "product": "CARD", "currency": "EUR"}
                | {"principal": "100", "openedOn": "2026-01-01", "dueOn": "2026-02-01"}
            ],
        ),
        "recordCommunications": (
            "[CommunicationInput!]!",
            [
                {"reference": "AUDITED-1", "debtor": "AUDITED-1", "channel": "EMAIL", "direction": "OUTBOUND"}
                | {"sentAt": INSTANT}
            ],
        ),
        "recordEvents": (
            "[EventInput!]!",
            [
                {"reference": "AUDITED-1", "debtor": "AUDITED-1", "communication": "AUDITED-1"}
                | {"kind": "OPENED", "occurredAt": INSTANT}
            ],
        ),
        "recordPayments": (
            "[PaymentInput!]!",
            [{name: fact[name] for name in ("account", "amount", "currency")} | {"reference": "AUDITED-1"}
             | {"paidAt": INSTANT}],
        ),
        "recordPromises": (
            "[PromiseInput!]!",
            [{name: fact[name] for name in ("account", "amount", "currency")} | {"reference": "AUDITED-1"}
             | {"promisedAt": INSTANT, "dueOn": "2026-05-20", "direction": "INBOUND"}],
        ),
        "defineSegments": ("[SegmentInput!]!", [{"key": "ALL", "name": "Everybody", "where": {}}]),
        "decide": ("DecideInput!", {"references": learned.references[:2], "asOf": AS_OF.isoformat()}),
        "planCampaign": ("PlanCampaignInput!", {"name": "May", "within": WITHIN, "asOf": AS_OF.isoformat()}),
        "trainModels": ("TrainModelsInput!", {}),
        "cancelTraining": ("ID!", None),
        "promoteModel": ("ID!", second),
        "rollBackModel": ("", None),
    }  # fmt: skip


async def test_every_mutation_leaves_an_entry_of_who_did_what(
    client: httpx.AsyncClient, database: Database, learned: Learned
) -> None:
    key = await create_key(database, learned.tenant_id, Role.ADMIN, now=NOW)
    api = Api(client, key)
    mutations = await asked_of_all(api, learned)
    assert set(mutations) == set(build_schema()._schema.mutation_type.fields)
    number = (await entries(api, action={"eq": "createKey"}))[0]["ids"]
    made = {}
    for name, (kind, value) in mutations.items():
        if name == "cancelTraining":
            value = made["trainModels"]["ids"][0]  # noqa: PLW2901
        before = (await api.ask(LOG, first=0))["auditLog"]["totalCount"]
        await api.ask(mutation(name, kind), v=value)
        found = (await api.ask(LOG, first=1, where={"at": {"lte": NOW.isoformat()}}))["auditLog"]
        assert (await api.ask(LOG, first=0))["auditLog"]["totalCount"] == before + 1, name
        made[name] = found["edges"][0]["node"]
        assert made[name]["action"] == name
        assert (made[name]["outcome"], made[name]["code"]) == ("DONE", None), name
        assert made[name]["role"] == "ADMIN"
        assert global_id("ApiKey", int(made[name]["key"])) in number
        assert made[name]["subject"] is None
        assert made[name]["at"] == NOW.isoformat().replace("+00:00", "Z")
        assert made[name]["ids"] or name == "defineSegments"
    assert len(made["decide"]["ids"]) == 2
    (debtor,) = made["upsertDebtors"]["ids"]
    found = await api.ask('{ debtorByReference(reference: "AUDITED-1") { id } }')
    assert debtor == found["debtorByReference"]["id"]
    assert made["recordEvents"]["ids"] == [debtor]
    for name in ("upsertDebtors", "recordPayments", "recordEvents"):
        assert made[name]["counts"] == {"accepted": 1, "duplicates": 0, "rejected": 0}
    assert made["promoteModel"]["ids"] == [mutations["promoteModel"][1]]
    assert made["cancelTraining"]["ids"] == made["trainModels"]["ids"]
    assert made["defineSegments"]["counts"] == {"segments": 1}
    await api.ask(mutation("defineSegments", "[SegmentInput!]!"), v=[])


async def test_what_is_refused_is_told_with_its_code(
    client, api_of, database: Database, tenant_id: int
) -> None:
    reader = Api(client, await create_key(database, tenant_id, Role.READER, now=NOW))
    admin = Api(client, await create_key(database, tenant_id, Role.ADMIN, now=NOW))
    await reader.error(mutation("recordPayments", "[PaymentInput!]!"), v=[])
    await admin.error(mutation("promoteModel", "ID!"), v="junk")
    await admin.ask(mutation("rollBackModel", ""))
    twice = [{"key": "A", "name": "A", "where": {}}] * 2
    await admin.ask(mutation("defineSegments", "[SegmentInput!]!"), v=twice)
    found = [(one["action"], one["role"], one["code"]) for one in await entries(admin, outcome=["REFUSED"])]
    assert found[::-1][:3] == [
        ("recordPayments", "READER", "FORBIDDEN"),
        ("promoteModel", "ADMIN", "BAD_USER_INPUT"),
        ("rollBackModel", "ADMIN", "NO_PREVIOUS_CHAMPION"),
    ]
    assert found[0][0] == "defineSegments"
    assert all(one["ids"] == [] for one in await entries(admin, outcome=["REFUSED"]))


async def test_a_bad_item_is_counted_and_not_named(client, database: Database, tenant_id: int) -> None:
    admin = Api(client, await create_key(database, tenant_id, Role.ADMIN, now=NOW))
    bad = {"reference": "Jane Doe\n", "name": "Jane Doe", "country": "ES"}
    good = {**bad, "reference": "D-1"}
    await admin.ask(mutation("upsertDebtors", "[DebtorInput!]!"), v=[bad, good, good])
    (entry,) = await entries(admin, action={"eq": "upsertDebtors"})
    assert len(entry["ids"]) == 1
    assert entry["counts"] == {"accepted": 1, "duplicates": 1, "rejected": 1}
    assert "Jane" not in json.dumps(entry)


async def test_no_entry_no_change(client, database: Database, owner_url: str, tenant_id: int) -> None:
    """The entry and the change stand or fall together: where the one can't be written, the other isn't either."""
    admin = Api(client, await create_key(database, tenant_id, Role.ADMIN, now=NOW))
    debtor = [{"reference": "D-1", "name": "Ana", "country": "ES"}]
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(
            "ALTER TABLE audit_entry ADD CONSTRAINT broken CHECK (action <> 'upsertDebtors') NOT VALID"
        )
        try:
            error = await admin.error(mutation("upsertDebtors", "[DebtorInput!]!"), v=debtor)
        finally:
            owner.execute("ALTER TABLE audit_entry DROP CONSTRAINT broken")
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert (await admin.ask("{ debtors { totalCount } }"))["debtors"]["totalCount"] == 0
    await admin.ask(mutation("upsertDebtors", "[DebtorInput!]!"), v=debtor)
    assert (await admin.ask("{ debtors { totalCount } }"))["debtors"]["totalCount"] == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET action = 'nothing'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "ALTER TABLE audit_entry DISABLE ROW LEVEL SECURITY",
        "DROP TABLE audit_entry",
    ],
)
async def test_nobody_takes_an_entry_back(database: Database, tenant_id: int, statement: str) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        async with database.transaction(tenant_id) as connection:
            await connection.execute(text(statement))


async def test_the_log_is_paged_and_filtered(client, database: Database, tenant_id: int) -> None:
    admin = Api(client, await create_key(database, tenant_id, Role.ADMIN, now=NOW - timedelta(days=2)))
    for _ in range(5):
        await admin.ask(mutation("recordEvents", "[EventInput!]!"), v=[])
    seen, after = [], None
    while True:
        page = (await admin.ask(LOG, first=2, after=after))["auditLog"]
        seen += [edge["node"]["action"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["recordEvents"] * 5 + ["createKey"]
    assert page["totalCount"] == 6
    (made,) = await entries(admin, at={"lt": (NOW - timedelta(days=1)).isoformat()})
    assert (made["action"], made["role"], made["key"]) == ("createKey", None, None)
    own = (await entries(admin, action={"startsWith": "record"}))[0]["key"]
    assert len(await entries(admin, key=own)) == 5
    assert await entries(admin, key="999999999") == []
    assert await entries(admin, role=["READER"]) == await entries(admin, subject={"eq": "x"}) == []
    for bad in ("x", "-1", "0", "9" * 30):
        error = await admin.error(LOG, where={"key": bad})
        assert error["extensions"]["argument"] == ["where", "key"]


async def test_commands_are_told_as_such(
    client, database: Database, owner_url: str, tmp_path, learned
) -> None:
    admin = Api(client, await create_key(database, learned.tenant_id, Role.ADMIN, now=NOW))
    (imported,) = await entries(admin, action={"eq": "import"})
    assert imported["counts"]["debtors"] == len(learned.debtors)
    assert (imported["role"], imported["key"], imported["ids"]) == (None, None, [])
    (made,) = await entries(admin, action={"eq": "createTenant"})
    assert made["outcome"] == "DONE"
