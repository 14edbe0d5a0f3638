"""Which communication a payment came from.

Source: kpis.md, Attribution. Storage derives the same in SQL; tests prove the two equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.collection_settings import CollectionSettings
from domain.vocabulary import Direction, EventKind

_CLICKS = frozenset({EventKind.CLICKED, EventKind.LANDED})
_OPENS = frozenset({EventKind.OPENED, EventKind.RIGHT_PARTY_CONTACTED})


@dataclass(frozen=True)
class Engagement:
    """An event of the payment's debtor, with the communication it belongs to (a direct visit belongs to none).

    `automated` says nothing about a call that reached the debtor: only a machine's opens and clicks are not a person's.
    """

    kind: EventKind
    occurred_at: datetime
    automated: bool = False
    communication: str | None = None
    direction: Direction | None = None
    sent_at: datetime | None = None

    @property
    def counts(self) -> bool:
        """Whether a person did it in answer to an OUTBOUND communication."""
        human = not self.automated or self.kind is EventKind.RIGHT_PARTY_CONTACTED
        return human and self.communication is not None and self.direction is Direction.OUTBOUND


def attribute(
    paid_at: datetime,
    own: str | None,
    engagements: Iterable[Engagement],
    settings: CollectionSettings | None = None,
) -> str | None:
    """The reference of the communication that a payment is attributed to, or None.

    Its own communication; else that of the latest click or landing inside the click window; else that of the latest
    open or right-party contact inside the open window (windows open at their start, closed at `paid_at`). Among equal
    instants the later-sent communication wins, then the greater reference.
    """
    if own is not None:
        return own
    settings = settings or CollectionSettings()
    candidates = [engagement for engagement in engagements if engagement.counts]
    clicked = _latest(candidates, _CLICKS, paid_at, settings.click_window)
    return clicked or _latest(candidates, _OPENS, paid_at, settings.open_window)


def _latest(
    engagements: Iterable[Engagement], kinds: frozenset[EventKind], paid_at: datetime, window: timedelta
) -> str | None:
    found = [e for e in engagements if e.kind in kinds and paid_at - window < e.occurred_at <= paid_at]
    winner = max(found, key=lambda e: (e.occurred_at, e.sent_at, e.communication), default=None)
    return winner.communication if winner else None
