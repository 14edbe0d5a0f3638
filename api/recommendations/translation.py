"""From the models' words to the API's answers: channels, weekdays, the next instant, what was blocked."""

from dataclasses import replace
from datetime import datetime
from functools import partial

from api import answers
from api.answers import Window
from domain.contact_rules import Reachability, blocks, next_lawful_instant
from domain.kpis.messages import Weekday
from domain.storage.models import ModelStamp
from domain.vocabulary import Channel
from ml import actions

_WEEKDAYS = list(Weekday)


def no_model(as_of: datetime, *, is_past: bool) -> answers.Recommendation:
    """The honest answer before the first champion."""
    reason = why_no_model(as_of, is_past=is_past)
    return answers.Recommendation(answers.Evidence.INSUFFICIENT, None, reasons=(reason,))


def why_no_model(as_of: datetime, *, is_past: bool) -> str:
    """Why nothing decides at `as_of`, and what to do. is_past: there is a champion now."""
    if is_past:
        return f"No model was trained on what was known at {as_of.isoformat()}; train one with that asOf."
    return (
        "No model has been promoted yet, so there is no telling what works here. Train one; where its gate does not "
        "let it decide, modelVersions says why, and promoteModel lets it all the same."
    )


def for_segment(found: actions.Recommendation, version: ModelStamp) -> answers.Recommendation:
    """A segment's recommendation, whose actions name no instant yet."""
    answer = _recommendation(found, version.id, None, after=None, before=None)
    return replace(answer, model_version=version)


def for_debtor(
    found: actions.Recommendation,
    version_id: int,
    debtor: Reachability,
    window: Window,
    channels: frozenset[Channel] | None,
) -> answers.Recommendation:
    """A debtor's recommendation, with the first lawful instant for each action and the rules that block channels."""
    answer = _recommendation(found, version_id, debtor, after=window.start, before=window.end)
    return replace(answer, blocked_by=standing_blocks(debtor, window, channels))


def standing_blocks(
    debtor: Reachability, window: Window, channels: frozenset[Channel] | None
) -> tuple[answers.Block, ...]:
    """What forbids a channel that was asked for (None: any) as the window begins; of the hours of the day, only what
    forbids the whole window.
    """
    found: dict[answers.Block, None] = {}
    for channel in Channel if channels is None else sorted(channels, key=list(Channel).index):
        for block in blocks(window.start, channel, debtor):
            is_of_the_hour = block.rule.split("@")[0].endswith("_HOURS")
            if not is_of_the_hour or block.until is None or block.until >= window.end:
                found[answers.Block(block.rule, block.message, block.channel, block.until)] = None
    return tuple(found)


def _recommendation(
    found: actions.Recommendation,
    version_id: int,
    debtor: Reachability | None,
    *,
    after: datetime | None,
    before: datetime | None,
) -> answers.Recommendation:
    translated = partial(action, debtor=debtor, after=after, before=before)
    return answers.Recommendation(
        evidence=answers.Evidence(found.evidence.value),
        best=translated(found.best) if found.best else None,
        alternatives=tuple(translated(other) for other in found.alternatives),
        reasons=found.reasons,
        model_version_id=version_id,
    )


def action(
    found: actions.Action, *, debtor: Reachability | None, after: datetime | None, before: datetime | None
) -> answers.Action:
    """An action with its next lawful instant in the span; None where there is no debtor whose instant it could be."""
    send_at = (
        next_instant(found.channel, found.hour_of_week, debtor, after=after, before=before)
        if debtor is not None and after is not None
        else None
    )
    return answers.Action(
        channel=Channel(found.channel),
        weekday=_WEEKDAYS[found.weekday],
        hour=found.hour,
        template=found.template,
        send_at=send_at,
        expected=_expected(found.expected),
        reasons=found.reasons,
    )


def next_instant(
    channel: str, hour_of_week: int, debtor: Reachability, *, after: datetime, before: datetime | None
) -> datetime | None:
    """The first lawful instant of a local hour of the week in the span."""
    weekday, hour = divmod(hour_of_week, 24)
    return next_lawful_instant(after, weekday, hour, Channel(channel), debtor, before=before)


def _expected(expected: actions.Expected) -> answers.Expected:
    return answers.Expected(
        delivery_rate=expected.delivery_rate,
        open_rate=expected.open_rate,
        click_rate=expected.click_rate,
        conversion_rate=expected.conversion_rate or 0.0,
        collected=tuple(answers.Money(money.amount, money.currency) for money in expected.collected),
        cost=tuple(answers.Money(money.amount, money.currency) for money in expected.cost),
        net=tuple(
            answers.MoneyEstimate(money.amount, money.currency, money.low, money.high)
            for money in expected.net
        ),
        seconds_to_open=_span(expected.seconds_to_open),
        seconds_to_pay=_span(expected.seconds_to_pay),
    )


def _span(span: actions.Span | None) -> answers.Span | None:
    return answers.Span(span.p50, span.p90) if span else None
