"""Who asks, as far as everything behind the door needs to know."""

from collections.abc import Mapping
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


class NotAdmitted(Exception):
    """Somebody who is not let in. status: of HTTP; headers: what the answer tells besides."""

    def __init__(self, code: str, message: str, *, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.headers = dict(headers)


class Unauthenticated(NotAdmitted):
    """Nobody we know: `code` is UNAUTHENTICATED (no key, or none of ours), KEY_… or TOKEN_…."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, status=401, headers={"WWW-Authenticate": "Bearer"})


class NobodyCanTell(NotAdmitted):
    """Whether a token is good can't be told just now."""

    def __init__(self, message: str) -> None:
        super().__init__("ISSUER_UNREACHABLE", message, status=503, headers={"Retry-After": "5"})


class RateLimited(NotAdmitted):
    """A caller that has made too many requests, or an address with too many that named no good key."""

    def __init__(self, message: str, retry_after: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(
            "RATE_LIMITED", message, status=429, headers={**(headers or {}), "Retry-After": str(retry_after)}
        )


class TooManyOpen(NotAdmitted):
    """A caller that holds as many sockets and streams open as it may."""

    def __init__(self, most: int) -> None:
        message = f"This key has {most:,} sockets and streams open; no more are served at a time. Close one."
        super().__init__("TOO_MANY_OPEN", message, status=429, headers={})
