"""Trying policies on the contacts held out, where their sender logged propensities."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ml.actions import lawful_hours
from ml.arrays import Floats, Ints
from ml.casework import Casework, Knowledge
from ml.circumstances import channel_facts_of, paid_share_of
from ml.deconfounding import LEAST_PROPENSITY
from ml.hold_out import Earlier, Rehearsal, matured_contacts
from ml.model import TrainedModel
from ml.off_policy import LoggedContacts, LoggedTrial
from ml.outcomes import CHANNELS, sent_costs
from ml.segment_plans import usual_plan
from ml.slot_effects import HOURS
from ml.standing import Standing
from ml.values import contact_cost, kept_of_gain, panel_of, slot_tables, standing_of, worth

MOST_CONTACTS = 20_000
_CHUNK = 2_000


def trial_of(
    model: TrainedModel, casework: Casework, everything: Knowledge, rehearsal: Rehearsal, *, seed: int
) -> LoggedTrial | None:
    """The held-out contacts whose outcome is known and propensity was logged, valued by a model that had not
    seen them; None where there are none.

    model: the final one; what does not decide between actions (the organic hazard, reaction times) is its.
    Reward is what a contact moved (`ml.causes`), less what would have been paid anyway and its cost, in the
    tenant's currency. At most 20,000 contacts, drawn with the seed.
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
    log = LoggedContacts(
        action=outcomes.channel[rows] * HOURS + outcomes.local.hour_of_week[rows],
        propensity=np.maximum(outcomes.propensity[rows], LEAST_PROPENSITY),
        reward=_rewards(earlier, casework, everything, rows, standing.alone),
        debtor=outcomes.debtor[rows],
        segment=standing.segment,
    )
    return LoggedTrial(log, usual_plan(earlier).best, _valuer(earlier, standing))


def _valuer(model: TrainedModel, standing: Standing) -> Callable[[Ints], Floats]:
    """What any actions are worth, one for each debtor of the standing; worked out once for all lawful hours."""
    lawful = np.flatnonzero(lawful_hours())
    tables = slot_tables(model.conversion, np.unique(standing.segment))
    everyone = np.arange(len(standing))
    net = np.zeros((len(standing), len(CHANNELS) * HOURS), dtype=np.float32)
    columns = (np.arange(len(CHANNELS))[:, None] * HOURS + lawful[None, :]).ravel()
    for start in range(0, len(standing), _CHUNK):
        some = everyone[start : start + _CHUNK]
        net[some[:, None], columns] = worth(model, standing.take(some), tables, lawful).net.reshape(
            len(some), -1
        )

    def value(action: Ints) -> Floats:
        return np.where(action >= 0, net[everyone, np.maximum(action, 0)], 0.0).astype(np.float64)

    return value


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
    prior = known.weights(rehearsal.half_life)
    before = replace(
        model,
        conversion=earlier.conversion.with_slopes(rehearsal.platts),
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
    return everything.causes.collected[rows] * (1.0 - alone) * kept_of_gain(model)[outcomes.channel] - cost
