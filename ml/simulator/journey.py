"""Living through the history, week by week and day by day: who is contacted, engages, pays, leaves, comes
back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from ml.simulator.calendar import DAY_US, SECOND_US, Calendar
from ml.simulator.policy import Policy, PolicyChange
from ml.simulator.portfolio import Flags, Floats, Ints, Portfolio
from ml.simulator.records import (
    ARRIVED,
    HARD_BOUNCED,
    NOT_BEFORE,
    ONLY_BETWEEN,
    SOFT_BOUNCED,
    STOP,
    Contacts,
    Journey,
    Receipts,
    Requests,
    Standing,
    stack,
)
from ml.simulator.spec import CHANNELS, HOURS, WorldSpec
from ml.simulator.tastes import LAWFUL_BY_DEFAULT, TEMPLATES_PER_CHANNEL, Tastes

FULL_PAYMENT = 0.55
MEAN_SHARE_PAID = FULL_PAYMENT + (1 - FULL_PAYMENT) * 0.5
SOFT_BOUNCE = np.array([0.03, 0.025, 0.02, 0.04, 0.015, 0.0])

_BAD_ADDRESS = np.array([0.04, 0.03, 0.05, 0.05, 0.02, 0.03])
_ENGAGE_MEDIAN_S = np.array([7_500.0, 700.0, 1_000.0, 500.0, 276_000.0, 25.0])
_ENGAGE_SPREAD = np.array([1.1, 1.3, 1.3, 1.4, 0.3, 0.4])
_UNSUBSCRIBE = np.array([0.012, 0.01, 0.012, 0.015, 0.0, 0.004])
_LETTER, _VOICE = CHANNELS.index("LETTER"), CHANNELS.index("VOICE")
_LONGEST_US = int(29.5 * DAY_US)


@dataclass(slots=True)
class _Walk:
    """What changes while the days go by."""

    rng: np.random.Generator
    people: Portfolio
    tastes: Tastes
    calendar: Calendar
    requests: Requests
    balance: Floats
    known: Floats
    reachable: Flags
    bad_address: Flags
    open_hours: Flags
    paused_until: Ints
    sent: Ints
    moves: Floats
    contacts: list[Contacts] = field(default_factory=list)
    receipts: list[Receipts] = field(default_factory=list)
    returns: dict[int, list[tuple[Ints, Floats]]] = field(default_factory=dict)
    contact_count: int = 0


def live(
    rng: np.random.Generator,
    world: WorldSpec,
    people: Portfolio,
    tastes: Tastes,
    policy: Policy,
    calendar: Calendar,
    change: PolicyChange | None = None,
) -> Journey:
    """The whole history under `policy`, and from a change on under another; alike up to there."""
    n = people.size
    walk = _Walk(
        rng=rng,
        people=people,
        tastes=tastes,
        calendar=calendar,
        requests=_requests(rng, people, calendar),
        balance=people.principal.copy(),
        known=np.add.reduceat(people.principal, people.first_account[:-1]),
        reachable=people.reachable.copy(),
        bad_address=rng.random((n, len(CHANNELS))) < _BAD_ADDRESS,
        open_hours=np.broadcast_to(LAWFUL_BY_DEFAULT, (n, HOURS)).copy(),
        paused_until=np.zeros(n, dtype=np.int64),
        sent=np.zeros((calendar.days + 7, n), dtype=np.int64),
        moves=np.zeros((calendar.days, n)),
    )
    rate = world.contacts_per_week * np.exp(0.012 * world.confounding * (people.risk_score - 50))
    for monday in range(0, calendar.days, 7):
        changed = change is not None and calendar.start + timedelta(days=monday) >= change.on
        planned = _plan_week(walk, change.policy if change and changed else policy, rate, monday)
        for day in range(monday, min(monday + 7, calendar.days)):
            _live_day(walk, day, *(column[planned[1] // 24 == day - monday] for column in planned))
    return Journey(
        contacts=stack(Contacts, walk.contacts),
        receipts=stack(Receipts, walk.receipts),
        requests=walk.requests,
        standing=Standing(
            walk.balance,
            walk.sent[calendar.days : calendar.days + 7].sum(axis=0).astype(float),
            walk.reachable,
            walk.bad_address,
            walk.open_hours,
            walk.paused_until,
        ),
    )


def _requests(rng: np.random.Generator, people: Portfolio, calendar: Calendar) -> Requests:
    """About 4 % of debtors ask to be left alone, or on one channel, or to be contacted only at some hours or
    later.
    """
    who = np.flatnonzero(rng.random(people.size) < 0.04)
    size = len(who)
    day = rng.integers(0, calendar.days, size)
    kind = rng.choice(3, size, p=[0.45, 0.35, 0.2])
    channel = np.where((kind == STOP) & (rng.random(size) < 0.7), rng.integers(0, len(CHANNELS), size), -1)
    from_hour = rng.choice([8, 9, 12, 16, 17], size)
    until = day + rng.integers(5, 40, size)
    return Requests(who, kind, channel, from_hour, from_hour + rng.integers(3, 6, size), until, day)


def _plan_week(walk: _Walk, policy: Policy, rate: Floats, monday: int) -> tuple[Ints, Ints, Ints, Floats]:
    """who, hour of week, channel, propensity of the contacts planned on `monday`, before anything of the
    week is known.
    """
    people = walk.people
    weeks = np.maximum(monday - people.entry_day, 0) / 7
    open_now = (people.entry_day <= monday + 6) & (walk.known > 0.005) & (walk.paused_until <= monday)
    open_now &= walk.reachable.any(axis=1) & walk.open_hours.any(axis=1)
    count = np.minimum(walk.rng.poisson(rate * 0.985**weeks), 3) * open_now
    who = np.repeat(np.arange(people.size), count)
    channel, hour, propensity = policy.choose(walk.rng, who, walk.reachable[who], walk.open_hours[who])
    begun = (hour // 24 + monday >= people.entry_day[who]) & (channel >= 0)
    return who[begun], hour[begun], channel[begun], propensity[begun]


def _live_day(walk: _Walk, day: int, who: Ints, hour: Ints, channel: Ints, propensity: Floats) -> None:
    """Money comes back or arrives, some pay uncontacted, the day's contacts go out, wishes are heard at its
    end.
    """
    for accounts, amounts in walk.returns.pop(day, []):
        np.add.at(walk.balance, accounts, amounts)
    walk.known += walk.moves[day]
    _pay_uncontacted(walk, day)
    still = (walk.known[who] > 0.005) & walk.reachable[who, channel] & walk.open_hours[who, hour]
    still &= walk.paused_until[who] <= day
    _contact(walk, day, who[still], hour[still], channel[still], propensity[still])
    _hear(walk, day)


def _hear(walk: _Walk, day: int) -> None:
    asked = walk.requests
    today = np.flatnonzero(asked.day == day)
    for row in today:
        debtor = asked.who[row]
        if asked.kind[row] == STOP:
            stopped = slice(None) if asked.channel[row] < 0 else asked.channel[row]
            walk.reachable[debtor, stopped] = False
        elif asked.kind[row] == ONLY_BETWEEN:
            of_day = np.arange(HOURS) % 24
            walk.open_hours[debtor] &= (of_day >= asked.from_hour[row]) & (of_day < asked.to_hour[row])
        elif asked.kind[row] == NOT_BEFORE:
            walk.paused_until[debtor] = asked.until_day[row]


def _focus(walk: _Walk, who: Ints) -> tuple[Ints, Floats]:
    """The account a debtor is asked about, the first one with money left (else the last), and that money."""
    first, last = walk.people.first_account[who], walk.people.first_account[who + 1] - 1
    account = first.copy()
    for _ in range(2):
        account = np.where((walk.balance[account] < 0.005) & (account < last), account + 1, account)
    return account, walk.balance[account]


def _take(walk: _Walk, account: Ints, paid_us: Ints, contact: Ints) -> Floats:
    """Books payments on `account` (each at most once per call), some of which will be reversed; returns the
    amounts.
    """
    rng, size = walk.rng, len(account)
    balance = walk.balance[account]
    share = np.where(rng.random(size) < FULL_PAYMENT, 1.0, rng.uniform(0.2, 0.8, size))
    amount = np.minimum(np.maximum(np.round(balance * share, 2), 0.01), balance)
    walk.balance[account] = np.round(balance - amount, 2)
    reversed_us = np.where(rng.random(size) < 0.015, paid_us + rng.integers(DAY_US, 20 * DAY_US, size), -1)
    _note(walk, account, paid_us, -amount)
    back = reversed_us >= 0
    _note(walk, account[back], reversed_us[back], amount[back])
    for moment in np.unique((reversed_us[back] - walk.calendar.start_us) // DAY_US):
        due = back & ((reversed_us - walk.calendar.start_us) // DAY_US == moment)
        walk.returns.setdefault(int(moment), []).append((account[due], amount[due]))
    walk.receipts.append(Receipts(account, amount, paid_us, contact, reversed_us))
    return amount


def _note(walk: _Walk, account: Ints, at_us: Ints, amount: Floats) -> None:
    """The sender learns of money the day after it moves."""
    day = (at_us - walk.calendar.start_us) // DAY_US + 1
    inside = day < walk.calendar.days
    np.add.at(walk.moves, (day[inside], walk.people.owner[account[inside]]), amount[inside])


def _pay_uncontacted(walk: _Walk, day: int) -> None:
    people, rng = walk.people, walk.rng
    hazard = -np.expm1(-walk.tastes.organic * walk.calendar.payday[day])
    who = np.flatnonzero((rng.random(people.size) < hazard) & (people.entry_day <= day))
    account, balance = _focus(walk, who)
    paying = balance > 0.005
    who, account = who[paying], account[paying]
    moment = rng.integers(7 * 3600, 23 * 3600, len(who)) * SECOND_US + rng.integers(0, SECOND_US, len(who))
    paid_us = walk.calendar.midnight_us[people.country[who], day] + moment
    _take(walk, account, paid_us, np.full(len(who), -1))


def _contact(walk: _Walk, day: int, who: Ints, hour: Ints, channel: Ints, propensity: Floats) -> None:
    """Sends the day's contacts and draws what comes of each."""
    rng, people, tastes, size = walk.rng, walk.people, walk.tastes, len(who)
    within = rng.integers(0, 3600 * SECOND_US, size)
    sent_us = walk.calendar.midnight_us[people.country[who], day] + hour % 24 * 3600 * SECOND_US + within
    recent = walk.sent[day : day + 7, who].sum(axis=0).astype(float)
    template = rng.integers(0, TEMPLATES_PER_CHANNEL, size)
    arrival = _arrivals(walk, who, channel)
    account, balance = _focus(walk, who)
    engage_chance = tastes.engagement(people, who, channel, hour, float(walk.calendar.shift[day]), recent)
    pay_chance = tastes.payment(people, who, channel, hour, template) * walk.calendar.payday[day]
    only_one = np.isin(np.arange(size), np.unique(who, return_index=True)[1])
    pay_chance = np.minimum(pay_chance, 0.95) * (balance > 0.005) * only_one
    engaged = (arrival == ARRIVED) & (rng.random(size) < engage_chance)
    caused = engaged & (rng.random(size) < pay_chance)
    promised = caused & (channel == _VOICE) & (rng.random(size) < 0.6)
    speed = np.exp(-0.5 * tastes.rhythm[people.rhythm[who], hour])
    waited = _ENGAGE_MEDIAN_S[channel] * speed * np.exp(_ENGAGE_SPREAD[channel] * rng.normal(0, 1, size))
    engaged_us = sent_us + np.minimum(waited * SECOND_US, 20 * DAY_US).astype(np.int64)
    wait = np.where(
        promised, rng.uniform(0.5, 10, size) * 86_400, 14_000 * np.exp(1.6 * rng.normal(0, 1, size))
    )
    paid_us = np.minimum(
        engaged_us + (wait * SECOND_US).astype(np.int64) + 60 * SECOND_US, sent_us + _LONGEST_US
    )
    unsubscribed = engaged & (rng.random(size) < _UNSUBSCRIBE[channel])
    amount = np.zeros(size)
    rows = np.flatnonzero(caused)
    amount[rows] = _take(walk, account[rows], paid_us[rows], walk.contact_count + rows)
    walk.contact_count += size
    np.add.at(walk.sent[day + 7], who, 1)
    walk.reachable[who[unsubscribed], channel[unsubscribed]] = False
    walk.contacts.append(
        Contacts(
            who=who,
            account=account,
            channel=channel,
            hour=hour,
            template=template,
            propensity=propensity,
            sent_us=sent_us,
            arrival=arrival,
            engaged=engaged,
            engaged_us=engaged_us,
            caused=caused,
            promised=promised,
            paid_us=paid_us,
            amount=amount,
            unsubscribed=unsubscribed,
            engage_chance=engage_chance,
            pay_chance=pay_chance,
        )
    )


def _arrivals(walk: _Walk, who: Ints, channel: Ints) -> Ints:
    """ARRIVED, SOFT_BOUNCED or HARD_BOUNCED; a hard bounce ends the use of that address. Letters only bounce
    softly.
    """
    bad = walk.bad_address[who, channel]
    luck = walk.rng.random(len(who))
    hard = bad & (luck < 0.85) & (channel != _LETTER) & (channel != _VOICE)
    walk.reachable[who[hard], channel[hard]] = False
    return np.where(hard, HARD_BOUNCED, np.where(bad | (luck < SOFT_BOUNCE[channel]), SOFT_BOUNCED, ARRIVED))
