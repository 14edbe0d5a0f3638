"""From facts to choices that can be logged: computing work, for a scoring thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from api import answers
from api.answers import Window
from api.decisions.stored import action_json, blocks_json
from api.recommendations import translation
from api.recommendations.champions import Champion, names_of
from api.recommendations.hours import Hours, hours_of_debtors
from domain.contact_rules import Reachability, rules_version
from domain.storage.decisions import NewDecision
from domain.vocabulary import Arm, Channel
from ml import actions
from ml.candidates import LEAVE_ALONE, Candidates, candidates, explain, runs_of
from ml.exploration import RECOMMENDED, Choices, Policy, choose
from ml.frames import History
from ml.segment_plans import SegmentPlan
from ml.values import Ahead

HELD_OUT_REASON = "Held out: never contacted, to measure what contacts bring."


@dataclass(frozen=True)
class Deciding:
    """How to decide: with which model, when a contact may be, by which policy, and with which seed.

    plan: `usual_plan` of the model and the channels.
    """

    champion: Champion
    plan: SegmentPlan
    window: Window
    channels: frozenset[Channel] | None
    as_of: datetime
    policy: Policy
    seed: int


def decide(
    deciding: Deciding,
    history: History,
    people: Mapping[int, Reachability],
    *,
    held_out: frozenset[int],
    hold_out_share: float,
) -> list[NewDecision]:
    """A decision for each of the people, each in the history; those held out are left alone.

    Propensity is that of what is logged: of being held out, or of not being held out and of just this choice.
    """
    ids = list(people)
    masks = hours_of_debtors([people[key] for key in ids], known=deciding.as_of, window=deciding.window)
    found = candidates_of(deciding, history, ids, masks)
    choices = choose(found, deciding.policy, seed=deciding.seed, keys=ids)
    held = np.array([debtor_id in held_out for debtor_id in ids], dtype=bool)
    told = explain(found, np.where(held, LEAVE_ALONE, choices.chosen))
    return [
        _held_out(deciding, found, row, people[debtor_id], debtor_id, hold_out_share)
        if held[row]
        else _chosen(
            deciding, found, choices, row, people[debtor_id], debtor_id, told[row], 1 - hold_out_share
        )
        for row, debtor_id in enumerate(ids)
    ]


def candidates_of(deciding: Deciding, history: History, ids: Sequence[int], masks: Hours) -> Candidates:
    """What may be done with debtors of the history; masks: (n, channels, 168) hours that the contact rules allow."""
    book = deciding.champion.model.casebook(history)
    place = {key: row for row, key in enumerate(book.debtors["debtor"].to_list())}
    return candidates(
        deciding.champion.model,
        book,
        np.array([place[key] for key in ids], dtype=np.int64),
        ahead=Ahead.of(deciding.window.start, deciding.window.end),
        plan=deciding.plan,
        masks=masks,
        channels=names_of(deciding.channels),
    )


def left_alone(
    people: Mapping[int, Reachability],
    reasons: Sequence[str],
    *,
    window: Window,
    channels: frozenset[Channel] | None,
    as_of: datetime,
    seed: int,
) -> list[NewDecision]:
    """Decisions to leave everybody alone because nothing can be told, e.g. before the first model."""
    return [
        NewDecision(
            debtor_id=debtor_id,
            decided_at=as_of,
            action=None,
            propensity=1.0,
            explored=False,
            arm=Arm.PLANNED,
            eligible=(),
            blocked_by=blocks_json(translation.standing_blocks(person, window, channels)),
            reasons=reasons,
            seed=seed,
            policy=RECOMMENDED.version,
            rules_version=rules_version(person.presets),
            model_version_id=None,
        )
        for debtor_id, person in people.items()
    ]


def _chosen(
    deciding: Deciding,
    found: Candidates,
    choices: Choices,
    row: int,
    person: Reachability,
    debtor_id: int,
    told: actions.Recommendation,
    share: float,
) -> NewDecision:
    action = lawful_action(told.best, person, deciding.window) if told.best else None
    return new_decision(
        deciding,
        found,
        row,
        person,
        debtor_id,
        action=action,
        propensity=share * float(choices.propensity[row]),
        explored=choices.explored[row],
        arm=Arm.PLANNED,
        blocked_by=translation.standing_blocks(person, deciding.window, deciding.channels),
        reasons=told.reasons,
    )


def _held_out(
    deciding: Deciding, found: Candidates, row: int, person: Reachability, debtor_id: int, share: float
) -> NewDecision:
    return new_decision(
        deciding,
        found,
        row,
        person,
        debtor_id,
        action=None,
        propensity=share,
        explored=False,
        arm=Arm.HELD_OUT,
        blocked_by=translation.standing_blocks(person, deciding.window, deciding.channels),
        reasons=(HELD_OUT_REASON,),
    )


def lawful_action(action: actions.Action, person: Reachability, window: Window) -> answers.Action:
    """An action with its instant.

    Raises:
        LookupError: there is none, so it should not have been among the choices.
    """
    shown = translation.action(action, debtor=person, after=window.start, before=window.end)
    if shown.send_at is None:
        raise LookupError(f"no lawful instant for {action.channel} in hour {action.hour_of_week} of the week")
    return shown


def new_decision(
    deciding: Deciding,
    found: Candidates,
    row: int,
    person: Reachability,
    debtor_id: int,
    *,
    action: answers.Action | None,
    propensity: float,
    explored: bool,
    arm: Arm,
    blocked_by: Sequence[answers.Block],
    reasons: Sequence[str],
    campaign_id: int | None = None,
) -> NewDecision:
    """A decision with all that made it. blocked_by: the person's `standing_blocks`."""
    return NewDecision(
        debtor_id=debtor_id,
        decided_at=deciding.as_of,
        action=action_json(action) if action else None,
        propensity=propensity,
        explored=explored,
        arm=arm,
        eligible=runs_of(found.open[row]),
        blocked_by=blocks_json(blocked_by),
        reasons=list(reasons),
        seed=deciding.seed,
        policy=deciding.policy.version,
        rules_version=rules_version(person.presets),
        model_version_id=deciding.champion.version_id,
        campaign_id=campaign_id,
    )
