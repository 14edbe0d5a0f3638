"""Bearer tokens of an OpenID Connect issuer: JSON Web Tokens, checked in full before a claim of theirs is believed.

Source: RFC 7519, RFC 8725 (best practices), RFC 9068 (access tokens).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import ClaimError, ExpiredTokenError, InvalidClaimError, JoseError

from api.callers import Caller, NobodyCanTell, Unauthenticated
from api.issuer_keys import IssuerKeys, IssuerUnreachable
from domain.storage.sessions import Database
from domain.vocabulary import Role

#: A longer one is not looked at.
MOST_CHARACTERS = 8_192
_LONGEST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. algorithms: of public keys only; leeway: how far clocks may differ."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    leeway: timedelta
    tenant_claim: str
    role_claim: str
    personal_data_scope: str


class TokenVerifier:
    """Tells who is behind a token."""

    def __init__(
        self, expected: Expected, keys: IssuerKeys, database: Database, clock: Callable[[], datetime]
    ) -> None:
        self._expected = expected
        self._keys = keys
        self._database = database
        self._clock = clock
        self._registry = jws.JWSRegistry(algorithms=list(expected.algorithms), strict_check_header=False)

    async def caller(self, token: str) -> tuple[Caller, datetime]:
        """The caller behind a token, and until when it is good.

        Raises:
            Unauthenticated: TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_WITHOUT_TENANT or
                TOKEN_WITHOUT_ROLE.
            NobodyCanTell: the issuer gives no keys.
        """
        if len(token) > MOST_CHARACTERS:
            raise _invalid(f"it has {len(token):,} characters, of which at most {MOST_CHARACTERS:,} are read")
        claims = await self._claims(token)
        until = self._check(claims)
        tenant_id = await self._tenant(claims.get(self._expected.tenant_claim))
        caller = Caller(
            tenant_id,
            self._role(claims.get(self._expected.role_claim)),
            subject=claims["sub"],
            reads_personal_data=self._expected.personal_data_scope in _scopes(claims),
        )
        return caller, until

    async def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token whose signature is right."""
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
        except (JoseError, ValueError, TypeError):
            raise _invalid("it is no signed JSON Web Token") from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._expected.algorithms:
            raise _invalid(f"its algorithm is none of {', '.join(self._expected.algorithms)}")
        try:
            keys = await self._keys.named(kid if isinstance(kid, str) else None)
        except IssuerUnreachable:
            message = "The issuer of tokens does not answer, so nobody can tell whether this one is good; try again."
            raise NobodyCanTell(message) from None
        for key in keys:
            if key.alg in (None, algorithm):
                try:
                    return jwt.decode(token, key, registry=self._registry).claims
                except (JoseError, ValueError, TypeError):
                    continue
        raise _invalid("its signature is by no key of the issuer")

    def _check(self, claims: Mapping[str, Any]) -> datetime:
        """Until when the claims are good."""
        registry = jwt.JWTClaimsRegistry(
            now=int(self._clock().timestamp()),
            leeway=int(self._expected.leeway.total_seconds()),
            iss={"essential": True, "value": self._expected.issuer},
            aud={"essential": True, "value": self._expected.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            registry.validate(dict(claims))
        except ExpiredTokenError:
            raise Unauthenticated("TOKEN_EXPIRED", "This token has expired; get a new one.") from None
        except InvalidClaimError as error:
            if error.claim in ("nbf", "iat"):
                message = "This token is not valid yet; check the clocks of the issuer and of this server."
                raise Unauthenticated("TOKEN_NOT_YET_VALID", message) from None
            raise _invalid(f"its claim {error.claim} is not what is expected") from None
        except ClaimError as error:
            raise _invalid(f"its claim {error.claim} is missing or not what is expected") from None
        if not 0 < len(claims["sub"]) <= _LONGEST_SUBJECT or "\x00" in claims["sub"]:
            raise _invalid("its claim sub is no subject")
        try:
            return datetime.fromtimestamp(claims["exp"], UTC) + self._expected.leeway
        except (ValueError, OverflowError, OSError):
            raise _invalid("its claim exp is no instant") from None

    async def _tenant(self, key: Any) -> int:
        found = await self._database.tenant_id(key) if isinstance(key, str) and "\x00" not in key else None
        if found is None:
            message = f"This token's claim {self._expected.tenant_claim} names no tenant."
            raise Unauthenticated("TOKEN_WITHOUT_TENANT", message)
        return found

    def _role(self, given: Any) -> Role:
        """The one role among the claim's values; several would leave open which is meant."""
        words = given if isinstance(given, list) else [given]
        roles = {word for word in words if isinstance(word, str) and word in Role.__members__}
        if len(roles) != 1:
            names = ", ".join(Role.__members__)
            message = f"This token's claim {self._expected.role_claim} must name exactly one of {names}."
            raise Unauthenticated("TOKEN_WITHOUT_ROLE", message)
        return Role(roles.pop())


def _scopes(claims: Mapping[str, Any]) -> set[str]:
    """The scopes of a token: `scope` as words, or `scp` as words or a list."""
    found: set[str] = set()
    for given in (claims.get("scope"), claims.get("scp")):
        words = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        found |= {word for word in words if isinstance(word, str)}
    return found


def _invalid(why: str) -> Unauthenticated:
    return Unauthenticated("TOKEN_INVALID", f"This token is not good: {why}.")
