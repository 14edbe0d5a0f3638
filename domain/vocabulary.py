"""The closed word lists of the collections domain.

Source: the import format and `schema.graphql`; a word here is spelled as outsiders send and read it.
"""

from enum import StrEnum


class Channel(StrEnum):
    """How a communication travels."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    WHATSAPP = "WHATSAPP"
    PUSH = "PUSH"
    LETTER = "LETTER"
    VOICE = "VOICE"


class Source(StrEnum):
    """Where a visit came from: a channel, or nowhere we know of."""

    DIRECT = "DIRECT"
    EMAIL = "EMAIL"
    SMS = "SMS"
    WHATSAPP = "WHATSAPP"
    PUSH = "PUSH"
    LETTER = "LETTER"
    VOICE = "VOICE"


class Direction(StrEnum):
    """Who began it: the debtor (INBOUND) or the creditor (OUTBOUND)."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class EventKind(StrEnum):
    """What became of a communication, or what a debtor did on the payment page."""

    DELIVERED = "DELIVERED"
    BOUNCED_HARD = "BOUNCED_HARD"
    BOUNCED_SOFT = "BOUNCED_SOFT"
    OPENED = "OPENED"
    CLICKED = "CLICKED"
    LANDED = "LANDED"
    PAYMENT_STARTED = "PAYMENT_STARTED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    PAYMENT_ABANDONED = "PAYMENT_ABANDONED"
    REPLIED = "REPLIED"
    RIGHT_PARTY_CONTACTED = "RIGHT_PARTY_CONTACTED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    COMPLAINED = "COMPLAINED"


class BounceKind(StrEnum):
    """Whether a bounce is for good (HARD) or may pass (SOFT)."""

    HARD = "HARD"
    SOFT = "SOFT"


class PromiseStatus(StrEnum):
    """How a promise to pay stands at an instant (kpis.md, State of accounts and promises)."""

    PENDING = "PENDING"
    KEPT = "KEPT"
    BROKEN = "BROKEN"


class ContactPointStatus(StrEnum):
    """Whether an address can be used."""

    UNVERIFIED = "UNVERIFIED"
    VERIFIED = "VERIFIED"
    BOUNCED = "BOUNCED"
    OPTED_OUT = "OPTED_OUT"


class AgingBucket(StrEnum):
    """Days past due in the bands of the aging report; PAID has no balance left."""

    CURRENT = "CURRENT"
    DPD_1_30 = "DPD_1_30"
    DPD_31_60 = "DPD_31_60"
    DPD_61_90 = "DPD_61_90"
    DPD_91_180 = "DPD_91_180"
    DPD_181_PLUS = "DPD_181_PLUS"
    PAID = "PAID"


class ContactRequestKind(StrEnum):
    """What a debtor asked of us about being contacted."""

    STOP = "STOP"
    ONLY_BETWEEN = "ONLY_BETWEEN"
    NOT_BEFORE = "NOT_BEFORE"


class Role(StrEnum):
    """What an API key may do."""

    READER = "READER"
    CAMPAIGN = "CAMPAIGN"
    INGEST = "INGEST"
    OPS = "OPS"
    ADMIN = "ADMIN"


class RunStatus(StrEnum):
    """How a training run stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class ModelStatus(StrEnum):
    """Which part a model version plays."""

    CHALLENGER = "CHALLENGER"
    CHAMPION = "CHAMPION"
    RETIRED = "RETIRED"


class CampaignStatus(StrEnum):
    """How a planned campaign stands."""

    PLANNED = "PLANNED"
    RUNNING = "RUNNING"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"


class Arm(StrEnum):
    """Whether a debtor of a campaign is contacted or held out to measure lift."""

    PLANNED = "PLANNED"
    HELD_OUT = "HELD_OUT"


class Promotion(StrEnum):
    """Whether a model that passes its gate becomes champion by itself."""

    AUTO = "AUTO"
    NEVER = "NEVER"
