"""What the contact rules need to know of a debtor, and what they answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.contact_rules.presets import DEFAULT, Preset
from domain.vocabulary import Channel, ContactRequestKind


@dataclass(frozen=True, slots=True)
class Block:
    """A rule that forbids a contact: its stable code with version, why, on which channel (None: any), until when.

    until: first instant at which this rule no longer forbids it, aware UTC; None: for good, or until facts change.
    """

    rule: str
    message: str
    channel: Channel | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A way to reach a debtor on a channel, without the address itself; instants aware, None: it did not happen.

    opted_out_at: when the channel was last refused, by the address or by unsubscribing from it or complaining about it.
    """

    channel: Channel
    consented_at: datetime | None = None
    opted_out_at: datetime | None = None
    hard_bounced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """What a debtor asked for. channel None: all of them.

    STOP: no contact. ONLY_BETWEEN: local `from_hour <= hour < to_hour` (over midnight when from_hour is the greater;
    None: from the start, to the end of the day). Both hold until `until`, or for good.
    NOT_BEFORE: no contact before `until`; for good without one.
    """

    kind: ContactRequestKind
    made_at: datetime
    channel: Channel | None = None
    from_hour: int | None = None
    to_hour: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PastContact:
    """A contact that was made, or is decided on and still to come (`planned`); at: aware.

    conversation: the debtor was spoken with. counted: whether it was the creditor's doing and so counts towards how
    often (a debtor's own call does not, but is a conversation).
    """

    channel: Channel
    at: datetime
    conversation: bool = False
    counted: bool = True
    planned: bool = False


@dataclass(frozen=True, slots=True)
class Reachability:
    """All that the rules need to know of a debtor. zone: IANA name. presets: all bind, the jurisdiction's is first."""

    zone: str
    addresses: Sequence[Address] = ()
    requests: Sequence[ContactRequest] = field(default=())
    contacts: Sequence[PastContact] = field(default=())
    presets: tuple[Preset, ...] = (DEFAULT,)
