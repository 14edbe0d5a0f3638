"""Who asks, as far as everything behind the door needs to know."""

from dataclasses import dataclass
from datetime import datetime

from domain.audit import Signature
from domain.vocabulary import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as their API key or bearer token tells: the one has a number, the other a subject.

    reads_personal_data: whether names, addresses and custom attributes of debtors may be shown to them.
    """

    tenant_id: int
    role: Role
    key_id: int | None = None
    subject: str | None = None
    reads_personal_data: bool = True

    def signature(self, now: datetime) -> Signature:
        """What the audit log says of who did something now."""
        return Signature(now, self.role, self.key_id, self.subject)


class Unauthenticated(Exception):
    """Nobody we know: `code` is UNAUTHENTICATED (no key, or none of ours), KEY_…, TOKEN_… or ISSUER_UNREACHABLE.

    status: 401, or 503 when nobody can tell just now.
    """

    def __init__(self, code: str, message: str, *, status: int = 401) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
