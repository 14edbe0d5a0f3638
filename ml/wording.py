"""From figures to a recommendation a person understands."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ml.actions import (
    WEEKDAYS,
    Action,
    Evidence,
    Expected,
    Money,
    MoneyEstimate,
    Recommendation,
    Span,
    money,
    rounded,
)
from ml.arrays import Bools, Floats, Ints
from ml.channel_words import counted, one, plural, singular
from ml.intervals import likely_range, moved_payments
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.passed_over import Told, why_passed_over
from ml.quotes import Quotes
from ml.standing import Standing
from ml.values import contact_cost

LEAST_SENT, STRONG_ENGAGED, STRONG_MOVED = 5.0, 30.0, 8.0
KNOWN_ENGAGED, KNOWN_MOVED = 20.0, 5.0
"""Contacts of a segment below which nothing is claimed; its engagements and payments moved from which
its own history is enough; those of all segments from which a channel is known at all."""

_SHOWS_NO_OPENING = ("VOICE",)


@dataclass(frozen=True)
class Sheet:
    """The figures of one segment or debtor: n debtors with weights, (channels,) hours quoted, channels
    that may be used, evidence."""

    model: TrainedModel
    standing: Standing
    quotes: Quotes
    weight: Floats
    slots: Ints
    usable: Bools
    evidence: tuple[Evidence, ...]
    templates: tuple[str | None, ...]
    asked: Bools
    own: tuple[str, ...] = ()

    def mean(self, table: Floats | Bools, channel: int) -> float:
        """Weighted mean over the debtors of a (n, channels) table's column."""
        return self.mean_of(table[:, channel])

    def mean_of(self, values: Floats | Bools) -> float:
        """Weighted mean of one value per debtor."""
        return _mean(values, self.weight)


def records_answers(model: TrainedModel) -> Bools:
    """(channels,) whether history ever shows that somebody opened or answered what was sent there."""
    return np.asarray(model.evidence.engaged.sum(axis=0) > 0)


def shows_openings(model: TrainedModel) -> Bools:
    """(channels,) whether openings, and how long they take, can be told of."""
    return records_answers(model) & ~np.isin(CHANNELS, _SHOWS_NO_OPENING)


def segment_evidence(model: TrainedModel, code: int) -> tuple[Evidence, ...]:
    """Per channel what the figures of a segment rest on; code −1: a segment that history does not know.

    Where no answers are ever recorded on a channel, payments alone are its evidence.
    """
    facts = model.evidence
    known = (facts.engaged.sum(axis=0) >= KNOWN_ENGAGED) | (facts.moved.sum(axis=0) >= KNOWN_MOVED)
    if code < 0 or facts.sent[code].sum() < LEAST_SENT or facts.moved.sum() < KNOWN_MOVED:
        return tuple(Evidence.INSUFFICIENT for _ in CHANNELS)
    answered = (facts.engaged[code] >= STRONG_ENGAGED) | ~records_answers(model)
    strong = answered & (facts.moved[code] >= STRONG_MOVED)
    own = np.where(strong, Evidence.STRONG, Evidence.POOLED)
    return tuple(
        Evidence(level) if fine else Evidence.INSUFFICIENT for level, fine in zip(own, known, strict=True)
    )


def evidence_of(
    model: TrainedModel, standing: Standing, segments: Sequence[str]
) -> tuple[tuple[Evidence, ...], ...]:
    """`segment_evidence` of each debtor's segment. segments: (n,) their names."""
    levels = {int(code): segment_evidence(model, int(code)) for code in (*np.unique(standing.segment), -1)}
    return tuple(
        levels[int(code) if name in model.segments else -1]
        for code, name in zip(standing.segment, segments, strict=True)
    )


def recommend(sheet: Sheet, chosen: int | None) -> Recommendation:
    """The chosen channel's action, if it is known and pays, else that of the one worth most, if that does; the other
    channels' best hours as alternatives, best first."""
    nothing = _why_nothing(sheet)
    if nothing is not None:
        return nothing
    usable = _usable(sheet)
    ranked = sorted(usable, key=lambda code: (-sheet.mean(sheet.quotes.net, code), code))
    best = chosen if chosen in usable and sheet.mean(sheet.quotes.net, chosen) > 0 else ranked[0]
    actions = {code: _action(sheet, code) for code in usable}
    others = tuple(actions[code] for code in ranked if code != best)
    evidence, basis = sheet.evidence[best], _basis(sheet, best)
    if sheet.mean(sheet.quotes.net, best) > 0:
        own = sheet.own if best == chosen else ()
        rivals = [_told(sheet, code, actions[code]) for code in ranked if code != best]
        passed_over = why_passed_over(_told(sheet, best, actions[best]), rivals)
        return Recommendation(
            evidence, actions[best], others, (*actions[best].reasons, *own, *passed_over, basis)
        )
    alone = sheet.mean_of(sheet.standing.alone)
    reason = (
        f"Leave alone: {_percent(alone)} pay within 30 days by themselves, and what {one(CHANNELS[best])} would add "
        "does not cover its cost."
    )
    return Recommendation(evidence, None, (actions[best], *others), (reason, basis))


def _told(sheet: Sheet, code: int, action: Action) -> Told:
    return Told(
        one(CHANNELS[code]),
        {estimate.currency: estimate.amount for estimate in action.expected.net},
        sheet.mean(sheet.quotes.net, code),
        sheet.mean(sheet.standing.reachable, code),
    )


def describe(sheet: Sheet, channel: int) -> Action:
    """One channel's action at the hour quoted, whether it is the best or not."""
    return _action(sheet, channel)


def _known(sheet: Sheet) -> list[int]:
    return [code for code, level in enumerate(sheet.evidence) if level is not Evidence.INSUFFICIENT]


def _usable(sheet: Sheet) -> list[int]:
    return [code for code in _known(sheet) if sheet.usable[code] and sheet.standing.reachable[:, code].any()]


def _why_nothing(sheet: Sheet) -> Recommendation | None:
    """Why no contact can be named at all, if so."""
    standing = sheet.standing
    if not len(standing):
        return _nothing(Evidence.INSUFFICIENT, "Nobody here owes anything that is known of.")
    if not standing.owes.any():
        reason = "Nothing is owed throughout the time decided for: there is nothing to contact for."
        return _nothing(Evidence.STRONG, reason)
    unreached = _why_unreached(sheet)
    if unreached is not None:
        return _nothing(Evidence.STRONG, unreached)
    if not _known(sheet):
        reason = "Too little has been sent to or heard from here to tell what works."
        return _nothing(Evidence.INSUFFICIENT, reason)
    if not _usable(sheet):
        reason = "On every channel of which enough is known, the contact rules or what was asked for leave no hour."
        return _nothing(Evidence.POOLED, reason)
    return None


def _why_unreached(sheet: Sheet) -> str | None:
    """Why no channel that was asked for reaches anybody, if so."""
    if not sheet.asked.any():
        return "No channel was asked for."
    if sheet.standing.reachable.any():
        return None
    if sheet.asked.all():
        return "No channel reaches them: no usable address, or opted out everywhere."
    return "No channel that was asked for reaches them: no usable address, or opted out of it."


def _nothing(evidence: Evidence, reason: str) -> Recommendation:
    return Recommendation(evidence, None, (), (reason,))


def _action(sheet: Sheet, code: int) -> Action:
    slot = int(sheet.slots[code])
    return Action(
        channel=CHANNELS[code],
        weekday=slot // 24,
        hour=slot % 24,
        template=sheet.templates[code],
        expected=_expected(sheet, code),
        reasons=_reasons(sheet, code),
    )


def _expected(sheet: Sheet, code: int) -> Expected:
    quotes = sheet.quotes
    delivered = max(sheet.mean(quotes.delivered, code), 1e-9)
    opened, clicked = (
        sheet.mean(quotes.opened, code) / delivered,
        sheet.mean(quotes.clicked, code) / delivered,
    )
    opens = bool(shows_openings(sheet.model)[code])
    collected, cost, net = _amounts(sheet, code)
    return Expected(
        delivery_rate=min(delivered, 1.0),
        open_rate=min(opened, 1.0) if opens else None,
        click_rate=min(clicked, 1.0) if opens else None,
        conversion_rate=min(sheet.mean(quotes.converted, code) / delivered, 1.0),
        collected=collected,
        cost=cost,
        net=net,
        seconds_to_open=_span(sheet, quotes.open_p50, quotes.open_p90, code) if opens else None,
        seconds_to_pay=_span(sheet, quotes.pay_p50, quotes.pay_p90, code),
    )


def _amounts(
    sheet: Sheet, code: int
) -> tuple[tuple[Money, ...], tuple[Money, ...], tuple[MoneyEstimate, ...]]:
    """Per currency of the debtors: what a contact collects against leaving alone, costs, and nets, in
    that currency."""
    collected, cost, net = [], [], []
    moved = float(moved_payments(sheet.model)[sheet.standing.segment[0], code])
    currencies = sheet.standing.currency.to_numpy()
    for currency in sorted(set(currencies.tolist())):
        rows = np.flatnonzero((currencies == currency) & sheet.standing.reachable[:, code])
        if not len(rows):
            continue
        weight, rate = sheet.weight[rows], float(sheet.standing.rate[rows[0]])
        gain = _mean(sheet.quotes.gain[rows, code], weight) / rate
        spent = float(contact_cost(sheet.model)[code]) / rate
        middle = _mean(sheet.quotes.net[rows, code], weight) / rate
        least, most = likely_range(
            sheet.quotes.gain[rows, code], weight, sheet.quotes.doubt[rows, code], moved
        )
        collected.append(money(gain, currency))
        cost.append(money(spent, currency))
        low, high = (middle + spent) * least - spent, (middle + spent) * most - spent
        net.append(MoneyEstimate(rounded(middle), currency, rounded(low), rounded(high)))
    return tuple(collected), tuple(cost), tuple(net)


def _span(sheet: Sheet, p50: Floats, p90: Floats, code: int) -> Span:
    return Span(sheet.mean(p50, code), sheet.mean(p90, code))


def best_templates(model: TrainedModel) -> tuple[str | None, ...]:
    """Per channel the template that moves most, if it stands out by more than its own error."""
    return tuple(_best_template(model, code) for code in range(len(CHANNELS)))


def _best_template(model: TrainedModel, code: int) -> str | None:
    mine = model.conversion.templates.filter(pl.col("channel") == code).sort(
        "factor", "template", descending=[True, False]
    )
    if len(mine) < 2 or mine["factor"][0] - 1.0 <= mine["spread"][0]:
        return None
    return str(mine["template"][0])


def _reasons(sheet: Sheet, code: int) -> tuple[str, ...]:
    slot, quotes = int(sheet.slots[code]), sheet.quotes
    when = f"on {WEEKDAYS[slot // 24]} at {slot % 24:02d}:00"
    moved, engaged = sheet.mean(quotes.moved, code), sheet.mean(quotes.engaged, code)
    alone = sheet.mean_of(sheet.standing.alone)
    verb = "answered" if CHANNELS[code] == "VOICE" else "opened or answered"
    if records_answers(sheet.model)[code]:
        effect = f"is {verb} by {_percent(engaged)} of debtors and moves {_percent(moved)} to pay."
    else:
        never = f"no {singular(CHANNELS[code])} was ever recorded as {verb}"
        effect = f"moves {_percent(moved)} of debtors to pay; {never}."
    contact = one(CHANNELS[code])
    return (
        f"{contact[0].upper()}{contact[1:]} {when} {effect}",
        f"Left alone, {_percent(alone)} pay within 30 days anyway.",
    )


def _basis(sheet: Sheet, code: int) -> str:
    facts = sheet.model.evidence
    segment = int(sheet.standing.segment[0])
    sent = round(float(facts.sent[segment, code])) if segment < len(facts.sent) else 0
    if sheet.evidence[code] is Evidence.STRONG:
        return f"Known from {counted(sent, CHANNELS[code])} to this segment."
    if not sent:
        return (
            f"This segment has had no {plural(CHANNELS[code])} yet; what similar segments did fills the gap."
        )
    others = round(float(facts.sent[:, code].sum())) > sent
    filling = "what similar segments did" if others else "what was learned of contacts of all kinds"
    them = "it" if sent == 1 else "them"
    return (
        f"This segment has had {counted(sent, CHANNELS[code])}, but too little came of {them} to go by; {filling} "
        "fills the gap."
    )


def _mean(values: Floats | Bools, weight: Floats) -> float:
    """Weighted mean; asked for dozens of times per segment, where `np.average` would take longer to check both."""
    return float((values * weight).sum() / weight.sum())


def _percent(share: float) -> str:
    return "less than 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"
