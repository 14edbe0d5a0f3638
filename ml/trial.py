"""Trying policies on the contacts held out, where their sender logged propensities."""

from dataclasses import replace

import numpy as np

from ml.arrays import Floats, Ints
from ml.casework import Casework, Knowledge
from ml.circumstances import channel_facts_of, paid_share_of
from ml.decisions import usual_plan
from ml.hold_out import Earlier, Rehearsal, matured_contacts
from ml.model import TrainedModel
from ml.off_policy import LoggedContacts, LoggedTrial
from ml.outcomes import sent_costs
from ml.quotes import net_draws
from ml.values import CONTACTS_LOST, contact_cost, panel_of, standing_of

MOST_CONTACTS = 40_000


def trial_of(
    model: TrainedModel, casework: Casework, everything: Knowledge, rehearsal: Rehearsal, *, seed: int
) -> LoggedTrial | None:
    """The held-out contacts whose outcome is known and propensity was logged, valued by a model that had not
    seen them; None where there are none.

    model: the final one; what does not decide between actions (the organic hazard, reaction times) is its.
    Reward is what a contact moved (`ml.causes`), less what would have been paid anyway and its cost, in the
    tenant's currency. At most 40,000 contacts, drawn with the seed.
    """
    if rehearsal.earlier is None:
        return None
    rows = _logged_rows(rehearsal.earlier, everything, rehearsal.later, seed)
    if not len(rows):
        return None
    earlier = _as_rehearsed(model, casework, rehearsal.earlier, rehearsal, seed)
    outcomes = everything.outcomes
    standing = standing_of(earlier, casework.book, outcomes.debtor[rows], outcomes.sent_at[rows])
    standing = replace(standing, segment=everything.segment[rows])
    done = outcomes.channel[rows] * 168 + outcomes.local.hour_of_week[rows]

    def value(action: Ints) -> Floats:
        net, _ = net_draws(earlier, standing, np.maximum(action, 0))
        return np.where(action >= 0, net, 0.0)

    log = LoggedContacts(
        action=done,
        propensity=outcomes.propensity[rows],
        reward=_rewards(earlier, casework, everything, rows, standing.alone),
        debtor=outcomes.debtor[rows],
        segment=standing.segment,
    )
    return LoggedTrial(log, usual_plan(earlier).best, value)


def _logged_rows(earlier: Earlier, everything: Knowledge, later: Ints, seed: int) -> Ints:
    rows = matured_contacts(earlier.conversion, everything, later, "moved")
    propensity = everything.outcomes.propensity[rows]
    rows = rows[np.isfinite(propensity) & (propensity > 0)]
    if len(rows) <= MOST_CONTACTS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_CONTACTS, replace=False))


def _as_rehearsed(
    model: TrainedModel, casework: Casework, earlier: Earlier, rehearsal: Rehearsal, seed: int
) -> TrainedModel:
    """The model as it would have stood before the contacts held out."""
    known = earlier.knowledge
    prior = known.recency(rehearsal.half_life)
    before = replace(
        model,
        conversion=earlier.conversion.calibrated(rehearsal.platts),
        paid_share=paid_share_of(casework, known, prior, seed, model.threads),
        channels=channel_facts_of(known, casework.book.history, prior),
    )
    return replace(before, panel=panel_of(before, casework.book, known.outcomes.seen_until, seed=seed))


def _rewards(
    model: TrainedModel, casework: Casework, everything: Knowledge, rows: Ints, alone: Floats
) -> Floats:
    outcomes = everything.outcomes.take(rows)
    cost = sent_costs(casework.book.history, outcomes)
    cost = np.where(np.isfinite(cost), cost, contact_cost(model)[outcomes.channel])
    kept = 1.0 - np.minimum(CONTACTS_LOST * model.channels.opt_out, 0.5)
    return everything.causes.collected[rows] * (1.0 - alone) * kept[outcomes.channel] - cost
