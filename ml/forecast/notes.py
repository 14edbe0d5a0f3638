"""What a reader of a forecast should know about the history behind it."""

from ml.forecast.answers import Note, Policy
from ml.forecast.cohorts import Cohorts
from ml.forecast.messages import Messages
from ml.forecast.volume import GAP_DAYS, observed_days

_ENOUGH_ORIGINS = 3


def message_notes(cohorts: Cohorts, messages: Messages, policy: Policy) -> list[Note]:
    """SHORT_HISTORY, STOPPED_SENDING, GAP_IN_HISTORY, NOTHING_RECOMMENDED: those that apply."""
    notes = []
    if messages.past.origins < _ENOUGH_ORIGINS:
        message = "The history is too short to check such forecasts on it, so the intervals are widened."
        notes.append(Note("SHORT_HISTORY", message))
    if messages.streams[Policy.CURRENT].sent.sum() == 0:
        notes.append(Note("STOPPED_SENDING", f"Nothing was sent in the last {4 * GAP_DAYS} days."))
    elif (observed_days(cohorts.sent) == 0).any():
        message = f"There are {GAP_DAYS} days or more in a row without any message; they are left out."
        notes.append(Note("GAP_IN_HISTORY", message))
    if policy == Policy.RECOMMENDED and messages.streams[policy].sent.sum() == 0:
        notes.append(Note("NOTHING_RECOMMENDED", "The recommendation is to leave every segment alone."))
    return notes
