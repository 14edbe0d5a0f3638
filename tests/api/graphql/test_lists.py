"""Lists: pages join up to the whole, orders are what they say, filters keep what they name, cursors stay at home."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from api.auth import create_key
from api.graphql.cursors import ListOrder, encode
from domain.vocabulary import Role
from tests.api.portfolio import NOW, Api, operation

DEBTORS = """
query ($first: Int, $after: String, $where: DebtorWhere, $orderBy: [DebtorOrder!]) {
  debtors(first: $first, after: $after, where: $where, orderBy: $orderBy) {
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node {
      id reference name country region language daysPastDue lastContactedAt attributes segment { key }
      balance { amount currency }
    } }
  }
}
"""


async def everything(api: Api, first: int = 100, **arguments: Any) -> list[dict[str, Any]]:
    """Every node of the list, page by page."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await api.ask(DEBTORS, first=first, after=after, **arguments))["debtors"]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        found += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == len(found)
            return found
        after = page["pageInfo"]["endCursor"]


def balance_in(currency: str) -> Callable[[dict[str, Any]], Decimal | None]:
    def balance(node: dict[str, Any]) -> Decimal | None:
        return next((Decimal(m["amount"]) for m in node["balance"] if m["currency"] == currency), None)

    return balance


ORDERS = [
    ({"field": "REFERENCE"}, lambda node: node["reference"]),
    ({"field": "NAME"}, lambda node: node["name"].lower()),
    ({"field": "DAYS_PAST_DUE"}, lambda node: node["daysPastDue"]),
    ({"field": "LAST_CONTACTED_AT"}, lambda node: node["lastContactedAt"]),
    ({"field": "BALANCE", "currency": "USD"}, balance_in("USD")),
]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize(
    ("order", "key"), ORDERS, ids=lambda each: each["field"] if isinstance(each, dict) else ""
)
async def test_pages_in_any_order_join_up_to_the_sorted_whole(api: Api, order, key, direction: str) -> None:
    found = await everything(api, orderBy=[{**order, "direction": direction}])
    assert len({node["id"] for node in found}) == len(found) == 800
    values = [key(node) for node in found]
    present = [value for value in values if value is not None]
    assert present == sorted(present, reverse=direction == "DESC")
    assert values[len(present) :] == [None] * (len(values) - len(present)), "missing values come last"


async def test_small_pages_give_the_same_as_large_ones(api: Api) -> None:
    order = [{"field": "DAYS_PAST_DUE", "direction": "DESC"}, {"field": "NAME"}]
    where = {"country": {"eq": "DK"}}
    assert await everything(api, 31, orderBy=order, where=where) == await everything(
        api, orderBy=order, where=where
    )


async def test_a_page_of_none_still_knows_whether_there_is_more(api: Api) -> None:
    page = (await api.ask(DEBTORS, first=0))["debtors"]
    assert page["edges"] == []
    assert page["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def everybody(database, client, sample_tenant: int) -> list[dict[str, Any]]:
    """The whole list, read once."""
    return await everything(Api(client, await create_key(database, sample_tenant, Role.READER, now=NOW)))


FILTERS = [
    ({"country": {"eq": "ES"}}, lambda node: node["country"] == "ES"),
    ({"country": {"in": []}}, lambda node: False),
    ({"reference": {"startsWith": "D00001"}}, lambda node: node["reference"].startswith("D00001")),
    ({"name": {"startsWith": "debtor 00002"}}, lambda node: node["name"].lower().startswith("debtor 00002")),
    ({"region": {"isNull": True}}, lambda node: node["region"] is None),
    ({"segment": {"startsWith": "EARLY"}}, lambda node: node["segment"]["key"].startswith("EARLY")),
    ({"daysPastDue": {"gte": 31, "lt": 61}}, lambda node: 31 <= node["daysPastDue"] < 61),
    (
        {"balance": {"currency": "DKK", "gt": "1000", "lte": 5000}},
        lambda node: (balance_in("DKK")(node) or 0) > 1000 and (balance_in("DKK")(node) or 0) <= 5000,
    ),
    ({"lastContactedAt": {"isNull": True}}, lambda node: node["lastContactedAt"] is None),
    (
        {"lastContactedAt": {"gte": "2026-04-20T00:00:00+02:00"}},
        lambda node: (node["lastContactedAt"] or "") >= "2026-04-19T22:00:00",
    ),
    (
        {"attributes": [{"key": "x_income_band", "in": ["LOW", "MID"]}]},
        lambda node: node["attributes"].get("x_income_band") in ("LOW", "MID"),
    ),
    (
        {"or": [{"country": {"eq": "US"}}, {"daysPastDue": {"gt": 90}}], "not": {"country": {"eq": "DK"}}},
        lambda node: (node["country"] == "US" or node["daysPastDue"] > 90) and node["country"] != "DK",
    ),
]


async def test_a_name_is_found_by_whatever_it_begins_with(api_of, tenant_id: int) -> None:
    own = await api_of(tenant_id)
    name = "ΝΙΚΟΣ ΣΟΦΙΑΝΟΣ"
    debtor = {"reference": "D1", "name": name, "country": "GR"}
    await own.ask(operation("UpsertDebtors"), input=[debtor])
    count = operation("DebtorCount")
    for length in range(len(name) + 1):
        for begun in (name[:length], name[:length].lower(), name[:length].lower().replace("ς", "σ")):
            found = await own.ask(count, where={"name": {"startsWith": begun}})
            assert found["debtors"]["totalCount"] == 1, begun


@pytest.mark.parametrize(
    ("where", "holds"), FILTERS, ids=lambda each: str(each)[:50] if isinstance(each, dict) else ""
)
async def test_a_filter_keeps_exactly_what_it_names(api: Api, everybody, where, holds) -> None:
    kept = await everything(api, where=where)
    assert [node["id"] for node in kept] == [node["id"] for node in everybody if holds(node)]


COMMUNICATIONS = """
query ($first: Int, $after: String, $where: CommunicationWhere) {
  communications(first: $first, after: $after, where: $where) {
    totalCount pageInfo { hasNextPage endCursor }
    edges { node { id reference channel direction template campaign sentAt deliveredAt bouncedAt bounceKind openedAt
                   clickedAt landedAt convertedAt debtor { reference } agent { reference } account { reference } } }
  }
}
"""
COMMUNICATION_FILTERS = [
    ({"debtor": {"eq": "D0000010"}}, lambda c: c["debtor"]["reference"] == "D0000010"),
    ({"channel": {"eq": "LETTER"}, "direction": "OUTBOUND"}, lambda c: c["channel"] == "LETTER"),
    ({"bounceKind": "HARD", "channel": {"eq": "WHATSAPP"}}, lambda c: c["bounceKind"] == "HARD"),
    ({"bounceKind": "SOFT"}, lambda c: c["bounceKind"] == "SOFT"),
    ({"landedAt": {"isNull": False}, "channel": {"in": ["SMS"]}}, lambda c: c["landedAt"] is not None),
    ({"openedAt": {"gte": "2026-04-29T00:00:00Z"}}, lambda c: c["openedAt"] >= "2026-04-29"),
    ({"agent": {"isNull": True}, "channel": {"eq": "VOICE"}}, lambda c: c["agent"] is None),
    ({"agent": {"startsWith": "G000000"}}, lambda c: c["agent"]["reference"].startswith("G000000")),
    ({"sentAt": {"lt": "2026-01-10T00:00:00Z"}}, lambda c: c["sentAt"] < "2026-01-10"),
]


@pytest.mark.parametrize(
    ("where", "holds"),
    COMMUNICATION_FILTERS,
    ids=lambda each: str(each)[:40] if isinstance(each, dict) else "",
)
async def test_communications_are_filtered_newest_first(api: Api, where, holds) -> None:
    page = (await api.ask(COMMUNICATIONS, first=100, where=where))["communications"]
    found = [edge["node"] for edge in page["edges"]]
    assert all(map(holds, found))
    assert [node["sentAt"] for node in found] == sorted((node["sentAt"] for node in found), reverse=True)
    assert page["totalCount"] > 0 or not found
    assert page["pageInfo"]["hasNextPage"] == (page["totalCount"] > len(found))


async def test_delivered_and_bounced_agree_with_the_kpis(api: Api) -> None:
    """Per channel, counted from the list one by one, against the message KPIs of the same time."""
    counted = {"hardBounced": 0, "softBounced": 0, "delivered": 0}
    after, more = None, True
    where = {"channel": {"eq": "WHATSAPP"}, "direction": "OUTBOUND", "sentAt": {"lt": "2026-05-01T12:00:00Z"}}
    while more:
        page = (await api.ask(COMMUNICATIONS, first=100, after=after, where=where))["communications"]
        for edge in page["edges"]:
            counted["delivered"] += edge["node"]["deliveredAt"] is not None
            counted["hardBounced"] += edge["node"]["bounceKind"] == "HARD"
            counted["softBounced"] += edge["node"]["bounceKind"] == "SOFT"
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    kpis = await api.ask(
        '{ kpis(period: {from: "2020-01-01T00:00:00Z", to: "2026-05-01T12:00:00Z"}) { messages(by: [CHANNEL]) '
        "{ key { channel } delivered hardBounced softBounced } } }"
    )
    (row,) = [row for row in kpis["kpis"]["messages"] if row["key"]["channel"] == "WHATSAPP"]
    assert counted == {name: row[name] for name in counted}


PROMISES = """
query ($first: Int, $after: String, $where: PromiseWhere) {
  promises(first: $first, after: $after, where: $where) {
    totalCount edges { node { status direction dueOn promisedAt agent { reference }
                              account { reference debtor { reference } } } }
  }
}
"""


@pytest.mark.parametrize("status", ["PENDING", "KEPT", "BROKEN"])
async def test_promises_are_filtered_by_how_they_stand_now(api: Api, status: str) -> None:
    page = (await api.ask(PROMISES, first=100, where={"status": [status]}))["promises"]
    assert page["edges"]
    assert {edge["node"]["status"] for edge in page["edges"]} == {status}


async def test_promises_of_every_status_are_all_promises(api: Api) -> None:
    counts = [
        (await api.ask(PROMISES, first=0, where=where))["promises"]["totalCount"]
        for where in ({"status": ["PENDING"]}, {"status": ["KEPT"]}, {"status": ["BROKEN"]}, {})
    ]
    assert sum(counts[:3]) == counts[3] > 0


async def test_promises_by_debtor_account_and_direction(api: Api) -> None:
    page = (await api.ask(PROMISES, first=100, where={"direction": "INBOUND"}))["promises"]
    node = page["edges"][0]["node"]
    debtor, account = node["account"]["debtor"]["reference"], node["account"]["reference"]
    where = {"debtor": {"eq": debtor}, "account": {"eq": account}, "dueOn": {"eq": node["dueOn"]}}
    narrowed = (await api.ask(PROMISES, where=where))["promises"]
    assert narrowed["totalCount"] >= 1
    assert {edge["node"]["account"]["reference"] for edge in narrowed["edges"]} == {account}


async def test_an_agents_promises_are_those_that_its_kpis_count(api: Api) -> None:
    # Of the sample's promises some name their agent, others only their communication or account.
    kpis = await api.ask(
        '{ kpis(period: {from: "2020-01-01T00:00:00Z", to: "2026-05-01T12:00:00Z"}) { agents(by: AGENT) '
        "{ agent { reference } inboundPromises outboundPromises } } }"
    )
    made = {"promisedAt": {"lt": "2026-05-01T12:00:00Z"}}

    async def taken_by(agent: dict[str, Any]) -> dict[str, Any]:
        page: dict[str, Any] = (await api.ask(PROMISES, first=100, where={"agent": agent, **made}))[
            "promises"
        ]
        return page

    for row in kpis["kpis"]["agents"]:
        page = await taken_by({"eq": row["agent"]["reference"]})
        assert page["totalCount"] == row["inboundPromises"] + row["outboundPromises"]
        assert all(edge["node"]["agent"] == row["agent"] for edge in page["edges"])
    somebodys, nobodys = await taken_by({"isNull": False}), await taken_by({"isNull": True})
    everybodys = (await api.ask(PROMISES, first=0, where=made))["promises"]["totalCount"]
    assert somebodys["totalCount"] + nobodys["totalCount"] == everybodys
    assert all(edge["node"]["agent"] is None for edge in nobodys["edges"])


async def test_nested_lists_page_by_their_own_cursors(api: Api) -> None:
    query = """query ($after: String) { debtorByReference(reference: "D0000010") {
        communications(first: 3, after: $after) {
        totalCount pageInfo { hasNextPage endCursor } edges { node { reference sentAt } } } } }"""
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await api.ask(query, after=after))["debtorByReference"]["communications"]
        seen += [edge["node"]["reference"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert len(seen) == len(set(seen)) == page["totalCount"]


@pytest.mark.parametrize("days", [-(2**63) + 1, -1, 2**31, 2**63 - 1])
async def test_a_cursor_with_days_past_due_that_nobody_can_have_stands_at_an_end(api: Api, days: int) -> None:
    order = ListOrder("debtors:DAYS_PAST_DUE+", (int, int), NOW)
    page = (
        await api.ask(DEBTORS, first=1, after=encode(order, (days, 1)), orderBy=[{"field": "DAYS_PAST_DUE"}])
    )["debtors"]
    assert bool(page["edges"]) == (days < 0)


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
async def test_a_cursor_from_an_end_of_the_calendar_is_none(api: Api, at: datetime) -> None:
    forged = encode(ListOrder("debtors:DAYS_PAST_DUE+", (int, int), at), (0, 1))
    error = await api.error(DEBTORS, first=1, after=forged, orderBy=[{"field": "DAYS_PAST_DUE"}])
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_cursor_is_good_for_its_own_list_and_order_only(api: Api) -> None:
    cursor = (await api.ask(DEBTORS, first=1))["debtors"]["pageInfo"]["endCursor"]
    for query, arguments in (
        (DEBTORS, {"orderBy": [{"field": "NAME"}]}),
        (DEBTORS, {"orderBy": [{"field": "REFERENCE", "direction": "DESC"}]}),
        (COMMUNICATIONS, {}),
        (PROMISES, {}),
    ):
        error = await api.error(query, after=cursor, **arguments)
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["argument"] == ["after"]
        assert "another list or order" in error["message"]


POINTS = """query ($after: String) { debtors(first: 100, after: $after, where: {country: {eq: "US"}}) {
    pageInfo { hasNextPage endCursor }
    edges { node { id contactPoints { channel status } } } } }"""


async def test_usable_contact_points_are_what_debtors_are_reachable_by(api: Api) -> None:
    by_points: dict[str, set[str]] = {}
    after, more = None, True
    while more:
        page = (await api.ask(POINTS, after=after))["debtors"]
        for node in (edge["node"] for edge in page["edges"]):
            for point in node["contactPoints"]:
                if point["status"] in ("VERIFIED", "UNVERIFIED"):
                    by_points.setdefault(point["channel"], set()).add(node["id"])
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert by_points.keys() >= {"EMAIL", "SMS", "LETTER"}
    for channel, debtors in by_points.items():
        reachable = await everything(api, where={"reachableBy": [channel], "country": {"eq": "US"}})
        assert {node["id"] for node in reachable} == debtors, channel
    assert len(by_points["EMAIL"]) < len(by_points["LETTER"]), "some e-mail bounced or was unsubscribed from"
