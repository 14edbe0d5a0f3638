"""The tables about people: debtors, agents, contact points."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from ml.simulator.calendar import Calendar
from ml.simulator.portfolio import INCOME_BANDS, Ints, Portfolio
from ml.simulator.records import Contacts
from ml.simulator.spec import CHANNELS, WorldSpec
from ml.simulator.words import FIRST_NAMES, LAST_NAMES, choose, days, instants, numbered

AGENTS, TEAMS = 25, 5


def debtors(rng: np.random.Generator, world: WorldSpec, people: Portfolio) -> pl.DataFrame:
    """x_income_band and x_risk_score are noisy signs of the hidden ability to pay."""
    size = people.size
    country = people.country
    regions = [name for c in world.countries for name in c.regions]
    before = np.cumsum([0, *(len(c.regions) for c in world.countries)])
    region = np.where(rng.random(size) < 0.04, -1, before[country] + people.region)
    segment = people.segment if world.own_segments else np.full(size, -1)
    return pl.DataFrame(
        {
            "reference": numbered("D", np.arange(size), 7),
            "name": _names(rng, world, country),
            "email": _address(world, people, "EMAIL"),
            "phone": _address(world, people, "SMS"),
            "postal_address": _address(world, people, "LETTER"),
            "country": choose([c.code for c in world.countries], country),
            "region": choose(regions, region),
            "language": choose([c.language for c in world.countries], country),
            "time_zone": choose([c.zone for c in world.countries], country),
            "birth_date": days(np.where(rng.random(size) < 0.04, -1, people.birth_day)),
            "customer_since": days(people.customer_day),
            "segment": choose(people.segment_keys, segment),
            "x_income_band": choose(INCOME_BANDS, np.where(rng.random(size) < 0.1, -1, people.income)),
            "x_risk_score": pl.Series(people.risk_score).round(1),
        }
    )


def _names(rng: np.random.Generator, world: WorldSpec, country: Ints) -> pl.Series:
    first = [name for c in world.countries for name in FIRST_NAMES[c.language]]
    last = [name for c in world.countries for name in LAST_NAMES[c.language]]
    draws = rng.integers(0, 8, (2, len(country)))
    return choose(first, country * 8 + draws[0]) + " " + choose(last, country * 8 + draws[1])


def _address(world: WorldSpec, people: Portfolio, channel: str) -> pl.Series:
    """The debtor's address for a channel; null where there is none. All of them are made up and lead
    nowhere.
    """
    who = pl.Series(np.arange(people.size))
    number = who.cast(pl.String)
    if channel == "EMAIL":
        address = "d" + number + "@example.org"
    elif channel == "LETTER":
        address = "Street " + number + ", floor " + (who % 9).cast(pl.String)
    elif channel == "PUSH":
        address = "device-" + number.str.zfill(9)
    else:
        address = choose([c.dial for c in world.countries], people.country) + "655" + number.str.zfill(7)
    return address.set(~pl.Series(people.has_address[:, CHANNELS.index(channel)]), None)


def agents(start: date) -> pl.DataFrame:
    """25 agents in 5 teams, the last of whom left two months in."""
    begun = start - timedelta(days=400)
    return pl.DataFrame(
        {
            "reference": numbered("G", np.arange(AGENTS), 3),
            "name": [f"Agent {k}" for k in range(AGENTS)],
            "team": [f"TEAM-{'ABCDE'[k % TEAMS]}" for k in range(AGENTS)],
            "active_from": [begun] * AGENTS,
            "active_to": [None] * (AGENTS - 1) + [start + timedelta(days=60)],
        },
        schema_overrides={"active_to": pl.Date},
    )


def contact_points(
    rng: np.random.Generator, world: WorldSpec, people: Portfolio, calendar: Calendar, contacts: Contacts
) -> pl.DataFrame:
    """Devices for PUSH, consents given, and what was opted out of."""
    leaving = contacts.unsubscribed & (contacts.engaged_us + 40_000_000 < calendar.end_us)
    left_us = np.full((people.size, len(CHANNELS)), -1)
    left_us[contacts.who[leaving], contacts.channel[leaving]] = contacts.engaged_us[leaving] + 40_000_000
    parts = []
    for channel in world.channels:
        column = CHANNELS.index(channel)
        consented = rng.random(people.size) < (1.0 if channel == "PUSH" else 0.35)
        row = people.has_address[:, column] & (consented | (left_us[:, column] >= 0))
        given_us = (people.customer_day + rng.integers(0, 90, people.size)) * 86_400_000_000 + 43_200_000_000
        frame = pl.DataFrame(
            {
                "debtor": numbered("D", np.arange(people.size), 7),
                "channel": [channel] * people.size,
                "address": _address(world, people, channel),
                "verified_at": instants(np.where(rng.random(people.size) < 0.7, given_us, -1)),
                "consented_at": instants(np.where(consented, given_us + 60_000_000, -1)),
                "opted_out_at": instants(left_us[:, column]),
            }
        )
        parts.append(frame.filter(pl.Series(row)))
    return pl.concat(parts)
