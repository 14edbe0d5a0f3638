"""Small portfolios, each about one oddity of messages: what happens is in the test's name and nothing else changes."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import text

from domain.filters import IntFilter, StringFilter
from domain.kpis.messages import Weekday
from domain.kpis.requests import KpiRequestError, MessageDimension, MessageKpiWhere, Period
from domain.vocabulary import Channel
from tests.domain.storage.kpis.odd import ACCOUNT, AGENT, MAIL, PAYMENT, at, event


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
