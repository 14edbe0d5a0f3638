"""Making a world: from a spec and a seed to facts and truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from ml.simulator.calendar import build_calendar
from ml.simulator.commitments import commitments
from ml.simulator.funnel import trace
from ml.simulator.journey import live
from ml.simulator.policy import PolicyChange, build_policy
from ml.simulator.portfolio import build_portfolio, epoch_day
from ml.simulator.records import Journey
from ml.simulator.spec import DEFAULT, WorldSpec
from ml.simulator.tables import COST, Facts, first_day, tables
from ml.simulator.tastes import build_tastes
from ml.simulator.truth import Truth, build_truth


@dataclass(frozen=True, slots=True)
class SimulatedWorld:
    """facts: tables of import-format.md, nothing at or after 00:00 UTC of `end`; truth: as of then; journey:
    hidden log.
    """

    world: WorldSpec
    seed: int
    start: date
    end: date
    facts: Facts
    truth: Truth
    journey: Journey


def simulate(
    debtors: int, seed: int, end: date, world: WorldSpec = DEFAULT, *, change: PolicyChange | None = None
) -> SimulatedWorld:
    """A world of `debtors` debtors whose history ends before `end`; the same arguments give the same world.

    change: how it would have gone if from some day on contacts had been chosen otherwise.

    Raises ValueError when `debtors` is below 1.
    """
    if debtors < 1:
        raise ValueError(f"debtors: {debtors} is too few; a world needs at least 1")
    start = first_day(end, world)
    calendar = build_calendar(world, start, (end - start).days)
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(7)]
    people = build_portfolio(streams[0], world, debtors, start)
    tastes = build_tastes(streams[1], world, people)
    policy = build_policy(streams[2], world, people)
    journey = live(streams[3], world, people, tastes, policy, calendar, change)
    events, paid_online = trace(
        streams[4], people, journey.contacts, journey.receipts, calendar.start_us, calendar.end_us
    )
    promises, calls = commitments(streams[5], people, calendar, journey.contacts, journey.receipts)
    facts = tables(streams[6], world, people, calendar, journey, events, paid_online, promises, calls)
    latest = facts["exchange_rates"].sort("date").group_by("currency", maintain_order=True).last()
    rates = {str(currency): float(rate) for currency, rate in latest.select("currency", "rate").iter_rows()}
    truth = build_truth(
        world, people, tastes, policy, journey.standing, rates, COST, epoch_day(end) - epoch_day(start)
    )
    return SimulatedWorld(world, seed, start, start + timedelta(days=calendar.days), facts, truth, journey)
