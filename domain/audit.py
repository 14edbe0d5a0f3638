"""Who did what: the words of the audit log."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.vocabulary import Role


class AuditOutcome(StrEnum):
    """How an action ended: it was done, it was refused and changed nothing, or it failed by a fault of ours."""

    DONE = "DONE"
    REFUSED = "REFUSED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who acts, and when: an API key by its number, the bearer of a token by its subject, or whoever runs a command."""

    at: datetime
    role: Role | None = None
    key_id: int | None = None
    subject: str | None = None


def operator(now: datetime) -> Signature:
    """Whoever runs a command: the database's password is all it takes, so there is no key and no role to tell."""
    return Signature(now)
