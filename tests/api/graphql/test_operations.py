"""Every operation of the contract that is served, sent as written, answers with real data."""

import json
import re
from datetime import UTC, datetime

from api.graphql.ids import global_id
from domain.storage.sessions import Database
from tests.api.models import store_model
from tests.api.portfolio import Api, operation, operation_names
from tests.conftest import ROOT

VARIABLES = json.loads((ROOT / "docs/contract/variables.json").read_text())
EXPECTED = json.loads((ROOT / "tests/data/sample/expected.json").read_text())


async def run(api: Api, name: str, **changes: object):
    return await api.ask(operation(name), **{**VARIABLES.get(name, {}), **changes})


def nodes(connection: dict) -> list[dict]:
    return [edge["node"] for edge in connection["edges"]]


async def test_debtors(api: Api) -> None:
    found = nodes((await run(api, "Debtors"))["debtors"])
    days = [node["daysPastDue"] for node in found]
    assert days == sorted(days, reverse=True)
    assert days[-1] >= 30
    assert {node["country"] for node in found} == {"ES"}
    assert all(any(m["currency"] == "EUR" and float(m["amount"]) >= 100 for m in n["balance"]) for n in found)


async def test_debtor_count(api: Api) -> None:
    broken = (await run(api, "DebtorCount"))["debtors"]["totalCount"]
    everybody = (await run(api, "DebtorCount", where=None))["debtors"]["totalCount"]
    assert 0 < broken < everybody
    assert everybody == 800 - EXPECTED["rejected"]["debtors"] + 3  # 800 good ones beside the bad rows


async def test_debtor_page(api: Api) -> None:
    page = nodes((await run(api, "DebtorPage"))["debtors"])
    assert len(page) == 50
    sent = [[c["sentAt"] for c in nodes(node["communications"])] for node in page]
    assert all(instants == sorted(instants, reverse=True) and len(instants) <= 5 for instants in sent)
    assert max(map(len, sent)) == 5
    promised = [promise for node in page for promise in nodes(node["promises"])]
    assert {promise["status"] for promise in promised} <= {"PENDING", "KEPT", "BROKEN"}
    assert promised


async def test_debtor_case(api: Api) -> None:
    case = (await run(api, "DebtorCase"))["debtorByReference"]
    assert case["reference"] == "D0000010"
    accounts = nodes(case["accounts"])
    assert accounts
    assert case["daysPastDue"] == max(account["daysPastDue"] for account in accounts)
    assert {point["channel"] for point in case["contactPoints"]} >= {"EMAIL", "SMS", "LETTER"}
    letters_and_all = nodes(case["communications"])
    assert any(one["deliveredAt"] for one in letters_and_all)
    assert not any(one["deliveredAt"] and one["bouncedAt"] for one in letters_and_all)


async def test_a_debtor_nobody_knows_is_null(api: Api) -> None:
    assert (await run(api, "DebtorCase", reference="nobody"))["debtorByReference"] is None


async def test_next_best_action(api: Api) -> None:
    advice = (await run(api, "NextBestAction"))["debtorByReference"]["recommendation"]
    assert advice["best"]["channel"] == "WHATSAPP"
    assert advice["best"]["expected"]["net"] == [
        {"amount": "12.43", "currency": "EUR", "low": "9.00", "high": "15.10"}
    ]
    assert advice["best"]["expected"]["secondsToPay"] == {"p50": None, "p90": None}
    assert advice["blockedBy"][0]["rule"] == "OPT_OUT@2026-1"
    assert advice["modelVersion"] is None


async def test_communications(api: Api) -> None:
    found = (await run(api, "Communications"))["communications"]
    assert len(nodes(found)) == 20
    assert {node["channel"] for node in nodes(found)} == {"EMAIL"}
    assert found["totalCount"] > 20
    assert nodes(found)[0]["debtor"]["reference"].startswith("D")


async def test_promises(api: Api) -> None:
    found = (await run(api, "Promises"))["promises"]
    assert {node["status"] for node in nodes(found)} <= {"PENDING", "BROKEN"}
    assert all(node["dueOn"] <= "2026-05-01" for node in nodes(found))
    assert found["totalCount"] >= len(nodes(found)) > 0


async def test_message_kpis_are_those_expected_of_the_sample(api: Api) -> None:
    answer = await run(
        api, "MessageKpis", period=EXPECTED["period"], by=["CHANNEL"], where=None, asOf=EXPECTED["as_of"]
    )
    rows = {row["key"]["channel"]: row for row in answer["kpis"]["messages"]}
    expected = {row["channel"]: row for row in EXPECTED["message_kpis"]["channel"]}
    assert rows.keys() == expected.keys()
    for channel, row in rows.items():
        for kpi in (
            "sent",
            "delivered",
            "hardBounced",
            "softBounced",
            "opened",
            "clicked",
            "landed",
            "converted",
        ):
            assert row[kpi] == expected[channel][kpi], (channel, kpi)
        assert row["reaction"]["sentToOpen"]["count"] == expected[channel]["s2o"]["count"]


async def test_message_kpis_as_the_contract_asks(api: Api) -> None:
    rows = (await run(api, "MessageKpis"))["kpis"]["messages"]
    assert all(row["key"]["segment"] and row["key"]["channel"] and row["key"]["day"] is None for row in rows)
    assert any(money["currency"] == "EUR" for row in rows for money in row["cost"])


async def test_traffic_kpis(api: Api) -> None:
    rows = (await run(api, "TrafficKpis"))["kpis"]["traffic"]
    (total,) = [row for row in rows if row["source"] is None]
    assert total["landingViews"] == sum(row["landingViews"] for row in rows if row["source"]) > 0


async def test_agent_kpis(api: Api) -> None:
    rows = (await run(api, "AgentKpis"))["kpis"]["agents"]
    assert {row["team"] for row in rows} >= {"T0", "T1"}
    assert all(row["agent"] is None for row in rows)
    named = (await run(api, "AgentKpis", by="AGENT"))["kpis"]["agents"]
    assert all(row["agent"]["reference"].startswith("G") for row in named)


async def test_portfolio_kpis(api: Api) -> None:
    rows = (await run(api, "PortfolioKpis"))["kpis"]["portfolio"]
    assert {row["currency"] for row in rows} >= {"EUR", "USD"}
    assert all(float(row["receivables"]["amount"]) >= float(row["overdue"]["amount"]) for row in rows)
    assert all(row["aging"] and row["rollRates"] for row in rows)


async def test_templates_and_payment_behaviour(api: Api) -> None:
    answer = await api.ask(
        """query ($period: PeriodInput!) { kpis(period: $period) {
        templates(by: [TONE, INCENTIVE]) { key { tone subject } templates sent deliveryRate collected { amount } }
        messages(by: []) { sent }
        paymentBehaviour { currency bucket payments onTimeShare collected { amount currency } }
        portfolio { currency collected { amount } } } }""",
        period={"from": "2026-01-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"},
    )
    found = answer["kpis"]
    assert sum(row["sent"] for row in found["templates"]) == found["messages"][0]["sent"] > 0
    assert all(row["key"]["subject"] is None for row in found["templates"])
    totals = {
        row["currency"]: float(row["collected"]["amount"])
        for row in found["paymentBehaviour"]
        if row["bucket"] is None
    }
    assert totals == {
        row["currency"]: float(row["collected"]["amount"])
        for row in found["portfolio"]
        if float(row["collected"]["amount"])
    }


async def test_segments(api: Api) -> None:
    segments = (await run(api, "Segments"))["segments"]
    everybody = (await run(api, "DebtorCount", where=None))["debtors"]["totalCount"]
    assert sum(segment["debtorCount"] for segment in segments) == everybody
    assert any(segment["where"] is not None for segment in segments)


async def test_segment_recommendations(api: Api, services) -> None:
    (found,) = (await run(api, "SegmentRecommendations"))["segmentRecommendations"]
    assert found["segment"]["key"] == "EARLY-YOUNG-CARD"
    assert found["segment"]["debtorCount"] > 0
    assert found["recommendation"]["evidence"] == "STRONG"
    assert services.recommendations.asked[-1]["as_of"] == datetime(2026, 5, 1, tzinfo=UTC)


async def test_debtor_recommendations_come_in_the_order_asked(api: Api) -> None:
    known, unknown = (await run(api, "DebtorRecommendations"))["debtorRecommendations"]
    assert known["recommendation"]["best"]["hour"] == 18
    assert known["error"] is None
    assert unknown["recommendation"] is None
    assert unknown["error"] == {
        "code": "UNKNOWN_REFERENCE",
        "message": "No debtor has this reference.",
        "path": ["references", "1"],
    }


async def test_training(api: Api) -> None:
    started = (await run(api, "TrainModels"))["trainModels"]
    assert started["status"] == "QUEUED"
    shown = (await run(api, "TrainingRun", id=started["id"]))["trainingRun"]
    assert shown["id"] == started["id"]
    cancelled = (await run(api, "CancelTraining", id=started["id"]))["cancelTraining"]
    assert cancelled == {"id": started["id"], "status": "CANCELLED"}


async def test_expected_failures_are_answers(api: Api) -> None:
    unknown = global_id("TrainingRun", 999)
    assert (await run(api, "CancelTraining", id=unknown))["cancelTraining"]["code"] == "NOT_FOUND"
    assert (await run(api, "RollBackModel"))["rollBackModel"]["code"] == "NO_PREVIOUS_CHAMPION"
    missing = global_id("ModelVersion", 999)
    assert (await run(api, "PromoteModel", id=missing))["promoteModel"]["path"] == ["id"]


async def test_model_versions_and_forecast(
    api: Api, database: Database, sample_tenant: int, services
) -> None:
    assert (await run(api, "KpiForecast"))["kpiForecast"] is None
    version_id = await store_model(database, sample_tenant, version=1)
    stored = global_id("ModelVersion", version_id)
    versions = nodes((await run(api, "ModelVersions", first=5))["modelVersions"])  # other tests store theirs
    (version,) = (each for each in versions if each["id"] == stored)
    assert version["gate"]["checks"][0]["passed"] is None
    assert version["metrics"][0] == {
        "name": "paid.log_loss",
        "value": 0.25,
        "low": None,
        "high": None,
        "baseline": 0.5,
    }
    services.forecasts.model_version_id = version_id
    forecast = (await run(api, "KpiForecast"))["kpiForecast"]
    assert forecast["modelVersion"]["id"] == version["id"]
    assert forecast["series"][0]["points"] == [{"day": "2026-05-02", "p05": 0.25, "p50": 0.5, "p95": None}]
    services.forecasts.model_version_id = None


def test_every_operation_of_the_contract_is_tested() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests/api/graphql").glob("test_*.py"))
    sent = {name for name in operation_names() if re.search(rf'\brun\(\w+, "{name}"', tests)}
    assert [name for name in operation_names() if name not in sent] == []
