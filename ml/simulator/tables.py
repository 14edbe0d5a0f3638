"""A history as the tables of the import format."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from ml.simulator.calendar import Calendar
from ml.simulator.commitments import Calls, Promises
from ml.simulator.funnel import KINDS, Events
from ml.simulator.people import agents, contact_points, debtors
from ml.simulator.portfolio import PRODUCTS, Flags, Floats, Ints, Portfolio, epoch_day
from ml.simulator.records import Contacts, Journey, Receipts
from ml.simulator.spec import CHANNELS, WorldSpec
from ml.simulator.words import TEMPLATE_STYLES, choose, days, instants, money, numbered

Facts = dict[str, pl.DataFrame]

# Per communication, in euros; times the country's scale, in its currency.
COST = np.array([0.002, 0.06, 0.05, 0.001, 0.9, 2.5])
_METHODS = ("CARD", "TRANSFER", "DIRECT_DEBIT")
_SEND = ("OUTBOUND", "INBOUND")


def tables(
    rng: np.random.Generator,
    world: WorldSpec,
    people: Portfolio,
    calendar: Calendar,
    journey: Journey,
    events: Events,
    paid_online: Flags,
    promises: Promises,
    calls: Calls,
) -> Facts:
    """Every table of import-format.md, nothing in it later than the end of the history."""
    contacts, receipts = journey.contacts, journey.receipts
    return {
        "debtors": debtors(rng, world, people),
        "accounts": _accounts(rng, world, people, calendar, receipts),
        "agents": agents(calendar.start),
        "communications": _communications(rng, world, people, calendar, contacts, calls),
        "events": _events(rng, events),
        "payments": _payments(rng, world, people, calendar, receipts, paid_online),
        "promises": _promises(world, people, promises),
        "contact_points": contact_points(rng, world, people, calendar, contacts),
        "contact_requests": _requests(people, calendar, journey),
        "templates": _templates(world),
        "exchange_rates": exchange_rates(rng, world, calendar),
        "finance": _finance(rng, world, people, calendar),
    }


def _currencies(world: WorldSpec, of: Ints) -> pl.Series:
    return choose([country.currency for country in world.countries], of)


def _accounts(
    rng: np.random.Generator, world: WorldSpec, people: Portfolio, calendar: Calendar, receipts: Receipts
) -> pl.DataFrame:
    size = len(people.owner)
    paid, last_us = np.zeros(size), np.zeros(size, dtype=np.int64)
    moved = (receipts.paid_us < calendar.end_us) & (receipts.reversed_us < 0)
    np.add.at(paid, receipts.account[moved], receipts.amount[moved])
    np.maximum.at(last_us, receipts.account[moved], receipts.paid_us[moved])
    closing = last_us // 86_400_000_000 + rng.integers(5, 40, size)
    end = epoch_day(calendar.start) + calendar.days
    closed = (paid >= people.principal - 0.005) & (rng.random(size) < 0.5) & (closing < end)
    return pl.DataFrame(
        {
            "reference": numbered("A", np.arange(size), 7),
            "debtor": numbered("D", people.owner, 7),
            "product": choose(PRODUCTS, people.account_product),
            "currency": _currencies(world, people.account_currency),
            "principal": money(people.principal),
            "opened_on": days(people.due_day - rng.integers(25, 95, size)),
            "due_on": days(people.due_day),
            "closed_on": days(np.where(closed, closing, -1)),
            "agent": numbered("G", people.agent, 3),
        }
    )


def _communications(
    rng: np.random.Generator,
    world: WorldSpec,
    people: Portfolio,
    calendar: Calendar,
    contacts: Contacts,
    calls: Calls,
) -> pl.DataFrame:
    """Outbound ones first (C…), then inbound (I…); an account is left out now and then, as in real files."""
    voice = contacts.channel == CHANNELS.index("VOICE")
    country = people.country[contacts.who]
    scale = np.array([c.scale for c in world.countries])[country]
    sent_day = calendar.local_day(country, contacts.sent_us)
    monday = np.where(voice, -1, sent_day - contacts.hour // 24)
    known = rng.random(len(contacts.who)) > (0.03 if world.propensities else 2.0)
    outbound = pl.DataFrame(
        {
            "reference": numbered("C", np.arange(len(contacts.who)), 8),
            "debtor": numbered("D", contacts.who, 7),
            "account": numbered("A", np.where(rng.random(len(contacts.who)) < 0.05, -1, contacts.account), 7),
            "channel": choose(CHANNELS, contacts.channel),
            "direction": choose(_SEND, np.zeros(len(contacts.who), dtype=np.int64)),
            "template": _template_names(contacts.channel, contacts.template),
            "campaign": "weekly-" + days(monday).cast(pl.String),
            "agent": numbered("G", np.where(voice, people.agent[contacts.account], -1), 3),
            "sent_at": instants(contacts.sent_us),
            "cost": money(COST[contacts.channel] * scale, 4),
            "currency": _currencies(world, country),
            "propensity": pl.Series(contacts.propensity).set(pl.Series(~known), None),
        }
    )
    inbound = pl.DataFrame(
        {
            "reference": numbered("I", np.arange(len(calls.account)), 7),
            "debtor": numbered("D", people.owner[calls.account], 7),
            "account": numbered("A", calls.account, 7),
            "channel": choose(CHANNELS, calls.channel),
            "direction": choose(_SEND, np.ones(len(calls.account), dtype=np.int64)),
            "sent_at": instants(calls.sent_us),
        }
    )
    both = pl.concat([outbound, inbound], how="diagonal")
    return both.filter(pl.col("sent_at") < instants(np.array([calendar.end_us]))[0])


def _template_names(channel: Ints, template: Ints) -> pl.Series:
    names = [f"{name}-{style}" for name in CHANNELS for style in TEMPLATE_STYLES]
    return choose(names, channel * len(TEMPLATE_STYLES) + template)


def _events(rng: np.random.Generator, events: Events) -> pl.DataFrame:
    """In time order but for a few late rows; about one in 200 appears twice."""
    size = len(events.who)
    frame = pl.DataFrame(
        {
            "reference": numbered("E", np.arange(size), 9),
            "debtor": numbered("D", events.who, 7),
            "communication": numbered("C", events.contact, 8),
            "kind": choose(KINDS, events.kind),
            "occurred_at": instants(events.at_us),
            "source": choose(["DIRECT"], np.where(events.contact < 0, 0, -1)),
            "automated": pl.Series(events.automated),
        }
    )
    late = np.arange(size) + (rng.random(size) < 0.02) * rng.integers(0, max(size, 1), size)
    twice = np.flatnonzero(rng.random(size) < 0.005)
    rows = np.concatenate([np.argsort(late, kind="stable"), twice])
    return frame[rows]


def _payments(
    rng: np.random.Generator,
    world: WorldSpec,
    people: Portfolio,
    calendar: Calendar,
    receipts: Receipts,
    paid_online: Flags,
) -> pl.DataFrame:
    """Most payments do not say which message caused them."""
    order = np.argsort(receipts.paid_us, kind="stable")
    order = order[receipts.paid_us[order] < calendar.end_us]
    account, online = receipts.account[order], paid_online[order]
    told = online & (rng.random(len(order)) < 0.3)
    reversal = receipts.reversed_us[order]
    return pl.DataFrame(
        {
            "reference": numbered("P", np.arange(len(order)), 8),
            "account": numbered("A", account, 7),
            "amount": money(receipts.amount[order]),
            "currency": _currencies(world, people.account_currency[account]),
            "paid_at": instants(receipts.paid_us[order]),
            "communication": numbered("C", np.where(told, receipts.contact[order], -1), 8),
            "method": choose(_METHODS, np.where(online, 0, rng.integers(1, 3, len(order)))),
            "reversed_at": instants(np.where(reversal < calendar.end_us, reversal, -1)),
        }
    )


def _promises(world: WorldSpec, people: Portfolio, promises: Promises) -> pl.DataFrame:
    outbound = promises.contact >= 0
    named = pl.Series(outbound)
    spoken, called = numbered("C", promises.contact, 8), numbered("I", promises.call, 7)
    return pl.DataFrame(
        {
            "reference": numbered("R", np.arange(len(outbound)), 7),
            "account": numbered("A", promises.account, 7),
            "amount": money(promises.amount),
            "currency": _currencies(world, people.account_currency[promises.account]),
            "promised_at": instants(promises.promised_us),
            "due_on": days(promises.due_day),
            "direction": choose(_SEND, np.where(outbound, 0, 1)),
            "agent": numbered("G", np.where(outbound, people.agent[promises.account], -1), 3),
            "communication": spoken.zip_with(named, called),
        }
    )


def _requests(people: Portfolio, calendar: Calendar, journey: Journey) -> pl.DataFrame:
    """Made at half past nine in the evening, after the last contact of the day."""
    asked = journey.requests
    limited = asked.kind == 1
    evening = calendar.midnight_us[people.country[asked.who], asked.day] + int(21.5 * 3600) * 1_000_000
    frame = pl.DataFrame(
        {
            "reference": numbered("Q", np.arange(len(asked.who)), 6),
            "debtor": numbered("D", asked.who, 7),
            "kind": choose(("STOP", "ONLY_BETWEEN", "NOT_BEFORE"), asked.kind),
            "channel": choose(CHANNELS, asked.channel),
            "from_hour": pl.Series(asked.from_hour).set(pl.Series(~limited), None),
            "to_hour": pl.Series(asked.to_hour).set(pl.Series(~limited), None),
            "until": instants(
                np.where(asked.kind == 2, evening + (asked.until_day - asked.day) * 86_400_000_000, -1)
            ),
            "made_at": instants(evening),
        }
    )
    return frame.filter(pl.col("made_at") < instants(np.array([calendar.end_us]))[0])


def _templates(world: WorldSpec) -> pl.DataFrame:
    rows = [
        {"reference": f"{channel}-{style}", "channel": channel, **traits}
        for channel in world.channels
        for style, traits in TEMPLATE_STYLES.items()
    ]
    return pl.DataFrame(rows, schema_overrides={"incentive": pl.String})


def exchange_rates(rng: np.random.Generator, world: WorldSpec, calendar: Calendar) -> pl.DataFrame:
    """Weekly, in units of the home currency; the scale of the countries with a small random walk."""
    scales = {country.currency: country.scale for country in world.countries}
    home = scales[world.home_currency]
    weeks = [calendar.start + timedelta(days=k) for k in range(0, calendar.days, 7)]
    rows = []
    for currency, scale in scales.items():
        walk = np.exp(np.cumsum(rng.normal(0, 0.003, len(weeks))) * (currency != world.home_currency))
        rows += [(day, currency, home / scale * step) for day, step in zip(weeks, walk, strict=True)]
    frame = pl.DataFrame(
        rows, schema={"date": pl.Date, "currency": pl.String, "rate": pl.Float64}, orient="row"
    )
    return frame.with_columns(pl.col("rate").round(6).cast(pl.Decimal(18, 6)))


def _finance(
    rng: np.random.Generator, world: WorldSpec, people: Portfolio, calendar: Calendar
) -> pl.DataFrame:
    """Monthly figures of the creditor, in proportion to the portfolio."""
    months = sorted({(calendar.start + timedelta(days=k)).strftime("%Y-%m") for k in range(calendar.days)})
    rows: list[dict[str, str | float]] = []
    for index, country in enumerate(world.countries):
        owed: Floats = people.principal[people.account_currency == index]
        base = float(owed.sum()) or 1000.0 * country.scale
        for month in months:
            wobble = rng.normal(1, 0.03, 4)
            rows.append(
                {
                    "month": month,
                    "currency": country.currency,
                    "credit_sales": base * 2.6 * wobble[0],
                    "receivables": base * 3.9 * wobble[1],
                    "revenue": base * 0.5 * wobble[2],
                    "operating_cost": base * 0.2 * wobble[3],
                }
            )
    amounts = pl.col("credit_sales", "receivables", "revenue", "operating_cost")
    return pl.DataFrame(rows).with_columns(amounts.round(2).cast(pl.Decimal(18, 2)))


def first_day(end: date, world: WorldSpec) -> date:
    """The Monday on which a history of about `world.days` days up to `end` begins."""
    start = end - timedelta(days=world.days)
    return start - timedelta(days=start.weekday())
