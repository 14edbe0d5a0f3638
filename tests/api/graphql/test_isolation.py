"""Two tenants with the same portfolio: every served operation shows each its own rows and nothing of the other's."""

import json
import re
from typing import Any

import pytest
import pytest_asyncio

from domain.storage.sessions import Database
from tests.api.conftest import tenant_with_sample
from tests.api.portfolio import Api, operation
from tests.conftest import ROOT
from tests.domain.storage.rollups.rollups import refresh

VARIABLES = json.loads((ROOT / "docs/contract/variables.json").read_text())
READS = [
    "Debtors",
    "DebtorCount",
    "DebtorPage",
    "DebtorCase",
    "Communications",
    "Promises",
    "MessageKpis",
    "TrafficKpis",
    "AgentKpis",
    "PortfolioKpis",
    "Segments",
    "SegmentRecommendations",
    "DebtorRecommendations",
    "ModelVersions",
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other_tenant(database, owner_url: str, tmp_path_factory: pytest.TempPathFactory) -> int:
    return await tenant_with_sample(database, owner_url, tmp_path_factory)


def ids_in(answer: Any) -> set[str]:
    return set(re.findall(r'"id": "([^"]+)"', json.dumps(answer)))


@pytest.mark.parametrize("name", READS)
async def test_the_same_question_shows_each_tenant_only_its_own(
    database: Database, api_of, sample_tenant, other_tenant, name
) -> None:
    for tenant_id in (sample_tenant, other_tenant):
        await refresh(
            database, tenant_id
        )  # percentiles from days already counted may differ from the facts' by 1 %
    variables = {"first": 20, **VARIABLES.get(name, {})}
    own, other = [
        await (await api_of(t)).ask(operation(name), **variables) for t in (sample_tenant, other_tenant)
    ]
    assert ids_in(own).isdisjoint(ids_in(other))
    counted = [
        json.loads(re.sub(r'"(id|endCursor|cursor)": "[^"]+"', r'"\1": ""', json.dumps(a)))
        for a in (own, other)
    ]
    if name != "ModelVersions":
        assert counted[0] == counted[1], "the other tenant's twin rows would double what is counted"


async def test_another_tenants_ids_are_nobodys(api_of, sample_tenant: int, other_tenant: int) -> None:
    own, other = await api_of(sample_tenant), await api_of(other_tenant)
    foreign = ids_in(await other.ask(operation("DebtorCase"), reference="D0000010"))
    assert len(foreign) > 5
    found = (await own.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=sorted(foreign)))["nodes"]
    assert found == [None] * len(foreign)
    for one in foreign:
        assert (await own.ask("query ($id: ID!) { node(id: $id) { id } }", id=one))["node"] is None


async def test_writing_names_rows_of_the_own_tenant_only(api_of, new_tenant, sample_tenant: int) -> None:
    stranger: Api = await api_of(new_tenant())
    payment = {
        "reference": "P-X",
        "account": "A0000010",
        "amount": "1",
        "currency": "DKK",
        "paidAt": "2026-05-01T08:00:00Z",
    }
    report = (await stranger.ask(operation("RecordPayments"), input=[payment]))["recordPayments"]
    assert report["accepted"] == 0
    assert report["rejected"][0]["field"] == "account"


async def test_a_key_of_one_tenant_cannot_be_turned_into_anothers(
    api_of, client, sample_tenant, other_tenant
) -> None:
    key = (await api_of(sample_tenant)).key
    forged = Api(client, key.replace(f"dw_{sample_tenant}_", f"dw_{other_tenant}_"))
    response = await forged.post({"query": "{ segments { key } }"})
    assert response.status_code == 401
