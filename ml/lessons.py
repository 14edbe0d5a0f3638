"""What each step of the funnel learns from: contacts watched long enough for their outcome to be known for good."""

from dataclasses import dataclass

import numpy as np

from ml.arrays import Floats, Ints, sums_by
from ml.casework import Casework, Knowledge
from ml.censoring import LEAST_EVENTS, matured_labels, maturity_horizon
from ml.funnel import Lesson
from ml.outcomes import CHANNELS, HORIZON_SECONDS
from ml.slot_effects import Cells, Shape, parts_of


@dataclass(frozen=True)
class Watch:
    """One step's contacts (rows): seconds to the event (inf: not seen) and seconds watched, from the
    step's start; mass: how much of an event each one's is."""

    rows: Ints
    seconds: Floats
    followed: Floats
    mass: Floats


def watches_of(knowledge: Knowledge, rows: Ints) -> dict[str, Watch]:
    """Per step those of the given contacts that come to it."""
    outcomes, causes = knowledge.outcomes, knowledge.causes
    has_engaged = (outcomes.engaged_at <= outcomes.seen_until)[rows]
    engaged, silent = rows[has_engaged], rows[~has_engaged]
    sure = np.ones(len(outcomes))
    plans = {
        "engaged": (rows, outcomes.sent_at, outcomes.engaged_at, sure),
        "attributed": (engaged, outcomes.engaged_at, outcomes.paid_at, sure),
        "moved": (engaged, outcomes.engaged_at, causes.moved_at, causes.moved),
        "moved_silent": (silent, outcomes.sent_at, causes.moved_at, causes.moved),
    }
    return {
        name: Watch(chosen, *_spans(start[chosen], event[chosen], outcomes.seen_until), mass[chosen])
        for name, (chosen, start, event, mass) in plans.items()
    }


def _spans(start: Ints, event: Ints, seen_until: int) -> tuple[Floats, Floats]:
    """(seconds from start to event, inf when not seen; seconds watched)."""
    seen = event <= seen_until
    seconds = np.full(len(start), np.inf)
    seconds[seen] = np.maximum(event[seen] - start[seen], 0) / 1e6
    return seconds, np.maximum(seen_until - start, 0) / 1e6


def horizons_of(watch: Watch, knowledge: Knowledge) -> Floats:
    """(channels,) time by which 99 % of a step's events have come; everybody's where a channel tells too
    little. In a history younger than two conversion windows, at most half of the longest follow-up."""
    channel, mass = knowledge.outcomes.channel[watch.rows], watch.mass * knowledge.stands_for[watch.rows]
    longest = _longest(watch)
    everybody = maturity_horizon(watch.seconds, watch.followed, mass, longest)
    horizons = np.full(len(CHANNELS), everybody)
    for code in np.unique(channel):
        mine = np.flatnonzero(channel == code)
        own = maturity_horizon(watch.seconds[mine], watch.followed[mine], mass[mine], longest)
        horizons[code] = own if own < longest else everybody
    return horizons


def _longest(watch: Watch) -> float:
    return min(HORIZON_SECONDS, float(watch.followed.max(initial=0.0)) / 2)


def awaited_shares(watch: Watch, horizons: Floats, channel: Ints, counts: Floats) -> Floats:
    """(channels,) how much of a step's events come within its horizons, of those that come at all; 1 where a channel
    tells too little. channel, counts (contacts each stands for): of all contacts."""
    longest = _longest(watch)
    channel, mass = channel[watch.rows], watch.mass * counts[watch.rows]
    came = mass * ((watch.followed >= longest) & (watch.seconds <= longest))
    every = sums_by(channel, came, len(CHANNELS))
    early = sums_by(channel, came * (watch.seconds <= horizons[channel]), len(CHANNELS))
    return np.asarray(np.where(every >= LEAST_EVENTS, early / np.maximum(every, 1e-9), 1.0))


def engagement_lesson(
    casework: Casework, knowledge: Knowledge, cells: Cells, prior: Floats, rows: Ints
) -> tuple[Lesson, Floats]:
    """What the given contacts teach of engaging, weighted by `prior`; and the (channels,) horizons of all contacts in
    seconds. cells, prior: of all contacts.

    Their evidence is that of unweighted ones: a half-life that is tried must not lose because it leaves less of it,
    which shrinks all that is learned. Measured: docs/adr/0029.
    """
    longest = horizons_of(watches_of(knowledge, np.arange(len(knowledge.outcomes)))["engaged"], knowledge)
    some = watches_of(knowledge, rows)["engaged"]
    return lesson_of(casework, knowledge, some, longest, cells, prior, counted=knowledge.stands_for), longest


def lesson_of(
    casework: Casework,
    knowledge: Knowledge,
    watch: Watch,
    longest: Floats,
    cells: Cells,
    prior: Floats,
    *,
    counted: Floats | None = None,
) -> Lesson:
    """Of matured contacts alone. cells, prior (weights), counted (as in `Lesson`): of all contacts."""
    label, matured = matured_labels(
        watch.seconds, watch.followed, longest[knowledge.outcomes.channel[watch.rows]]
    )
    rows = watch.rows[matured]
    return Lesson(
        matrix=knowledge.matrix[rows],
        cells=cells.take(rows),
        label=(label * watch.mass)[matured],
        weight=prior[rows],
        debtor=knowledge.outcomes.debtor[rows],
        categorical=casework.space.categorical,
        shape=Shape(
            len(casework.segments) + 1, int(cells.rhythm.max(initial=0)) + 1, parts_of(casework.segments)
        ),
        counted=None if counted is None else counted[rows],
    )


def truth_of_steps(
    horizons: dict[str, Floats], knowledge: Knowledge, rows: Ints
) -> dict[str, tuple[Ints, Floats]]:
    """For the given contacts: per step the rows whose outcome is known for good, and their labels."""
    truths = {}
    for name, watch in watches_of(knowledge, rows).items():
        horizon = horizons[name][knowledge.outcomes.channel[watch.rows]]
        label, matured = matured_labels(watch.seconds, watch.followed, horizon)
        truths[name] = (watch.rows[matured], (label * watch.mass)[matured])
    return truths
