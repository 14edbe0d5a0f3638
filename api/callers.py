"""Who asks, as far as everything behind the door needs to know."""

from dataclasses import dataclass
from datetime import datetime

from domain.audit import Signature
from domain.vocabulary import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as their API key tells.

    reads_personal_data: whether names, addresses and custom attributes of debtors may be shown to them.
    """

    tenant_id: int
    role: Role
    key_id: int
    reads_personal_data: bool = True

    def signature(self, now: datetime) -> Signature:
        """What the audit log says of who did something now."""
        return Signature(now, self.role, self.key_id)


class Unauthenticated(Exception):
    """Nobody we know: `code` is UNAUTHENTICATED (no key, or none of ours), KEY_EXPIRED or KEY_REVOKED."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
