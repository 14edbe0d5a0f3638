"""Small portfolios, each about one oddity: what happens is in the test's name and nothing else changes."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from domain.filters import IntFilter, StringFilter
from domain.kpis.agents import AgentKpiRow
from domain.kpis.messages import MessageKpiRow, Weekday
from domain.kpis.portfolio import Aging, PortfolioKpis
from domain.kpis.requests import AgentDimension, KpiRequestError, MessageDimension, MessageKpiWhere, Period
from domain.storage.kpis.agents import agent_kpis
from domain.storage.kpis.messages import message_kpis
from domain.storage.kpis.portfolio import portfolio_kpis
from domain.storage.kpis.traffic import traffic_kpis
from domain.storage.sessions import Database
from domain.vocabulary import AgingBucket, Channel
from tests.domain.storage.kpis.conftest import NOW, Imported

MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))

DEBTOR = {"reference": "D1", "name": "Ana", "country": "ES", "time_zone": "Europe/Madrid", "segment": "OWN"}
ACCOUNT = {
    "reference": "A1",
    "debtor": "D1",
    "product": "CARD",
    "currency": "EUR",
    "principal": "100.00",
    "opened_on": "2025-12-01",
    "due_on": "2026-02-01",
    "closed_on": "",
    "agent": "",
}
MAIL = {
    "reference": "C1",
    "debtor": "D1",
    "account": "A1",
    "channel": "EMAIL",
    "direction": "OUTBOUND",
    "agent": "",
    "sent_at": "2026-03-10T10:00:00Z",
    "cost": "0.50",
    "currency": "EUR",
}
AGENT = {"reference": "G1", "name": "Eva", "team": "T1", "active_from": "2025-01-01", "active_to": ""}
PAYMENT = {
    "reference": "P1",
    "account": "A1",
    "amount": "40.00",
    "currency": "EUR",
    "paid_at": "2026-03-12T10:00:00Z",
    "communication": "",
    "reversed_at": "",
}
PROMISE = {
    "reference": "R1",
    "account": "A1",
    "amount": "30.00",
    "currency": "EUR",
    "promised_at": "2026-03-02T10:00:00Z",
    "due_on": "2026-03-20",
    "direction": "OUTBOUND",
    "agent": "",
    "communication": "",
}


def event(reference: str, kind: str, at: str, communication: str = "C1", **more: str) -> dict[str, str]:
    return {
        "reference": reference,
        "debtor": "D1",
        "communication": communication,
        "kind": kind,
        "occurred_at": at,
        "automated": "false",
        "source": "",
        **more,
    }


Tables = dict[str, list[dict[str, str]]]


class Asked:
    """A portfolio of a few rows, and what its KPIs are."""

    def __init__(self, database: Database, imported: Imported) -> None:
        self.database, self.imported = database, imported

    async def messages(
        self,
        *by: MessageDimension,
        period: Period = MARCH,
        as_of: datetime = NOW,
        where: MessageKpiWhere | None = None,
    ) -> list[MessageKpiRow]:
        async with self.database.transaction(self.imported.tenant_id) as connection:
            return await message_kpis(
                connection, self.imported.tenant_id, period=period, by=by, where=where, as_of=as_of
            )

    async def message(self, *, period: Period = MARCH, as_of: datetime = NOW) -> MessageKpiRow:
        (row,) = await self.messages(period=period, as_of=as_of)
        return row

    async def agent(
        self, by: AgentDimension = AgentDimension.ALL, *, period: Period = MARCH, as_of: datetime = NOW
    ) -> AgentKpiRow:
        async with self.database.transaction(self.imported.tenant_id) as connection:
            rows = await agent_kpis(connection, self.imported.tenant_id, period=period, by=by, as_of=as_of)
        return rows[0]

    async def portfolio(self, *, period: Period = MARCH, as_of: datetime = NOW) -> PortfolioKpis:
        async with self.database.transaction(self.imported.tenant_id) as connection:
            (row,) = await portfolio_kpis(connection, self.imported.tenant_id, period=period, as_of=as_of)
        return row


@pytest.fixture
def ask(database: Database, import_data_set: Callable, tmp_path: Path) -> Callable:
    """Import the tables given (a debtor and an account where not) and ask."""

    async def run(**tables: list[dict[str, str]]) -> Asked:
        given: Tables = {"debtors": [DEBTOR], "accounts": [ACCOUNT], **tables}
        for table, rows in given.items():
            with (tmp_path / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
        imported = await import_data_set(tmp_path)
        assert imported.rejected == {}
        return Asked(database, imported)

    return run


def at(day: str) -> datetime:
    return datetime.fromisoformat(day)


# ---------- messages ----------


async def test_an_open_before_the_sending_counts_and_took_negative_time(ask: Callable) -> None:
    asked = await ask(communications=[MAIL], events=[event("E1", "OPENED", "2026-03-10T09:00:00Z")])
    row = await asked.message()
    assert (row.sent, row.delivered, row.opened, row.open_rate) == (1, 1, 1, 1.0)
    assert (row.reaction.sent_to_open.count, row.reaction.sent_to_open.p50) == (1, -3600.0)


async def test_a_payment_before_the_sending_or_the_open_converts_but_took_no_time(ask: Callable) -> None:
    early = {**PAYMENT, "paid_at": "2026-03-09T10:00:00Z", "communication": "C1"}
    opened = event("E1", "OPENED", "2026-03-10T11:00:00Z")
    row = await (await ask(communications=[MAIL], payments=[early], events=[opened])).message()
    assert (row.converted, row.collected) == (1, {"EUR": Decimal(40)})
    assert (row.reaction.sent_to_pay.count, row.reaction.open_to_pay.count) == (0, 0)
    assert row.reaction.open_to_pay.median_censored is None


async def test_before_a_late_clock_sends_its_payment_belongs_to_another(ask: Callable) -> None:
    """The clock of C2 is late: its click lies before its sending. Without it the click on C1 goes before C3's open."""
    mails = [
        MAIL,
        {**MAIL, "reference": "C2", "sent_at": "2026-03-14T10:00:00Z"},
        {**MAIL, "reference": "C3", "sent_at": "2026-03-11T20:00:00Z"},
    ]
    events = [
        event("E1", "CLICKED", "2026-03-11T10:00:00Z"),
        event("E2", "CLICKED", "2026-03-12T09:00:00Z", "C2"),
        event("E3", "OPENED", "2026-03-12T09:30:00Z", "C3"),
    ]
    asked = await ask(communications=mails, events=events, payments=[PAYMENT])
    known = {row.key.day.day: row.converted for row in await asked.messages(MessageDimension.DAY)}
    assert known == {10: 0, 11: 0, 14: 1}
    then = await asked.messages(MessageDimension.DAY, as_of=at("2026-03-13T00:00Z"))
    assert {row.key.day.day: row.converted for row in then} == {10: 1, 11: 0}
    assert then[0].collected == {"EUR": Decimal(40)}


async def test_a_reversed_payment_counted_until_its_reversal(ask: Callable) -> None:
    reversed_later = {**PAYMENT, "communication": "C1", "reversed_at": "2026-03-20T00:00:00Z"}
    asked = await ask(communications=[MAIL], payments=[reversed_later])
    before = await asked.message(as_of=at("2026-03-19T23:59:59Z"))
    since = await asked.message(as_of=at("2026-03-20T00:00:00Z"))
    assert (before.converted, before.net_collected) == (1, {"EUR": Decimal("39.50")})
    assert (since.converted, since.net_collected) == (0, {"EUR": Decimal("-0.50")})


async def test_machines_open_and_click_for_themselves_alone(ask: Callable) -> None:
    events = [
        event("E1", "DELIVERED", "2026-03-10T10:00:01Z"),
        event("E2", "OPENED", "2026-03-10T10:00:02Z", automated="true"),
        event("E3", "CLICKED", "2026-03-10T10:00:03Z", automated="true"),
        event("E4", "REPLIED", "2026-03-10T10:00:04Z", automated="true"),
    ]
    row = await (await ask(communications=[MAIL], events=events)).message()
    assert (row.delivered, row.opened, row.machine_opened, row.clicked, row.open_rate) == (1, 0, 1, 0, 0.0)


@pytest.mark.parametrize(
    ("channel", "kinds", "outcome"),
    [
        ("EMAIL", [], (0, 0, 0)),
        ("LETTER", [], (1, 0, 0)),
        ("LETTER", ["BOUNCED_SOFT"], (0, 0, 1)),
        ("EMAIL", ["DELIVERED"], (1, 0, 0)),
        ("EMAIL", ["DELIVERED", "BOUNCED_SOFT"], (1, 0, 0)),
        ("EMAIL", ["DELIVERED", "BOUNCED_HARD"], (0, 1, 0)),
        ("EMAIL", ["BOUNCED_SOFT", "BOUNCED_HARD"], (0, 1, 0)),
        ("EMAIL", ["BOUNCED_HARD", "REPLIED"], (1, 0, 0)),
        ("VOICE", ["RIGHT_PARTY_CONTACTED"], (1, 0, 0)),
    ],
)
async def test_delivery_is_proven_by_people_before_receipts_and_bounces(
    ask: Callable, channel: str, kinds: list[str], outcome: tuple[int, int, int]
) -> None:
    events = [event(f"E{kind}", kind, "2026-03-10T11:00:00Z") for kind in kinds]
    asked = await ask(communications=[{**MAIL, "channel": channel}], **({"events": events} if events else {}))
    row = await asked.message()
    assert (row.delivered, row.hard_bounced, row.soft_bounced) == outcome


async def test_currencies_are_never_added(ask: Callable) -> None:
    dollars = {**ACCOUNT, "reference": "A2", "currency": "USD"}
    paid = [
        {**PAYMENT, "communication": "C1"},
        {
            **PAYMENT,
            "reference": "P2",
            "account": "A2",
            "currency": "USD",
            "amount": "7.25",
            "communication": "C1",
        },
    ]
    pounds = {**MAIL, "currency": "GBP"}
    row = await (await ask(accounts=[ACCOUNT, dollars], communications=[pounds], payments=paid)).message()
    assert row.collected == {"EUR": Decimal(40), "USD": Decimal("7.25")}
    assert row.cost == {"GBP": Decimal("0.5")}
    assert row.net_collected == {"EUR": Decimal(40), "GBP": Decimal("-0.5"), "USD": Decimal("7.25")}


async def test_the_hour_that_comes_twice_is_one_hour_of_the_day(ask: Callable) -> None:
    """02:30 in Madrid, before and after the clocks go back."""
    autumn = [
        {**MAIL, "reference": "C1", "sent_at": "2025-10-26T00:30:00Z"},
        {**MAIL, "reference": "C2", "sent_at": "2025-10-26T01:30:00Z"},
        {**MAIL, "reference": "C3", "sent_at": "2025-10-25T22:30:00Z"},
    ]
    asked = await ask(accounts=[{**ACCOUNT, "opened_on": "2025-01-01"}], communications=autumn)
    october = Period(at("2025-10-01T00:00Z"), at("2025-11-01T00:00Z"))
    rows = await asked.messages(MessageDimension.WEEKDAY, MessageDimension.HOUR, period=october)
    assert [(row.key.weekday, row.key.hour, row.sent) for row in rows] == [
        (Weekday.SUNDAY, 0, 1),
        (Weekday.SUNDAY, 2, 2),
    ]


async def test_nothing_sent_is_one_row_of_nothing_or_no_group(ask: Callable) -> None:
    asked = await ask(communications=[MAIL])
    may = Period(at("2026-05-01T00:00Z"), at("2026-06-01T00:00Z"))
    row = await asked.message(period=may)
    assert (row.sent, row.delivery_rate, row.net_collected, row.reaction.sent_to_open.count) == (
        0,
        None,
        {},
        0,
    )
    assert await asked.messages(MessageDimension.CHANNEL, period=may) == []


async def test_what_is_sent_after_the_instant_of_knowledge_is_not(ask: Callable) -> None:
    asked = await ask(communications=[MAIL])
    assert (await asked.message(as_of=at("2026-03-10T09:59:59.999999Z"))).sent == 0
    assert (await asked.message(as_of=at("2026-03-10T10:00:00Z"))).sent == 1


async def test_too_many_groups_are_counted_and_refused(ask: Callable) -> None:
    asked = await ask(communications=[MAIL])
    tenant_id = asked.imported.tenant_id
    many = text(
        "INSERT INTO communication (tenant_id, reference, debtor_id, channel, direction, campaign, sent_at) "
        "SELECT :tenant_id, 'X' || n, (SELECT min(id) FROM debtor WHERE tenant_id = :tenant_id), 'SMS', 'OUTBOUND', "
        "'N' || n, timestamptz '2026-03-15T00:00Z' FROM generate_series(1, 10000) n"
    )
    async with asked.database.transaction(tenant_id) as connection:
        await connection.execute(many, {"tenant_id": tenant_id})
    with pytest.raises(KpiRequestError, match="10,001 groups") as refusal:
        await asked.messages(MessageDimension.CAMPAIGN)
    assert refusal.value.code == "TOO_MANY_GROUPS"
    rows = await asked.messages(
        MessageDimension.CAMPAIGN, where=MessageKpiWhere(campaign=StringFilter(is_null=False))
    )
    assert len(rows) == 10_000


# ---------- accounts and promises ----------


async def test_an_excess_is_collected_but_owed_by_nobody(ask: Callable) -> None:
    asked = await ask(payments=[{**PAYMENT, "amount": "130.00"}])
    row = await asked.portfolio()
    assert (row.collected, row.receivables, row.cure_rate) == (Decimal(130), 0, 1.0)
    assert row.recovery_rate == 1.3


async def test_a_payment_while_nothing_was_owed_recovers_nothing(ask: Callable) -> None:
    """The first payment covered it all until its reversal, so the second came on top."""
    first = {
        **PAYMENT,
        "amount": "100.00",
        "paid_at": "2026-03-05T10:00:00Z",
        "reversed_at": "2026-03-20T00:00:00Z",
    }
    row = await (await ask(payments=[first, {**PAYMENT, "reference": "P2"}])).portfolio()
    assert (row.collected, row.recovery_rate, row.receivables) == (Decimal(40), 0.0, Decimal(60))


async def test_an_account_overdue_from_the_instant_of_the_end_became_so_in_the_next_period(
    ask: Callable,
) -> None:
    """The period ends as 31 March begins in Madrid, the day after `due_on`."""
    asked = await ask(accounts=[{**ACCOUNT, "due_on": "2026-03-30"}])
    until = Period(at("2026-03-01T00:00Z"), at("2026-03-31T00:00+02:00"))
    following = Period(at("2026-03-31T00:00+02:00"), at("2026-04-02T00:00+02:00"))
    row = await asked.portfolio(period=until)
    assert (row.overdue, row.became_overdue, row.recovery_rate) == (Decimal(100), 0, None)
    assert (await asked.portfolio(period=following)).overdue_at_start == Decimal(100)


async def test_a_payment_on_a_closed_account_counts_while_the_account_does_not(ask: Callable) -> None:
    closed = {**ACCOUNT, "closed_on": "2026-03-05"}
    asked = await ask(accounts=[closed], payments=[PAYMENT])
    row = await asked.portfolio()
    assert (row.collected, row.receivables, row.aging, row.contact_coverage) == (Decimal(40), 0, (), None)
    assert (row.delinquent_at_start, row.cure_rate, row.roll_rates) == (1, 0.0, ())
    assert (await asked.agent()).accounts == 0


@pytest.mark.parametrize(("closed_on", "delinquent"), [("2026-03-01", 0), ("2026-03-02", 1)])
async def test_an_account_is_in_stock_until_the_day_before_it_closes(
    ask: Callable, closed_on: str, delinquent: int
) -> None:
    row = await (await ask(accounts=[{**ACCOUNT, "closed_on": closed_on}])).portfolio()
    assert row.delinquent_at_start == delinquent


async def test_an_account_closed_when_paid_off_is_cured_and_rolls_to_paid(ask: Callable) -> None:
    closed = {**ACCOUNT, "closed_on": "2026-03-12"}
    row = await (await ask(accounts=[closed], payments=[{**PAYMENT, "amount": "100.00"}])).portfolio()
    (roll,) = row.roll_rates
    assert (roll.from_, roll.to, roll.rate, row.cure_rate) == (
        AgingBucket.DPD_1_30,
        AgingBucket.PAID,
        1.0,
        1.0,
    )


async def test_an_account_not_yet_opened_is_nowhere(ask: Callable) -> None:
    april = {**ACCOUNT, "reference": "A2", "opened_on": "2026-04-02", "due_on": "2026-05-01"}
    row = await (await ask(accounts=[ACCOUNT, april])).portfolio()
    assert row.aging == (Aging(AgingBucket.DPD_31_60, 1, Decimal(100)),)


async def test_an_overpaid_promise_hands_on_to_the_next(ask: Callable) -> None:
    second = {**PROMISE, "reference": "R2", "promised_at": "2026-03-03T10:00:00Z", "amount": "15.00"}
    row = await (await ask(promises=[PROMISE, second], payments=[PAYMENT])).agent()
    assert (row.outbound_promises, row.outbound_promises_kept, row.outbound_promises_kept_rate) == (2, 1, 0.5)


async def test_a_reversal_reopens_a_kept_promise(ask: Callable) -> None:
    asked = await ask(promises=[PROMISE], payments=[{**PAYMENT, "reversed_at": "2026-03-15T00:00:00Z"}])

    async def kept_and_broken(instant: str) -> tuple[int, int]:
        row = await asked.agent(as_of=at(instant))
        return row.outbound_promises_kept, row.outbound_promises_broken

    assert await kept_and_broken("2026-03-12T09:59:59Z") == (0, 0)
    assert await kept_and_broken("2026-03-14T23:59:59Z") == (1, 0)
    assert await kept_and_broken("2026-03-15T00:00:00Z") == (0, 0)
    assert await kept_and_broken("2026-03-22T22:59:59Z") == (0, 0)
    assert await kept_and_broken("2026-03-22T23:00:00Z") == (0, 1)  # midnight in Madrid, three days on


async def test_days_past_due_turn_at_local_midnight_of_a_short_night(ask: Callable) -> None:
    """Madrid goes to summer time on 29 March; 30 March begins at 22:00 UTC."""
    asked = await ask(accounts=[{**ACCOUNT, "due_on": "2026-03-29"}])
    until = Period(at("2026-03-01T00:00Z"), at("2026-03-29T21:59:59Z"))
    over = Period(at("2026-03-01T00:00Z"), at("2026-03-29T22:00:00Z"))
    assert (await asked.portfolio(period=until)).overdue == 0
    assert (await asked.portfolio(period=over)).overdue == Decimal(100)


async def test_facts_of_nobody_are_in_all_only(ask: Callable) -> None:
    calls = [
        {**MAIL, "channel": "VOICE", "agent": "G1"},
        {**MAIL, "reference": "C2", "channel": "VOICE"},
    ]
    asked = await ask(agents=[AGENT], communications=calls, payments=[PAYMENT])
    every, one, team = [
        await asked.agent(by) for by in (AgentDimension.ALL, AgentDimension.AGENT, AgentDimension.TEAM)
    ]
    assert (every.outbound_calls, every.collected, every.accounts) == (2, {"EUR": Decimal(40)}, 1)
    assert (one.outbound_calls, one.collected, one.accounts, one.agent) == (1, {}, 0, "G1")
    assert (team.outbound_calls, team.collected, team.accounts, team.team) == (1, {}, 0, "T1")


async def test_an_agent_who_left_before_the_last_day_is_not_active(ask: Callable) -> None:
    gone = {**AGENT, "reference": "G2", "active_to": "2026-03-30"}
    last_day = {**AGENT, "reference": "G3", "active_to": "2026-03-31"}
    accounts = [{**ACCOUNT, "agent": "G1"}]
    asked = await ask(agents=[AGENT, gone, last_day], accounts=accounts, payments=[PAYMENT])
    row = await asked.agent()
    assert (row.active_agents, row.accounts_per_agent, row.collected_per_agent) == (
        2,
        0.5,
        {"EUR": Decimal(20)},
    )


# ---------- traffic ----------


async def test_a_visit_converts_until_a_day_after_the_last_landing_even_past_the_period(
    database: Database, ask: Callable
) -> None:
    visits = [
        event("E1", "LANDED", "2026-03-31T10:00:00Z", ""),
        event("E2", "LANDED", "2026-03-31T20:00:00Z", "", source="SMS"),
    ]
    asked = await ask(events=visits, payments=[{**PAYMENT, "paid_at": "2026-04-01T12:00:00Z"}])
    tenant_id = asked.imported.tenant_id
    async with database.transaction(tenant_id) as connection:
        rows = await traffic_kpis(connection, tenant_id, period=MARCH, as_of=NOW)
        before = await traffic_kpis(connection, tenant_id, period=MARCH, as_of=at("2026-04-01T11:00Z"))
    found = {row.source: (row.landing_views, row.visitors, row.share, row.conversions) for row in rows}
    assert found == {"DIRECT": (1, 1, 0.5, 0), "SMS": (1, 1, 0.5, 1), None: (2, 1, 1.0, 1)}
    assert [row.conversions for row in before] == [0, 0, 0]


async def test_a_machine_visits_nothing_but_what_is_paid_is_paid(database: Database, ask: Callable) -> None:
    visits = [
        event("E1", "LANDED", "2026-03-10T10:00:00Z", "", automated="true"),
        event("E2", "PAYMENT_STARTED", "2026-03-10T10:01:00Z", "", automated="true"),
    ]
    asked = await ask(events=visits)
    async with database.transaction(asked.imported.tenant_id) as connection:
        *_, total = await traffic_kpis(connection, asked.imported.tenant_id, period=MARCH, as_of=NOW)
    assert (total.landing_views, total.visitors, total.payments_started) == (0, 0, 1)


async def test_no_traffic_is_a_total_of_nothing(database: Database, ask: Callable) -> None:
    asked = await ask(communications=[MAIL])
    async with database.transaction(asked.imported.tenant_id) as connection:
        (row,) = await traffic_kpis(connection, asked.imported.tenant_id, period=MARCH, as_of=NOW)
    assert (row.source, row.landing_views, row.share, row.drop_out_rate) == (None, 0, None, None)
    assert row.landing_conversion_rate is None


async def test_an_empty_list_of_words_matches_nothing(ask: Callable) -> None:
    asked = await ask(communications=[MAIL])

    async def sent(where: MessageKpiWhere) -> int:
        (row,) = await asked.messages(where=where)
        return row.sent

    assert await sent(MessageKpiWhere(country=StringFilter(in_=()))) == 0
    assert await sent(MessageKpiWhere(country=StringFilter(starts_with=""))) == 1
    assert await sent(MessageKpiWhere(days_past_due=IntFilter(eq=37))) == 1
    assert await sent(MessageKpiWhere(days_past_due=IntFilter(lt=37))) == 0


async def test_groups_stand_in_the_order_of_their_words_with_none_last(ask: Callable) -> None:
    mails = [
        {**MAIL, "reference": f"C{place}", "channel": channel, "agent": agent}
        for place, (channel, agent) in enumerate(
            [("VOICE", ""), ("SMS", "G1"), ("EMAIL", ""), ("VOICE", "G1")]
        )
    ]
    asked = await ask(agents=[AGENT], communications=mails)
    rows = await asked.messages(MessageDimension.CHANNEL, MessageDimension.AGENT)
    assert [(row.key.channel, row.key.agent) for row in rows] == [
        (Channel.EMAIL, None),
        (Channel.SMS, "G1"),
        (Channel.VOICE, "G1"),
        (Channel.VOICE, None),
    ]
