"""Debtors of every jurisdiction in one portfolio: whatever is recommended, decided or planned keeps their rules."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TypeVar

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text

from api.answers import Window
from api.decisions import plan_log
from api.decisions.campaigns import CampaignService
from api.decisions.planned import PlannedPart, Surveyed
from api.decisions.requests import CampaignRequest
from api.decisions.service import DecisionService
from api.recommendations.champions import Champions
from api.recommendations.service import RecommendationService
from domain.audit import operator
from domain.contact_rules import Reachability
from domain.storage.reachability import reachability
from domain.storage.reads.campaigns import CampaignRow, campaigns_by_id
from domain.storage.reads.decisions import DecisionRow, decisions_by_id, page_of_plan
from domain.storage.sessions import Database
from domain.storage.tenants import create_tenant
from domain.vocabulary import Channel
from tests.api.learned import AS_OF, Learned, learn
from tests.domain.contact_rules_oracle import broken_rules
from tests.facts import merge_facts

T = TypeVar("T")

PLACES = [
    ("CO", None, "America/Bogota"),
    ("CL", None, "America/Santiago"),
    ("EC", None, "America/Guayaquil"),
    ("MX", None, "America/Mexico_City"),
    ("US", "US-MA", "America/New_York"),
    ("US", "US-TX", "America/Chicago"),
    ("GB", None, "Europe/London"),
    ("FR", None, "Europe/Paris"),
]
#: Right after the last contacts of the simulated history, and before a Colombian holiday (18 May).
INSTANTS = [AS_OF + timedelta(hours=1), datetime.fromisoformat("2026-05-15T20:10:00+00:00")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def abroad(database: Database, owner_url: str, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """A learned portfolio of its own, to which nobody has planned anything yet: the debtors live in turn in each place,
    and three in four have consented."""
    key = f"abroad{uuid.uuid4().hex[:12]}"
    tenant_id = await create_tenant(owner_url, key=key, name=key, currency="EUR")
    learned = await learn(database, tenant_id, tmp_path_factory.mktemp("abroad"))
    await learned.store()
    with psycopg.connect(owner_url, autocommit=True) as connection:
        move = "UPDATE debtor SET country = %s, region = %s, time_zone = %s WHERE tenant_id = %s AND id = %s"
        for number, debtor_id in enumerate(learned.ids):
            connection.execute(move, (*PLACES[number % len(PLACES)], tenant_id, debtor_id))
        connection.execute(
            """
            INSERT INTO contact_point (tenant_id, debtor_id, channel, address, consented_at)
            SELECT d.tenant_id, d.id, own.channel, own.address, '2026-01-01' FROM debtor d, LATERAL (VALUES
                ('EMAIL', d.email), ('SMS', d.phone), ('WHATSAPP', d.phone), ('VOICE', d.phone)) own (channel, address)
            WHERE d.tenant_id = %s AND own.address IS NOT NULL AND d.id %% 4 > 0
            ON CONFLICT DO NOTHING
            """,
            (tenant_id,),
        )
    return learned


def broken(person: Reachability, channel: str, at: datetime, *, planned: int) -> list[str]:
    """Rules broken by a contact that is itself among the planned ones `planned` times."""
    others = list(person.contacts)
    own = [past for past in others if past.planned and past.at == at and past.channel == channel]
    for past in own[:planned]:
        others.remove(past)
    return broken_rules(
        person.presets[0].name,
        person.zone,
        Channel(channel),
        at,
        addresses=person.addresses,
        requests=person.requests,
        contacts=others,
    )


async def people_of(learned: Learned, as_of: datetime) -> dict[int, Reachability]:
    async with learned.database.transaction(learned.tenant_id) as connection:
        return dict(await reachability(connection, learned.tenant_id, learned.ids, known=as_of))


@pytest.mark.parametrize("as_of", INSTANTS)
async def test_recommendations_keep_the_rules_of_every_jurisdiction(
    abroad: Learned, champions: Champions, as_of: datetime
) -> None:
    service = RecommendationService(abroad.database, champions)
    found = await service.for_debtors(abroad.tenant_id, abroad.ids, within=None, channels=None, as_of=as_of)
    people = await people_of(abroad, as_of)
    named = 0
    for debtor_id, advice in found.items():
        for action in filter(None, [advice.best, *advice.alternatives]):
            assert action.send_at is not None
            assert broken(people[debtor_id], action.channel, action.send_at, planned=0) == []
            named += 1
    assert named > len(abroad.ids)


@pytest.mark.parametrize("as_of", INSTANTS)
async def test_decisions_and_plans_keep_them_together(
    abroad: Learned, champions: Champions, as_of: datetime
) -> None:
    """Decided twice and planned once for the same week: all of it together breaks no rule on how often either."""
    seeds = iter(range(100))
    deciding = DecisionService(abroad.database, champions, seeds=lambda: next(seeds))
    numbers: list[int] = []
    for _ in range(2):
        made = await deciding.decide(
            abroad.tenant_id,
            abroad.ids,
            within=None,
            channels=None,
            explore=True,
            as_of=as_of,
            by=operator(as_of),
        )
        numbers += made.values()
    request = CampaignRequest("Together", Window(as_of, as_of + timedelta(days=7)), hold_out_share=0.0)
    campaign = await CampaignService(abroad.database, champions, seeds=lambda: 7).plan(
        abroad.tenant_id, request, as_of=as_of, by=operator(as_of)
    )
    async with abroad.database.transaction(abroad.tenant_id) as connection:
        rows = list((await decisions_by_id(connection, abroad.tenant_id, numbers)).values())
        page = await page_of_plan(connection, abroad.tenant_id, campaign, first=1000, position=None)
    rows += page.rows
    people = await people_of(abroad, as_of)
    checked = set()
    for row in rows:
        person = people[row.debtor_id]
        if row.action is not None:
            at = datetime.fromisoformat(row.action["send_at"])
            assert as_of <= at < as_of + timedelta(days=7)
            assert broken(person, row.action["channel"], at, planned=1) == []
            checked.add(person.presets[0].name)
    assert checked == {"CO", "CL", "EC", "MX", "US-MA", "US", "UK", "FR"}


async def test_a_plan_is_surveyed_while_others_decide_and_heeds_what_came_meanwhile(
    abroad: Learned, champions: Champions
) -> None:
    as_of = INSTANTS[1] + timedelta(days=40)
    meanwhile = as_of + timedelta(minutes=1)
    week = Window(as_of, as_of + timedelta(days=7))
    surveyed, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Champions):
        """Those at hand, which go on from the survey when they are told to."""

        def __init__(self) -> None:
            vars(self).update(vars(champions))

        async def run(self, work: Callable[[], T]) -> T:
            found = await champions.run(work)
            if isinstance(found, Surveyed):
                surveyed.set()
                await go_on.wait()
            return found

    request = CampaignRequest("Aside", week, hold_out_share=0.0)
    planning = asyncio.ensure_future(
        CampaignService(abroad.database, Slow(), seeds=lambda: 7).plan(
            abroad.tenant_id, request, as_of=as_of, by=operator(as_of), clock=lambda: meanwhile
        )
    )
    try:
        await surveyed.wait()
        async with asyncio.timeout(25):
            made = await DecisionService(abroad.database, champions, seeds=lambda: 8).decide(
                abroad.tenant_id,
                abroad.ids,
                within=week,
                channels=None,
                explore=True,
                as_of=meanwhile,
                by=operator(meanwhile),
            )
        paid = abroad.debtors[::3]
        await _pay_in_full(abroad, [debtor.id for debtor in paid], meanwhile)
        refused = abroad.debtors[1::3]
        await _refuse_all(abroad, [debtor.reference for debtor in refused], meanwhile)
    finally:
        go_on.set()
        campaign = await planning
    async with abroad.database.transaction(abroad.tenant_id) as connection:
        decided = await decisions_by_id(connection, abroad.tenant_id, list(made.values()))
        page = await page_of_plan(connection, abroad.tenant_id, campaign, first=1000, position=None)
    people = await people_of(abroad, meanwhile)
    planned = {row.debtor_id for row in page.rows}
    assert len(planned) > 20
    left_out = {debtor.id for debtor in [*paid, *refused]}
    assert planned.isdisjoint(left_out)
    assert {row.decided_at for row in page.rows} == {meanwhile}
    for row in [*decided.values(), *page.rows]:
        if row.action is not None and row.debtor_id not in left_out:
            at = datetime.fromisoformat(row.action["send_at"])
            assert broken(people[row.debtor_id], row.action["channel"], at, planned=1) == []


async def test_others_decide_while_a_plan_is_logged_and_both_keep_the_rules_together(
    abroad: Learned, champions: Champions, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_of = INSTANTS[1] + timedelta(days=80)
    minutes = count(1)
    week = Window(as_of, as_of + timedelta(days=7))
    logged, go_on = asyncio.Event(), asyncio.Event()
    slow = _HeldAtTheThirdPart(champions, logged, go_on)
    monkeypatch.setattr(plan_log, "PART", 10)
    written: dict[int, int] = {}
    planning = asyncio.ensure_future(
        CampaignService(abroad.database, slow, seeds=lambda: 7).plan(
            abroad.tenant_id,
            CampaignRequest("Beside", week, hold_out_share=0.2),
            as_of=as_of,
            by=operator(as_of),
            clock=lambda: as_of + timedelta(minutes=next(minutes)),
            write=lambda debtors, _told, _decisions, ids: written.update(
                zip(ids, (debtor.id for debtor in debtors), strict=True)
            ),
            written=lambda withdrawn: [written.pop(number) for number in withdrawn] and None,
        )
    )
    try:
        await logged.wait()
        meanwhile = as_of + timedelta(minutes=2)
        async with asyncio.timeout(25):
            made = await DecisionService(abroad.database, champions, seeds=lambda: 9).decide(
                abroad.tenant_id,
                abroad.ids[::2],
                within=week,
                channels=None,
                explore=True,
                as_of=meanwhile,
                by=operator(meanwhile),
            )
    finally:
        go_on.set()
        campaign = await planning
    async with abroad.database.transaction(abroad.tenant_id) as connection:
        decided = await decisions_by_id(connection, abroad.tenant_id, list(made.values()))
        page = await page_of_plan(connection, abroad.tenant_id, campaign, first=1000, position=None)
        found = (await campaigns_by_id(connection, abroad.tenant_id, [campaign]))[campaign]
    people = await people_of(abroad, as_of + timedelta(hours=2))
    contacted = {row.debtor_id for row in decided.values() if row.action is not None}
    both = contacted & {row.debtor_id for row in page.rows if row.action is not None}
    assert both
    assert len({row.decided_at for row in page.rows}) > 2
    assert written == {row.id: row.debtor_id for row in page.rows}
    assert found.planned_count == sum(row.action is not None for row in page.rows)
    assert found.held_out_count == sum(row.action is None for row in page.rows) > 0
    assert sum(found.by_channel.values()) == found.planned_count
    _assert_expected(found, page.rows)
    for row in [*decided.values(), *page.rows]:
        if row.action is not None:
            at = datetime.fromisoformat(row.action["send_at"])
            assert broken(people[row.debtor_id], row.action["channel"], at, planned=1) == []


class _HeldAtTheThirdPart(Champions):
    """Those at hand, which go on from the third part of a plan's log when they are told to."""

    def __init__(self, champions: Champions, logged: asyncio.Event, go_on: asyncio.Event) -> None:
        vars(self).update(vars(champions))
        self._those, self._logged, self._go_on, self._parts = champions, logged, go_on, 0

    async def run(self, work: Callable[[], T]) -> T:
        found = await self._those.run(work)
        self._parts += isinstance(found, PlannedPart)
        if self._parts == 3:
            self._logged.set()
            await self._go_on.wait()
        return found


def _assert_expected(campaign: CampaignRow, rows: Sequence[DecisionRow]) -> None:
    """What a campaign expects is what its decisions do, to a cent each."""
    expected: dict[str, Decimal] = {}
    for row in rows:
        for net in row.action["expected"]["net"] if row.action is not None else ():
            expected[net["currency"]] = expected.get(net["currency"], Decimal(0)) + Decimal(net["amount"])
    money = campaign.expected["money"]
    assert set(money) == set(expected)
    for currency, net in expected.items():
        assert abs(Decimal(money[currency]["net"]) - net) < Decimal("0.01") * len(rows)


async def _refuse_all(learned: Learned, references: list[str], at: datetime) -> None:
    refusals = [
        {
            "reference": f"REFUSED-{reference}",
            "debtor": reference,
            "kind": "UNSUBSCRIBED",
            "source": "DIRECT",
            "occurred_at": at.isoformat(),
        }
        for reference in references
    ]
    report, _ = await merge_facts(learned.database, learned.tenant_id, {"events": refusals})
    assert report.tables["events"].accepted == len(refusals) > 0


async def _pay_in_full(learned: Learned, debtor_ids: list[int], at: datetime) -> None:
    async with learned.database.transaction(learned.tenant_id) as connection:
        owed = await connection.execute(
            text(
                "SELECT reference AS account, currency, balance AS amount FROM account "
                "WHERE debtor_id = ANY(:ids) AND balance > 0"
            ),
            {"ids": debtor_ids},
        )
        payments = [
            {
                "reference": f"FULL-{one.account}",
                "account": one.account,
                "amount": str(one.amount),
                "currency": one.currency,
                "paid_at": at.isoformat(),
            }
            for one in owed
        ]
    report, _ = await merge_facts(learned.database, learned.tenant_id, {"payments": payments})
    assert report.tables["payments"].accepted == len(payments) > 0
