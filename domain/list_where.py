"""Which items a list shows: `CommunicationWhere`, `PromiseWhere` and `AuditWhere` of `schema.graphql`.

All that is stated must hold. `debtor`, `account` and `agent` match the reference of what the row belongs to.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from domain.audit import AuditOutcome
from domain.filters import (
    DateFilter,
    DateTimeFilter,
    Entry,
    FilterError,
    Path,
    StringFilter,
    many,
    nested,
    read_filter,
    text,
    word,
)
from domain.vocabulary import BounceKind, Channel, Direction, PromiseStatus, Role


def _key_number(value: Any, path: Path) -> int:
    given = text(value, path)
    if not re.fullmatch(r"[1-9]\d{0,17}", given, re.ASCII):
        message = f"{'.'.join(path)} must be the number of an API key, like 7."
        raise FilterError("BAD_VALUE", message, path)
    return int(given)


@dataclass(frozen=True)
class ChannelFilter:
    """Which channels; an empty `in` matches none."""

    eq: Annotated[Channel | None, Entry("eq", word(Channel))] = None
    in_: Annotated[tuple[Channel, ...] | None, Entry("in", many(word(Channel)))] = None

    def holds(self, value: str) -> bool:
        """Whether a channel meets both conditions."""
        return (self.eq is None or value == self.eq) and (self.in_ is None or value in self.in_)


@dataclass(frozen=True)
class CommunicationWhere:
    """Conditions on a communication; `opened_at`, `clicked_at` and `landed_at` are a person's own first."""

    debtor: Annotated[StringFilter | None, Entry("debtor", nested(StringFilter))] = None
    channel: Annotated[ChannelFilter | None, Entry("channel", nested(ChannelFilter))] = None
    direction: Annotated[Direction | None, Entry("direction", word(Direction))] = None
    template: Annotated[StringFilter | None, Entry("template", nested(StringFilter))] = None
    campaign: Annotated[StringFilter | None, Entry("campaign", nested(StringFilter))] = None
    agent: Annotated[StringFilter | None, Entry("agent", nested(StringFilter))] = None
    sent_at: Annotated[DateTimeFilter | None, Entry("sentAt", nested(DateTimeFilter))] = None
    opened_at: Annotated[DateTimeFilter | None, Entry("openedAt", nested(DateTimeFilter))] = None
    clicked_at: Annotated[DateTimeFilter | None, Entry("clickedAt", nested(DateTimeFilter))] = None
    landed_at: Annotated[DateTimeFilter | None, Entry("landedAt", nested(DateTimeFilter))] = None
    bounce_kind: Annotated[BounceKind | None, Entry("bounceKind", word(BounceKind))] = None


@dataclass(frozen=True)
class PromiseWhere:
    """Conditions on a promise as it stands at an instant; `status` matches any of its words."""

    debtor: Annotated[StringFilter | None, Entry("debtor", nested(StringFilter))] = None
    account: Annotated[StringFilter | None, Entry("account", nested(StringFilter))] = None
    agent: Annotated[StringFilter | None, Entry("agent", nested(StringFilter))] = None
    status: Annotated[tuple[PromiseStatus, ...] | None, Entry("status", many(word(PromiseStatus)))] = None
    direction: Annotated[Direction | None, Entry("direction", word(Direction))] = None
    due_on: Annotated[DateFilter | None, Entry("dueOn", nested(DateFilter))] = None
    promised_at: Annotated[DateTimeFilter | None, Entry("promisedAt", nested(DateTimeFilter))] = None


@dataclass(frozen=True)
class AuditWhere:
    """Conditions on an entry of the audit log; `role` and `outcome` match any of their words."""

    at: Annotated[DateTimeFilter | None, Entry("at", nested(DateTimeFilter))] = None
    action: Annotated[StringFilter | None, Entry("action", nested(StringFilter))] = None
    key_id: Annotated[int | None, Entry("key", _key_number)] = None
    subject: Annotated[StringFilter | None, Entry("subject", nested(StringFilter))] = None
    role: Annotated[tuple[Role, ...] | None, Entry("role", many(word(Role)))] = None
    outcome: Annotated[tuple[AuditOutcome, ...] | None, Entry("outcome", many(word(AuditOutcome)))] = None


def read_communication_where(value: Mapping[str, Any], path: Path = ()) -> CommunicationWhere:
    """A `CommunicationWhere` from JSON.

    Raises:
        FilterError: it cannot be read; says where and why.
    """
    return read_filter(CommunicationWhere, value, path)


def read_promise_where(value: Mapping[str, Any], path: Path = ()) -> PromiseWhere:
    """A `PromiseWhere` from JSON.

    Raises:
        FilterError: it cannot be read; says where and why.
    """
    return read_filter(PromiseWhere, value, path)


def read_audit_where(value: Mapping[str, Any], path: Path = ()) -> AuditWhere:
    """An `AuditWhere` from JSON.

    Raises:
        FilterError: it cannot be read; says where and why.
    """
    return read_filter(AuditWhere, value, path)
