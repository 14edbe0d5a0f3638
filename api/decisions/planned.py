"""A campaign's computing work, part by part: the options of debtors, and the decisions of those chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from api import answers
from api.answers import Window
from api.decisions.calendar import calendar_of
from api.decisions.choosing import HELD_OUT_REASON, Deciding, candidates_of, new_decision
from api.recommendations import translation
from domain.contact_rules import Reachability
from domain.storage.decisions import NewDecision
from domain.vocabulary import Arm
from ml import actions
from ml.arrays import Bools, Floats, Ints
from ml.candidates import LEAVE_ALONE, Candidates, Total, explain, totals
from ml.frames import History
from ml.options import DayOptions, options_of
from ml.outcomes import CHANNELS
from ml.slot_effects import HOURS


@dataclass(frozen=True)
class Surveyed:
    """The options of a part's debtors, in order, and whether the contact rules forbid each of them every contact."""

    options: DayOptions
    blocked: Bools


@dataclass(frozen=True)
class Choice:
    """What the plan chose for a debtor: a channel's code, an hour of the week, a day of the window, or held out."""

    channel: int
    hour: int
    day: date
    held_out: bool


@dataclass(frozen=True)
class PlannedPart:
    """The decisions of a part, what each says, and what the contacts are expected to bring."""

    decisions: list[NewDecision]
    told: list[answers.Recommendation]
    totals: dict[str, Total]


def survey_part(
    deciding: Deciding,
    history: History,
    people: Mapping[int, Reachability],
    ids: Sequence[int],
    *,
    days: Sequence[date],
    ranking: Floats,
) -> Surveyed:
    """What may be done with debtors of the history on which day."""
    calendar = calendar_of(
        [people[key] for key in ids],
        window=deciding.window,
        known=deciding.as_of,
        channels=deciding.channels,
        days=days,
    )
    found = candidates_of(deciding, history, ids, calendar.masks)
    return Surveyed(options_of(found, calendar.slots, len(days), ranking), calendar.blocked)


def plan_part(
    deciding: Deciding,
    history: History,
    people: Mapping[int, Reachability],
    choices: Mapping[int, Choice],
    *,
    hold_out_share: float,
    kept_out_share: float,
    campaign_id: int,
) -> PlannedPart:
    """The decisions of the debtors chosen; one whose instant is not lawful any more, or who owes nothing any more, is
    left out.

    hold_out_share: of the chosen, left alone by a draw. kept_out_share: of all debtors, in no campaign by another.
    """
    instants = {key: _send_at(people[key], choice, deciding.window) for key, choice in choices.items()}
    ids = [key for key, instant in instants.items() if instant is not None]
    calendar = calendar_of(
        [people[key] for key in ids],
        window=deciding.window,
        known=deciding.as_of,
        channels=deciding.channels,
        days=[deciding.window.start.date()],
    )
    found = candidates_of(deciding, history, ids, calendar.masks)
    owes = found.standing.owes
    chosen = _chosen(found, ids, choices)
    told = explain(found, chosen)
    made = PlannedPart([], [], totals(found, chosen))
    for row in map(int, np.flatnonzero(owes)):
        key = ids[row]
        choice = choices[key]
        advice = _advice(told[row], people[key], choice, deciding)
        made.told.append(advice)
        made.decisions.append(
            new_decision(
                deciding,
                found,
                row,
                people[key],
                key,
                action=advice.best,
                propensity=(1.0 - kept_out_share)
                * (hold_out_share if choice.held_out else 1.0 - hold_out_share),
                explored=False,
                arm=Arm.HELD_OUT if choice.held_out else Arm.PLANNED,
                blocked_by=advice.blocked_by,
                reasons=advice.reasons,
                campaign_id=campaign_id,
            )
        )
    return made


def expected_of(deciding: Deciding, history: History, choices: Mapping[int, Choice]) -> dict[str, Total]:
    """What the choices for debtors of the history are expected to bring, as `plan_part` counts it."""
    ids = list(choices)
    found = candidates_of(deciding, history, ids, np.zeros((len(ids), len(CHANNELS), HOURS), dtype=bool))
    return totals(found, _chosen(found, ids, choices))


def _chosen(found: Candidates, ids: Sequence[int], choices: Mapping[int, Choice]) -> Ints:
    """(n,) channel · 168 + hour of the week, or LEAVE_ALONE: who is held out, or owes nothing."""
    wanted = np.array([choices[key].channel * HOURS + choices[key].hour for key in ids], dtype=np.int64)
    held = np.array([choices[key].held_out for key in ids], dtype=bool)
    return np.where(held | ~found.standing.owes, LEAVE_ALONE, wanted)


def _advice(
    told: actions.Recommendation, person: Reachability, choice: Choice, deciding: Deciding
) -> answers.Recommendation:
    span = _span(choice, deciding.window)
    action = (
        translation.action(told.best, debtor=person, after=span.start, before=span.end) if told.best else None
    )
    return answers.Recommendation(
        evidence=answers.Evidence(told.evidence.value),
        best=action,
        blocked_by=translation.standing_blocks(person, deciding.window, deciding.channels),
        reasons=(HELD_OUT_REASON,) if choice.held_out else told.reasons,
        model_version_id=deciding.champion.version_id,
    )


def _send_at(person: Reachability, choice: Choice, window: Window) -> datetime | None:
    span = _span(choice, window)
    return translation.next_instant(
        CHANNELS[choice.channel], choice.hour, person, after=span.start, before=span.end
    )


def _span(choice: Choice, window: Window) -> Window:
    """The day chosen, as far as it lies in the window."""
    begin = datetime.combine(choice.day, time(), UTC)
    return Window(max(begin, window.start), min(begin + timedelta(days=1), window.end))
