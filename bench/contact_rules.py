"""A million random decisions over every preset, each held against the rules said again naively.

Debtors, histories, requests, zones and instants are random, clock changes among them; a decision takes any of the hours
that the product calls lawful, as exploring may. Goal: none breaks a rule.
"""

import random
from datetime import timedelta

from bench.measuring import Report
from domain.contact_rules import PRESETS, Preset, lawful_hours, next_lawful_instant
from domain.vocabulary import Channel
from tests.domain.contact_rules_oracle import broken_rules
from tests.domain.random_debtors import random_debtor, random_instant

DECISIONS = 1_000_000
INSTANTS = 100
PER_MASK = 10
SEED = 20260501


def run(report: Report) -> None:
    """Decide for random debtors until there are a million decisions."""
    wanted = -(-DECISIONS // len(PRESETS))
    forbidden = decided = 0
    with report.timed("deciding"):
        for name, preset in PRESETS.items():
            bad = forbidden_contacts(name, preset, wanted)
            report.note(f"{name}: forbidden contacts in {wanted:,}", bad)
            forbidden, decided = forbidden + bad, decided + wanted
    report.note("decisions", decided)
    report.goal("forbidden contacts", forbidden, at_most=0)


def forbidden_contacts(name: str, preset: Preset, wanted: int) -> int:
    """How many of the decisions under a preset break a rule."""
    draw = random.Random(f"{SEED} {name}")
    instants = [random_instant(draw) for _ in range(INSTANTS)]
    made = forbidden = 0
    while made < wanted:
        debtor, at = random_debtor(draw, preset, at=draw.choice(instants))
        channel, end = draw.choice(list(Channel)), at + timedelta(days=7)
        mask = lawful_hours(channel, debtor, start=at, end=end, known=at)
        hours = [hour for hour, lawful in enumerate(mask) if lawful]
        for hour in draw.sample(hours, min(PER_MASK, len(hours), wanted - made)):
            sent = next_lawful_instant(at, hour // 24, hour % 24, channel, debtor, before=end)
            made += 1
            forbidden += sent is None or bool(
                broken_rules(
                    name,
                    debtor.zone,
                    channel,
                    sent,
                    addresses=debtor.addresses,
                    requests=debtor.requests,
                    contacts=debtor.contacts,
                )
            )
    return forbidden
