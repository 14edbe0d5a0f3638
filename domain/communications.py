"""What became of a communication, from its funnel: whether it was delivered or bounced, and when.

Source: kpis.md, Message KPIs (`delivered`, `hardBounced`, `softBounced`).
"""

from dataclasses import dataclass
from datetime import datetime

from domain.vocabulary import BounceKind, Channel

#: The stages of a communication's funnel, as columns: the earliest instant of each. Opened, clicked, landed and replied
#: are a person's own.
FUNNEL_INSTANTS = (
    "delivered_at",
    "bounced_hard_at",
    "bounced_soft_at",
    "opened_at",
    "machine_opened_at",
    "clicked_at",
    "landed_at",
    "replied_at",
    "right_party_contacted_at",
    "unsubscribed_at",
    "complained_at",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Delivered, bounced or neither known; never both. `delivered_at` None while delivered: post without a receipt."""

    delivered: bool
    delivered_at: datetime | None
    bounced_at: datetime | None
    bounce_kind: BounceKind | None


def outcome(
    channel: Channel,
    *,
    delivered_at: datetime | None,
    bounced_hard_at: datetime | None,
    bounced_soft_at: datetime | None,
    engaged_at: tuple[datetime | None, ...],
) -> Outcome:
    """The outcome that a funnel amounts to.

    `engaged_at`: the person's own first open, click, landing, reply and right-party contact, each a proof of delivery
    whatever bounced. The instant of delivery is the earliest proof.
    """
    engagements = [instant for instant in engaged_at if instant is not None]
    receipts = [delivered_at] if delivered_at is not None else []
    posted = channel == Channel.LETTER and bounced_hard_at is None and bounced_soft_at is None
    if engagements or (receipts and bounced_hard_at is None) or posted:
        return Outcome(True, min(engagements + receipts, default=None), None, None)
    if bounced_hard_at is not None:
        return Outcome(False, None, bounced_hard_at, BounceKind.HARD)
    if bounced_soft_at is not None:
        return Outcome(False, None, bounced_soft_at, BounceKind.SOFT)
    return Outcome(False, None, None, None)
