"""What a reader of a forecast should know about the history behind it."""

from ml.forecast.answers import Note, Policy
from ml.forecast.cohorts import Cohorts
from ml.forecast.lifetimes import BORN_DAYS, GAP_DAYS, born_lately, lifetimes
from ml.forecast.messages import Messages
from ml.forecast.volume import observed_days

_ENOUGH_ORIGINS = 3


def message_notes(cohorts: Cohorts, messages: Messages, policy: Policy) -> list[Note]:
    """SHORT_HISTORY, STOPPED_SENDING, GAP_IN_HISTORY, ENDED, NEW_SEGMENT, REGIME_CHANGE, NOTHING_RECOMMENDED: those
    that apply.
    """
    notes, as_sent = [], messages.streams[Policy.CURRENT].sent.sum()
    if messages.past.origins < _ENOUGH_ORIGINS:
        message = "The history is too short to check such forecasts on it, so the intervals are widened."
        notes.append(Note("SHORT_HISTORY", message))
    if as_sent == 0:
        notes.append(Note("STOPPED_SENDING", f"Nothing was sent in the last {4 * GAP_DAYS} days."))
    elif (observed_days(cohorts.sent) == 0).any():
        message = f"There are {GAP_DAYS} days or more in a row without any message; they are left out."
        notes.append(Note("GAP_IN_HISTORY", message))
    if as_sent > 0:
        notes += _ended(cohorts)
    young = born_lately(cohorts.sent, cohorts.segments)
    if young:
        message = (
            f"Segments that are less than {BORN_DAYS} days old: {', '.join(young)}. Their volume is that since; their "
            "rates lean on the channel's."
        )
        notes.append(Note("NEW_SEGMENT", message))
    if messages.past.broken:
        message = (
            f"{', '.join(messages.past.broken)}: lately intervals missed most of what came, so something has changed; "
            "they are as wide as the latest errors ask for, whatever was learned before."
        )
        notes.append(Note("REGIME_CHANGE", message))
    if policy == Policy.RECOMMENDED and messages.streams[policy].sent.sum() == 0 < as_sent:
        notes.append(Note("NOTHING_RECOMMENDED", "The recommendation is to leave every segment alone."))
    return notes


def _ended(cohorts: Cohorts) -> list[Note]:
    lived = lifetimes(cohorts.sent, observed_days(cohorts.sent), cohorts.segments, cohorts.channels)
    over = [*(f"segment {name}" for name in lived.segments), *(f"channel {name}" for name in lived.channels)]
    if not over:
        return []
    message = (
        f"Taken to have ended: {', '.join(over)}. Nothing was sent there for longer than earlier breaks explain, so "
        "nothing is forecast of it."
    )
    return [Note("ENDED", message)]
