"""Campaigns: within capacities, budget and contact rules, logged as decisions, measured by their arms."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text

from api.answers import Window
from api.auth import create_key
from api.decisions.campaigns import CampaignService
from api.decisions.lift import measure_lift
from api.decisions.requests import CampaignRequest
from api.graphql.ids import number_of
from api.http import create_app
from api.recommendations.champions import Champions
from api.recommendations.service import RecommendationService
from api.settings import Settings
from domain.audit import operator
from domain.storage.decisions import deciding_alone
from domain.storage.history import currency_and_rates
from domain.storage.reachability import reachability
from domain.storage.reads.campaigns import CampaignRow, campaigns_by_id
from domain.storage.reads.decisions import decisions_by_id, page_of_plan
from domain.storage.sessions import Database
from domain.vocabulary import CampaignStatus, Role
from tests import facts
from tests.api.busy_scoring import made_beside_a_reader
from tests.api.learned import AS_OF, Learned
from tests.api.portfolio import Api, operation
from tests.domain.contact_rules_oracle import broken_rules

WEEK = {"from": "2026-05-01T00:00:00Z", "to": "2026-05-08T00:00:00Z"}
PLAN = {"name": "May", "within": WEEK, "asOf": AS_OF.isoformat()}


async def run(api: Api, name: str, **variables: object):
    return await api.ask(operation(name), **variables)


@pytest_asyncio.fixture(loop_scope="session")
async def campaigner(api_of, learned: Learned) -> Api:
    return await api_of(learned.tenant_id, Role.CAMPAIGN)


async def plan(api: Api, **more: object) -> dict:
    return (await run(api, "PlanCampaign", input={**PLAN, **more}))["planCampaign"]


async def decisions_of(api: Api, campaign: dict) -> list[dict]:
    found, after = [], None
    while True:
        page = (await run(api, "CampaignPlan", id=campaign["id"], first=100, after=after))["campaign"]["plan"]
        found += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


async def test_a_plan_keeps_capacities_budget_and_rules(campaigner: Api, learned: Learned) -> None:
    free = await plan(campaigner, holdOutShare=0.0)
    most = {one["channel"]: one["count"] for one in free["byChannel"]}
    busiest = max(most, key=most.__getitem__)
    capacity = [{"channel": busiest, "perDay": 3, "total": 11}]
    async with learned.database.transaction(learned.tenant_id) as connection:
        _, rates = await currency_and_rates(connection, learned.tenant_id, AS_OF)
    worth = {"EUR": Decimal(1), **rates}
    unbudgeted = await plan(campaigner, capacity=capacity, holdOutShare=0.2)

    def in_euros(costs: list[dict[str, str]]) -> Decimal:
        return sum((Decimal(cost["amount"]) * worth[cost["currency"]] for cost in costs), Decimal(0))

    budget = (in_euros(unbudgeted["expected"]["cost"]) / 2).quantize(Decimal("0.01"))
    campaign = await plan(
        campaigner, capacity=capacity, budget={"amount": str(budget), "currency": "EUR"}, holdOutShare=0.2
    )
    nodes = await decisions_of(campaigner, campaign)
    planned = [node for node in nodes if node["arm"] == "PLANNED"]
    held = [node for node in nodes if node["arm"] == "HELD_OUT"]
    assert (campaign["plannedCount"], campaign["holdOutCount"]) == (len(planned), len(held))
    assert campaign["status"] in ("RUNNING", "PLANNED")
    assert held
    assert all((node["action"], node["propensity"]) == (None, 0.2) for node in held)
    assert all(node["action"] and node["propensity"] == 0.8 for node in planned)
    assert len({node["debtor"]["reference"] for node in nodes}) == len(nodes)
    by_channel = Counter(node["action"]["channel"] for node in planned)
    assert {one["channel"]: one["count"] for one in campaign["byChannel"]} == by_channel
    days = Counter(node["action"]["sendAt"][:10] for node in planned if node["action"]["channel"] == busiest)
    assert sum(days.values()) <= 11
    assert max(days.values(), default=0) <= 3
    spent = in_euros(campaign["expected"]["cost"])
    assert budget / 2 < spent <= budget + Decimal("0.02")  # shown rounded, by currency
    costs = [money for node in planned for money in node["action"]["expected"]["cost"]]
    assert abs(in_euros(costs) - spent) <= Decimal("0.005") * (len(planned) + 3)
    numbers = [number_of(node["id"], "Decision") for node in planned]
    async with learned.database.transaction(learned.tenant_id) as connection:
        rows = await decisions_by_id(connection, learned.tenant_id, numbers)
        ids = [row.debtor_id for row in rows.values()]
        people = await reachability(connection, learned.tenant_id, ids, known=AS_OF)
    for row in rows.values():
        person, at = people[row.debtor_id], datetime.fromisoformat(row.action["send_at"])
        assert AS_OF <= at < AS_OF + timedelta(days=7)
        made = [past for past in person.contacts if not past.planned]
        assert not broken_rules(
            person.presets[0].name,
            person.zone,
            row.action["channel"],
            at,
            addresses=person.addresses,
            requests=person.requests,
            contacts=made,
        )


async def test_without_limits_the_plan_is_what_is_recommended(
    campaigner: Api, learned: Learned, champions: Champions
) -> None:
    """A week in May of which nothing is planned yet: every debtor gets the recommended contact, or none."""
    later = {"from": "2026-09-01T00:00:00Z", "to": "2026-09-08T00:00:00Z"}
    as_of = "2026-09-01T00:00:00Z"
    campaign = await plan(campaigner, within=later, asOf=as_of, holdOutShare=0.0)
    planned = {
        node["debtor"]["reference"]: node["action"] for node in await decisions_of(campaigner, campaign)
    }
    service = RecommendationService(learned.database, champions)
    advice = await service.for_debtors(
        learned.tenant_id,
        [debtor.id for debtor in learned.debtors],
        within=None,
        channels=None,
        as_of=datetime(2026, 9, 1, tzinfo=UTC),
    )
    best = {debtor.reference: advice[debtor.id].best for debtor in learned.debtors}
    chosen = {reference: (one["channel"], one["weekday"], one["hour"]) for reference, one in planned.items()}
    assert len(chosen) > len(best) / 2
    assert chosen == {
        reference: (action.channel, action.weekday, action.hour)
        for reference, action in best.items()
        if action
    }


async def test_expected_money_is_the_sum_of_what_is_expected_of_each(
    campaigner: Api, learned: Learned
) -> None:
    campaign = await plan(campaigner, holdOutShare=0.0)
    nodes = await decisions_of(campaigner, campaign)
    for kind in ("collected", "cost", "net"):
        sums: Counter[str] = Counter()
        for node in nodes:
            for money in node["action"]["expected"][kind]:
                sums[money["currency"]] += Decimal(money["amount"])
        told = {money["currency"]: Decimal(money["amount"]) for money in campaign["expected"][kind]}
        assert told.keys() == sums.keys()
        for currency, amount in told.items():
            assert abs(amount - sums[currency]) <= Decimal("0.006") * len(nodes)
    for money in campaign["expected"]["net"]:
        assert Decimal(money["low"]) < Decimal(money["amount"]) < Decimal(money["high"])


async def test_nothing_possible_is_a_named_outcome(campaigner: Api) -> None:
    query = """mutation ($input: PlanCampaignInput!) { planCampaign(input: $input) {
        ... on Campaign { id plannedCount holdOutCount blockedCount reasons expected { net { amount } } }
        ... on UserError { code path } } }"""

    async def planned(**more: object) -> dict:
        return (await campaigner.ask(query, input={**PLAN, **more}))["planCampaign"]

    everything = [
        {"channel": channel, "total": 0}
        for channel in ("EMAIL", "SMS", "WHATSAPP", "PUSH", "LETTER", "VOICE")
    ]
    night = {"from": "2026-05-01T01:00:00Z", "to": "2026-05-01T02:00:00Z"}
    for more, reason in (
        ({"where": {"reference": {"eq": "nobody"}}}, "No debtor meets the condition."),
        ({"capacity": everything}, "The capacities or the budget leave no contact."),
        ({"where": {"country": {"eq": "ES"}}, "within": night}, "The contact rules forbid every contact"),
        ({"channels": []}, "No channel was asked for."),
    ):
        found = await planned(**more)
        assert (found["plannedCount"], found["holdOutCount"]) == (0, 0)
        assert found["reasons"][0].startswith(reason)
        assert found["expected"]["net"] == []
    past = {"from": "2026-04-01T00:00:00Z", "to": "2026-04-08T00:00:00Z"}
    far = {"from": "2027-05-03T00:00:00Z", "to": "2027-05-04T00:00:00Z"}
    long = {"from": "2026-05-01T00:00:00Z", "to": "2026-08-01T00:00:00Z"}
    for more, code, path in (
        ({"within": past}, "WINDOW_IS_PAST", ["input", "within"]),
        ({"within": far}, "WINDOW_TOO_FAR", ["input", "within"]),
        ({"within": long}, "WINDOW_TOO_LONG", ["input", "within"]),
        ({"budget": {"amount": "5", "currency": "JPY"}}, "NO_EXCHANGE_RATE", ["input", "budget", "currency"]),
        ({"budget": {"amount": "5", "currency": "eur"}}, "BAD_USER_INPUT", ["input", "budget", "currency"]),
        ({"budget": {"amount": "-5", "currency": "EUR"}}, "BAD_USER_INPUT", ["input", "budget", "amount"]),
        ({"holdOutShare": 1.5}, "BAD_USER_INPUT", ["input", "holdOutShare"]),
        ({"name": " "}, "BAD_USER_INPUT", ["input", "name"]),
        ({"capacity": [{"channel": "SMS", "perDay": -1}]}, "BAD_USER_INPUT", ["input", "capacity", "0"]),
        ({"capacity": [{"channel": "SMS"}] * 2}, "BAD_USER_INPUT", ["input", "capacity", "1"]),
        ({"where": {"segment": {}}}, None, None),
        ({"asOf": "2020-01-01T00:00:00Z", "within": WEEK | {"from": "2020-01-01T00:00:00Z"}}, None, None),
    ):
        found = await planned(**more)
        assert code is None or (found["code"], found["path"]) == (code, path), more
    early = {"from": "2020-01-01T00:00:00Z", "to": "2020-01-08T00:00:00Z"}
    assert (await planned(asOf="2020-01-01T00:00:00Z", within=early))["code"] == "NO_MODEL"


async def test_a_plan_whose_file_cannot_be_finished_is_not_stored(
    learned: Learned, champions: Champions
) -> None:
    def no_room(_withdrawn: Sequence[int]) -> None:
        raise OSError("no space left on device")

    async def stored() -> int:
        async with learned.database.transaction(learned.tenant_id) as connection:
            return int(await connection.scalar(text("SELECT count(*) FROM campaign")) or 0)

    before = await stored()
    later = AS_OF + timedelta(days=50)
    request = CampaignRequest("No room", Window(later, later + timedelta(days=7)))
    service = CampaignService(learned.database, champions)
    with pytest.raises(OSError, match="no space"):
        await service.plan(learned.tenant_id, request, as_of=later, by=operator(later), written=no_room)
    assert await stored() == before


async def test_a_plan_for_now_is_as_of_when_it_is_logged(services, learned: Learned) -> None:
    """By a clock that goes on by an hour whenever it is looked at, as if the portfolio took long to survey."""
    begin = AS_OF + timedelta(days=60)
    looks = [begin]

    def clock() -> datetime:
        looks.append(looks[-1] + timedelta(hours=1))
        return looks[-1]

    app = create_app(services, Settings(), clock=clock)
    key = await create_key(learned.database, learned.tenant_id, Role.CAMPAIGN, now=AS_OF)
    planned = "plan(first: 50) { edges { node { decidedAt action { sendAt } } } }"
    read = f"query ($id: ID!) {{ campaign(id: $id) {{ {planned} }} }}"
    week = {"from": begin.isoformat(), "to": (begin + timedelta(days=7)).isoformat()}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as client:
        api = Api(client, key)
        for as_of in (None, begin):
            made = await plan(api, within=week, asOf=as_of and as_of.isoformat())
            logged_at = as_of or looks[-1]
            async with learned.database.transaction(learned.tenant_id) as connection:
                asked_at = await connection.scalar(
                    text("SELECT at FROM audit_entry ORDER BY id DESC LIMIT 1")
                )
            assert asked_at is not None
            assert as_of is not None or logged_at > asked_at
            edges = (await api.ask(read, id=made["id"]))["campaign"]["plan"]["edges"]
            assert edges
            for node in (edge["node"] for edge in edges):
                assert datetime.fromisoformat(node["decidedAt"]) == logged_at
                assert node["action"] is None or datetime.fromisoformat(node["action"]["sendAt"]) >= logged_at
        soon = {"from": begin.isoformat(), "to": (looks[-1] + timedelta(hours=3)).isoformat()}
        assert (await plan(api, within=soon, asOf=None))["code"] == "WINDOW_IS_PAST"


async def test_a_plan_that_has_to_wait_is_as_of_when_the_wait_is_over(
    learned: Learned, champions: Champions
) -> None:
    asked_at = AS_OF + timedelta(days=55)
    over_at = asked_at + timedelta(hours=1)
    moments = [asked_at]
    request = CampaignRequest("Waits", Window(asked_at, asked_at + timedelta(days=7)))
    async with deciding_alone(learned.database, learned.tenant_id):
        planning = asyncio.ensure_future(
            CampaignService(learned.database, champions).plan(
                learned.tenant_id,
                request,
                as_of=asked_at,
                by=operator(asked_at),
                clock=lambda: moments[-1],
            )
        )
        async with asyncio.timeout(60):
            turn = learned.database.turn("decide", learned.tenant_id)
            while "waiters" not in repr(turn):  # noqa: ASYNC110 - nobody else tells
                await asyncio.sleep(0.01)
        moments.append(over_at)
    campaign = await planning
    assert isinstance(campaign, int)
    async with learned.database.transaction(learned.tenant_id) as connection:
        page = await page_of_plan(connection, learned.tenant_id, campaign, first=1000, position=None)
    assert {row.decided_at for row in page.rows} == {over_at}


async def test_plans_of_many_tenants_leave_connections_to_others(
    learned: Learned, champions: Champions, owner_url: str, new_tenant: Callable[[], int]
) -> None:
    """While the scoring threads are busy and several portfolios wait to be surveyed, what needs no score is served."""
    later = AS_OF + timedelta(days=50)
    request = CampaignRequest("At once", Window(later, later + timedelta(days=7)))
    narrow = Database(owner_url, pool_size=1)
    service = CampaignService(narrow, champions)
    tenants = [new_tenant() for _ in range(3)]

    async def plan_for(tenant_id: int):
        return await service.plan(tenant_id, request, as_of=later, by=operator(later))

    for tenant_id in tenants:
        await replace(learned, tenant_id=tenant_id).store()
        assert isinstance(await plan_for(tenant_id), int)  # from here on its model is at hand
    made = await made_beside_a_reader(
        champions, narrow, learned.tenant_id, [plan_for(tenant_id) for tenant_id in tenants]
    )
    assert all(isinstance(number, int) for number in made)


async def test_a_budget_in_another_currency_is_converted(campaigner: Api, learned: Learned) -> None:
    dollars = await plan(campaigner, budget={"amount": "10", "currency": "USD"}, holdOutShare=0.0)
    assert "code" not in dollars, dollars
    euros = await plan(campaigner, budget={"amount": "10", "currency": "EUR"}, holdOutShare=0.0)
    assert dollars["plannedCount"] <= euros["plannedCount"]


async def test_campaigns_are_listed_newest_first_and_stay_with_their_tenant(
    campaigner: Api, api_of, sample_tenant: int
) -> None:
    first, second = await plan(campaigner, name="One"), await plan(campaigner, name="Two")
    listed = (
        await campaigner.ask("{ campaigns(first: 2) { totalCount edges { node { id name status } } } }")
    )["campaigns"]
    assert [edge["node"]["id"] for edge in listed["edges"]] == [second["id"], first["id"]]
    other = await api_of(sample_tenant)
    assert (await run(other, "CampaignPlan", id=first["id"], first=5))["campaign"] is None
    assert (await other.ask("query ($id: ID!) { node(id: $id) { id } }", id=first["id"]))["node"] is None
    again = await campaigner.ask(
        "query ($id: ID!) { node(id: $id) { ... on Campaign { name } } }", id=first["id"]
    )
    assert again["node"]["name"] == "One"


async def test_lift_is_measured_from_the_arms(campaigner: Api, api_of, learned: Learned, services) -> None:
    campaign = await plan(
        campaigner, holdOutShare=0.5, within={"from": "2026-05-02T00:00:00Z", "to": WEEK["to"]}
    )
    nodes = await decisions_of(campaigner, campaign)
    assert (await run(campaigner, "CampaignPlan", id=campaign["id"], first=1))["campaign"]["lift"] is None
    paid = {node["debtor"]["reference"]: Decimal(3 if node["arm"] == "PLANNED" else 1) for node in nodes}
    async with learned.database.transaction(learned.tenant_id) as connection:
        accounts = {
            row.debtor: (row.account, row.currency)
            for row in await connection.execute(
                text(
                    "SELECT DISTINCT ON (d.reference) d.reference AS debtor, a.reference AS account, a.currency "
                    "FROM account a JOIN debtor d ON d.id = a.debtor_id ORDER BY d.reference, a.id"
                )
            )
        }
    payments = [
        {
            "reference": f"LIFT-{debtor}",
            "account": accounts[debtor][0],
            "amount": str(amount),
            "currency": accounts[debtor][1],
            "paidAt": "2026-05-03T10:00:00Z",
        }
        for debtor, amount in paid.items()
    ]
    feeder = await api_of(learned.tenant_id, Role.INGEST)
    report = (await feeder.ask(operation("RecordPayments"), input=payments))["recordPayments"]
    assert report["rejected"] == []
    later = datetime(2026, 5, 6, tzinfo=UTC)
    app = create_app(services, Settings(), clock=lambda: later)
    key = await create_key(learned.database, learned.tenant_id, Role.READER, now=AS_OF)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as client:
        found = (await run(Api(client, key), "CampaignPlan", id=campaign["id"], first=1))["campaign"]
        listed = await Api(client, key).ask("{ campaigns(first: 1) { edges { node { status } } } }")
    assert listed["campaigns"]["edges"][0]["node"]["status"] == "RUNNING"
    arms = {arm["arm"]: arm for arm in found["lift"]["arms"]}
    assert arms["PLANNED"]["debtors"] + arms["HELD_OUT"]["debtors"] == len(nodes)
    euros = [node for node in nodes if accounts[node["debtor"]["reference"]][1] == "EUR"]
    share = {
        arm: sum(node["arm"] == arm for node in euros) / sum(node["arm"] == arm for node in nodes)
        for arm in ("PLANNED", "HELD_OUT")
    }
    expected = 3 * share["PLANNED"] - share["HELD_OUT"]
    (difference,) = [money for money in found["lift"]["difference"] if money["currency"] == "EUR"]
    assert abs(Decimal(difference["amount"]) - Decimal(expected)) < Decimal("0.01")
    assert Decimal(difference["low"]) < Decimal(difference["amount"]) < Decimal(difference["high"])


async def test_what_was_paid_before_the_plan_was_made_is_no_outcome_of_it(
    campaigner: Api, learned: Learned
) -> None:
    since_march = {"from": "2026-03-01T00:00:00Z", "to": WEEK["to"]}
    campaign = await plan(campaigner, holdOutShare=0.5, within=since_march)
    numbers = [number_of(node["id"], "Decision") for node in await decisions_of(campaigner, campaign)]
    async with learned.database.transaction(learned.tenant_id) as connection:
        earlier = await connection.scalar(
            text(
                "SELECT count(*) FROM payment p JOIN decision d ON d.debtor_id = p.debtor_id "
                "WHERE d.id = ANY(:numbers) AND p.paid_at >= '2026-03-01' AND p.paid_at < :planned"
            ),
            {"numbers": numbers, "planned": AS_OF},
        )
        (row,) = (
            await campaigns_by_id(connection, learned.tenant_id, [number_of(campaign["id"], "Campaign")])
        ).values()
        found = await measure_lift(connection, learned.tenant_id, row, now=AS_OF)
    assert earlier
    assert found is not None
    assert [arm.collected_per_debtor for arm in found.arms] == [(), ()]
    assert found.difference == ()


async def test_right_before_sending_only_what_was_refused_since_is_named_beside_how_often(
    campaigner: Api, learned: Learned, champions: Champions, owner_url: str
) -> None:
    """As docs/campaigns.md has senders ask: rules on how often name the planned contact itself, others do not."""
    heeded = ("NO_ADDRESS", "HARD_BOUNCE", "OPT_OUT", "CONSENT", "REQUEST_")
    service = RecommendationService(learned.database, champions)
    week = {"from": "2027-01-04T00:00:00Z", "to": "2027-01-11T00:00:00Z"}
    numbers = {debtor.reference: debtor.id for debtor in learned.debtors}

    def set_rules(settings: str) -> None:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("UPDATE tenant SET settings = %s WHERE id = %s", (settings, learned.tenant_id))

    async def named(one: dict) -> set[str]:
        at = datetime.fromisoformat(one["action"]["sendAt"])
        number = numbers[one["debtor"]["reference"]]
        found = await service.for_debtors(learned.tenant_id, [number], within=None, channels=None, as_of=at)
        blocks = found[number].blocked_by
        return {block.rule for block in blocks if block.channel in (None, one["action"]["channel"])}

    set_rules('{"contact_rules": {"once_a_day": true}}')
    try:
        campaign = await plan(campaigner, within=week, asOf=week["from"], holdOutShare=0.0)
        some = (await decisions_of(campaigner, campaign))[:10]
        before = [await named(one) for one in some]
        assert all(any("ONCE_A_DAY" in rule for rule in rules) for rules in before)
        assert not any(rule.startswith(heeded) for rules in before for rule in rules)
        refused = facts.row(
            "events",
            reference="REFUSED",
            debtor=some[0]["debtor"]["reference"],
            kind="UNSUBSCRIBED",
            source="DIRECT",
            communication="",
            occurred_at="2027-01-04T00:30:00Z",
        )
        await facts.merge_facts(learned.database, learned.tenant_id, {"events": [refused]})
        assert any(rule.startswith("OPT_OUT") for rule in await named(some[0]))
    finally:
        set_rules("{}")


async def test_the_request_is_kept_and_a_reader_may_not_plan(
    campaigner: Api, api_of, learned: Learned
) -> None:
    campaign = await plan(campaigner, budget={"amount": "7.10", "currency": "EUR"})
    async with learned.database.transaction(learned.tenant_id) as connection:
        request = await connection.scalar(
            text("SELECT request FROM campaign WHERE id = :id"), {"id": number_of(campaign["id"], "Campaign")}
        )
    assert json.dumps(request["budget"]) == '{"amount": "7.10", "currency": "EUR"}'
    reader = await api_of(learned.tenant_id, Role.READER)
    error = await reader.error(operation("PlanCampaign"), input=PLAN)
    assert error["extensions"]["code"] == "FORBIDDEN"


def test_statuses_follow_the_clock() -> None:
    start = AS_OF
    row = CampaignRow(
        1, "x", CampaignStatus.PLANNED, start, start + timedelta(days=1), start, 0, 0, 0, {}, {}, None
    )
    for hours, status in ((-1, "PLANNED"), (0, "RUNNING"), (23, "RUNNING"), (24, "ENDED")):
        assert row.status_at(start + timedelta(hours=hours)) == status
    assert replace(row, status=CampaignStatus.CANCELLED).status_at(start) == "CANCELLED"
