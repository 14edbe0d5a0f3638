"""Facts in by mutation: good items land, bad ones come back, the same again changes nothing."""

from datetime import timedelta
from typing import Any

import pytest

from api.graphql.ids import global_id
from domain.storage.derived import drafts
from tests.api.portfolio import NOW, Api, operation

DEBTOR = {
    "reference": "D1",
    "name": "Åsa Ferrer",
    "email": "asa@example.org",
    "phone": "+34600000001",
    "country": "ES",
    "attributes": {"x_band": "HIGH"},
}
ACCOUNT = {
    "reference": "A1",
    "debtor": "D1",
    "product": "CARD",
    "currency": "EUR",
    "principal": "100.10",
    "openedOn": "2026-01-01",
    "dueOn": "2026-04-01",
}
SMS = {
    "reference": "C1",
    "debtor": "D1",
    "account": "A1",
    "channel": "SMS",
    "direction": "OUTBOUND",
    "sentAt": "2026-04-20T10:00:00+02:00",
    "cost": "0.07",
    "currency": "EUR",
}
CLICK = {
    "reference": "E1",
    "debtor": "D1",
    "communication": "C1",
    "kind": "CLICKED",
    "occurredAt": "2026-04-20T10:05:00+02:00",
}
PAYMENT = {
    "reference": "P1",
    "account": "A1",
    "amount": "40.10",
    "currency": "EUR",
    "paidAt": "2026-04-21T10:00:00+02:00",
}
PROMISE = {
    "reference": "R1",
    "account": "A1",
    "amount": "60",
    "currency": "EUR",
    "promisedAt": "2026-04-22T10:00:00+02:00",
    "dueOn": "2026-04-25",
    "direction": "INBOUND",
}


async def run(api: Api, name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    (answer,) = (await api.ask(operation(name), input=items)).values()
    return answer


async def fill(api: Api) -> list[dict[str, Any]]:
    return [
        await run(api, "UpsertDebtors", [DEBTOR]),
        await run(api, "UpsertAccounts", [ACCOUNT]),
        await run(api, "RecordCommunications", [SMS]),
        await run(api, "RecordEvents", [CLICK]),
        await run(api, "RecordPayments", [PAYMENT]),
        await run(api, "RecordPromises", [PROMISE]),
    ]


async def test_amounts_have_the_digits_that_files_may_have(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    await run(api, "UpsertDebtors", [DEBTOR])
    exact, large = f"{'9' * 15}.{'9' * 30}", "1" * 16
    accounts = [{**ACCOUNT, "principal": exact}, {**ACCOUNT, "reference": "A2", "principal": large}]
    report = await run(api, "UpsertAccounts", accounts)
    assert report["accepted"] == 1
    (bad,) = report["rejected"]
    assert (bad["index"], bad["field"], bad["code"]) == (1, "principal", "OUT_OF_RANGE")
    query = '{ debtorByReference(reference: "D1") { balance { amount } } }'
    assert (await api.ask(query))["debtorByReference"]["balance"] == [{"amount": exact}]


async def test_what_is_no_value_of_its_type_refuses_the_call_and_says_where(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    await run(api, "UpsertDebtors", [DEBTOR])
    accounts = [ACCOUNT, {**ACCOUNT, "reference": "A2", "dueOn": "2026-02-30"}]
    error = await api.error(operation("UpsertAccounts"), input=accounts)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "$input' has invalid value at [1].dueOn" in error["message"]
    query = '{ debtorByReference(reference: "D1") { balance { amount } } }'
    assert (await api.ask(query))["debtorByReference"]["balance"] == []


async def test_facts_that_are_sent_are_there_at_once(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    assert await fill(api) == [{"accepted": 1, "duplicates": 0, "rejected": []}] * 6
    case = (await api.ask(operation("DebtorCase"), reference="D1"))["debtorByReference"]
    assert case["balance"] == [{"amount": "60.00", "currency": "EUR"}]
    assert case["daysPastDue"] == 30
    assert case["timeZone"] == "Europe/Madrid"
    (sent,) = [edge["node"] for edge in case["communications"]["edges"]]
    assert sent["openedAt"] == sent["clickedAt"] == sent["deliveredAt"] == "2026-04-20T08:05:00Z"
    assert sent["convertedAt"] == "2026-04-21T08:00:00Z"
    (paid,) = [edge["node"] for edge in case["payments"]["edges"]]
    assert paid["attributedTo"] == {"reference": "C1"}
    (promised,) = [edge["node"] for edge in case["promises"]["edges"]]
    assert promised["status"] == "BROKEN"


@pytest.mark.parametrize("also", ["", "attributes"])  # by one statement, and field by field
async def test_a_payment_is_attributed_until_it_is_reversed(api_of, tenant_id: int, also: str) -> None:
    api = await api_of(tenant_id)
    await fill(api)
    payments = "payments { edges { node { attributedTo { reference } } } }"
    for reversed_at, cause in ((NOW + timedelta(seconds=1), {"reference": "C1"}), (NOW, None)):
        await run(api, "RecordPayments", [{**PAYMENT, "reversedAt": reversed_at.isoformat()}])
        found = await api.ask(f'{{ debtorByReference(reference: "D1") {{ {also} {payments} }} }}')
        assert found["debtorByReference"]["payments"]["edges"] == [{"node": {"attributedTo": cause}}]


@pytest.mark.parametrize("also", ["", "attributes"])
@pytest.mark.parametrize("cause", ["C1", None], ids=["stated", "found"])
async def test_a_payment_is_attributed_once_it_has_come(
    api_of, tenant_id: int, cause: str | None, also: str
) -> None:
    api = await api_of(tenant_id)
    await fill(api)
    clicked = {**CLICK, "reference": "E2", "occurredAt": (NOW - timedelta(days=1)).isoformat()}
    await run(api, "RecordEvents", [clicked])
    sent = "communications { edges { node { convertedAt } } }"
    paid = "payments { edges { node { attributedTo { reference } } } }"
    for paid_at, attributed in ((NOW + timedelta(seconds=1), None), (NOW, {"reference": "C1"})):
        await run(api, "RecordPayments", [{**PAYMENT, "paidAt": paid_at.isoformat(), "communication": cause}])
        answer = await api.ask(f'{{ debtorByReference(reference: "D1") {{ {also} {sent} {paid} }} }}')
        found = answer["debtorByReference"]
        assert found["payments"]["edges"] == [{"node": {"attributedTo": attributed}}]
        assert (found["communications"]["edges"][0]["node"]["convertedAt"] is None) == (attributed is None)


async def test_the_same_again_is_a_duplicate(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    await fill(api)
    assert await fill(api) == [{"accepted": 0, "duplicates": 1, "rejected": []}] * 6


async def test_a_field_left_out_stays_and_a_null_clears(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    await run(api, "UpsertDebtors", [DEBTOR])
    await run(api, "UpsertDebtors", [{"reference": "D1", "name": "Åsa F.", "country": "ES", "phone": None}])
    points = '{ debtorByReference(reference: "D1") { name attributes contactPoints { channel address } } }'
    debtor = (await api.ask(points))["debtorByReference"]
    assert debtor["name"] == "Åsa F."
    assert debtor["attributes"] == {"x_band": "HIGH"}
    assert debtor["contactPoints"] == [{"channel": "EMAIL", "address": "asa@example.org"}]


async def test_bad_items_come_back_and_good_ones_land(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    await fill(api)
    items = [
        {**PAYMENT, "reference": "P2"},
        {**PAYMENT, "reference": "P3", "account": "nowhere"},
        {**PAYMENT, "reference": "P4", "currency": "USD"},
        {**PAYMENT, "reference": "P5", "amount": "-1"},
        {**PAYMENT, "reference": "P6", "attributes": {"colour": "red"}},
    ]
    report = await run(api, "RecordPayments", items)
    assert report["accepted"] == 1
    assert [(bad["index"], bad["field"]) for bad in report["rejected"]] == [
        (1, "account"),
        (2, "currency"),
        (3, "amount"),
        (4, "attributes"),
    ]
    assert all(bad["code"] and bad["message"] for bad in report["rejected"])


async def test_a_decision_nobody_made_is_refused_by_its_field(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    await fill(api)
    items = [
        {**SMS, "reference": f"C{n}", "decisionId": d}
        for n, d in enumerate((global_id("Decision", 9), "junk", "9", global_id("Debtor", 9)))
    ]
    report = await run(api, "RecordCommunications", items)
    assert report["accepted"] == 0
    assert [(bad["index"], bad["field"], bad["code"]) for bad in report["rejected"]] == [
        (number, "decisionId", "UNKNOWN_REFERENCE") for number in range(4)
    ]


async def test_a_thousand_items_are_taken_and_one_more_is_refused_whole(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    many = [{"reference": f"D{n}", "name": "N", "country": "ES"} for n in range(1001)]
    error = await api.error(operation("UpsertDebtors"), input=many)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "1001" in error["message"]
    assert (await api.ask("{ debtors { totalCount } }"))["debtors"]["totalCount"] == 0
    assert (await run(api, "UpsertDebtors", many[:1000]))["accepted"] == 1000


async def test_segments_are_defined_and_apply_at_once(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    await fill(api)
    rules = [
        {"key": "BIG", "name": "Big balances", "where": {"balance": {"currency": "EUR", "gte": "1000"}}},
        {"key": "SMALL", "name": "The rest", "where": {"balance": {"currency": "EUR", "lt": 1000}}},
    ]
    defined = (await run(api, "DefineSegments", rules))["segments"]
    assert defined == [{"key": "BIG", "debtorCount": 0}, {"key": "SMALL", "debtorCount": 1}]
    query = '{ debtorByReference(reference: "D1") { segment { key name where debtorCount } } }'
    assert (await api.ask(query))["debtorByReference"]["segment"] == {
        "key": "SMALL",
        "name": "The rest",
        "where": {"balance": {"currency": "EUR", "lt": "1000"}},
        "debtorCount": 1,
    }


@pytest.mark.parametrize("bound", [1e18, 2.0**64, -(2.0**64), 1e21, -1e30, 0.1, 1e-7])
async def test_a_rule_bounds_attributes_by_any_number_that_filters_take(
    api_of, tenant_id: int, bound: float
) -> None:
    api = await api_of(tenant_id)
    await run(api, "UpsertDebtors", [{**DEBTOR, "attributes": {"x_score": 0.5}}])
    where = {"attributes": [{"key": "x_score", "gte": bound}]}
    rule = {"key": "A", "name": "A", "where": where}
    count = 1 if bound <= 0.5 else 0
    defined = await run(api, "DefineSegments", [rule])
    assert {"key": "A", "debtorCount": count} in defined["segments"]
    told = next(one for one in (await api.ask(operation("Segments")))["segments"] if one["key"] == "A")
    assert (told["where"], told["debtorCount"]) == (where, count)
    again = await run(api, "DefineSegments", [{**rule, "where": told["where"]}])
    assert again == defined


async def test_a_large_portfolio_is_told_that_its_segments_follow(
    api_of, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await api_of(tenant_id)
    await fill(api)
    query = "{ segmentsPendingSince segments { key } }"
    before = await api.ask(query)
    assert before["segmentsPendingSince"] is None
    monkeypatch.setattr(drafts, "AT_ONCE", 0)
    rules = [{"key": "ALL", "name": "Everybody", "where": {}}]
    mutation = """mutation ($input: [SegmentInput!]!) {
        defineSegments(input: $input) { ... on SegmentList { applied segments { key } } } }"""
    answer = (await api.ask(mutation, input=rules))["defineSegments"]
    assert answer == {"applied": False, "segments": before["segments"]}
    meanwhile = await api.ask(query)
    assert meanwhile["segments"] == before["segments"]
    assert meanwhile["segmentsPendingSince"] is not None
    monkeypatch.undo()
    assert (await api.ask(mutation, input=rules))["defineSegments"]["applied"]
    assert (await api.ask(query))["segmentsPendingSince"] is None


async def test_segments_that_cannot_be_are_an_answer_that_says_where(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    rule = {"key": "A", "name": "A", "where": {"segment": {"eq": "B"}}}
    refused = await run(api, "DefineSegments", [rule])
    assert refused["code"] == "SEGMENT_IN_RULE"
    assert refused["path"] == ["input", "0", "where"]


async def test_what_the_merge_left_is_seen_by_kpis(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    await fill(api)
    rows = await api.ask(
        '{ kpis(period: {from: "2026-04-01T00:00:00Z", to: "2026-05-01T00:00:00Z"}) { asOf messages(by: []) '
        "{ key { channel } sent opened converted collected { amount currency } netCollected { amount } } } }"
    )
    assert rows["kpis"]["asOf"] == "2026-05-01T12:00:00Z"
    assert rows["kpis"]["messages"] == [
        {
            "key": {"channel": None},
            "sent": 1,
            "opened": 1,
            "converted": 1,
            "collected": [{"amount": "40.10", "currency": "EUR"}],
            "netCollected": [{"amount": "40.03"}],
        }
    ]


async def test_what_is_wrong_is_said_in_the_callers_own_spelling(api_of, tenant_id: int) -> None:
    api = await api_of(tenant_id)
    items = [
        DEBTOR | {"timeZone": "Europe/Nowhere"},
        DEBTOR | {"attributes": []},
        DEBTOR | {"attributes": {"band": 1}},
        DEBTOR | {"attributes": {"x_two_words": []}},
    ]
    report = (await api.ask(operation("UpsertDebtors"), input=items))["upsertDebtors"]
    told = [(bad["field"], bad["message"]) for bad in report["rejected"]]
    assert told[0] == ("timeZone", "timeZone is no IANA time zone, such as Europe/Madrid.")
    whole = 'attributes must be an object whose keys begin with x_, such as {"x_score": 7}'
    assert [(field, message.split(";")[0]) for field, message in told[1:3]] == [("attributes", whole)] * 2
    assert told[3][1].startswith("x_two_words is no custom attribute;")
    promise = PROMISE | {"dueOn": "2026-04-01"}
    await api.ask(operation("UpsertDebtors"), input=[DEBTOR])
    await api.ask(operation("UpsertAccounts"), input=[ACCOUNT])
    (bad,) = (await api.ask(operation("RecordPromises"), input=[promise]))["recordPromises"]["rejected"]
    assert (bad["field"], "promisedAt" in bad["message"], "_" in bad["message"]) == ("dueOn", True, False)
