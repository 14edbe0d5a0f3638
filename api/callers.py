"""Who asks, as far as everything behind the door needs to know."""

from dataclasses import dataclass

from domain.vocabulary import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as their API key tells."""

    tenant_id: int
    role: Role
    key_id: int


class Unauthenticated(Exception):
    """Nobody we know: `code` is UNAUTHENTICATED (no key, or none of ours), KEY_EXPIRED or KEY_REVOKED."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
