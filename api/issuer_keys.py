"""The public keys of an OpenID Connect issuer: fetched when first needed, kept, and fetched anew as they change."""

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from api.settings import is_safe_url

Key = RSAKey | ECKey | OKPKey

#: After this long keys are fetched anew, so that one that was withdrawn is not believed for longer.
KEPT = timedelta(minutes=10)
#: An unknown key is looked for at most this often, whoever sends tokens that name one.
ASKED_AGAIN = timedelta(seconds=30)
#: While the issuer does not answer, keys it gave before are believed for this long.
OUTLASTING = timedelta(hours=12)
_SECONDS = 5
_MOST_BYTES = 500_000
_FEWEST_RSA_BITS = 2048


class IssuerUnreachable(Exception):
    """The issuer does not answer, or not with keys; nobody's fault who asks."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Nowhere: where keys are is configured, not told on the way."""


def fetch_json(url: str) -> Any:
    """What a URL answers, read as JSON.

    Raises:
        IssuerUnreachable: it does not answer in time, with too much, or with no JSON.
    """
    if not is_safe_url(url):
        raise IssuerUnreachable(f"{url} is no https address")
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(url, timeout=_SECONDS) as answer:
            body = answer.read(_MOST_BYTES + 1)
        if len(body) > _MOST_BYTES:
            raise IssuerUnreachable(f"{url} answers more than {_MOST_BYTES:,} bytes")
        return json.loads(body)
    except (OSError, ValueError) as error:
        raise IssuerUnreachable(f"{url} does not answer with JSON") from error


class IssuerKeys:
    """The keys of one issuer. jwks_url: where they are; None: where the issuer's discovery document says."""

    def __init__(
        self,
        issuer: str,
        jwks_url: str | None,
        clock: Callable[[], datetime],
        *,
        fetch: Callable[[str], Any] = fetch_json,
    ) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._clock = clock
        self._fetch = fetch
        self._keys: dict[str | None, list[Key]] = {}
        self._fetched_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._asking = asyncio.Lock()

    async def named(self, kid: str | None) -> list[Key]:
        """The keys with a key id, or the only key when a token names none; empty: there is none.

        Raises:
            IssuerUnreachable: no keys were ever fetched, or not for long.
        """
        if self._is_to_be_asked(kid):
            async with self._asking:
                if self._is_to_be_asked(kid):
                    await self._ask()
        if self._fetched_at is None or self._clock() - self._fetched_at > OUTLASTING:
            raise IssuerUnreachable(f"{self._issuer} gives no keys")
        if kid is None:
            every = [key for keys in self._keys.values() for key in keys]
            return every if len(every) == 1 else []
        return self._keys.get(kid, [])

    def _is_to_be_asked(self, kid: str | None) -> bool:
        now = self._clock()
        if self._asked_at is not None and now - self._asked_at < ASKED_AGAIN:
            return False
        is_known = kid is None or kid in self._keys
        return self._fetched_at is None or not is_known or now - self._fetched_at >= KEPT

    async def _ask(self) -> None:
        self._asked_at = self._clock()
        try:
            given = await asyncio.to_thread(self._fetch, await self._address())
        except IssuerUnreachable:
            return
        listed = given.get("keys") if isinstance(given, dict) else None
        if isinstance(listed, list):
            self._keys = _usable(listed)
            self._fetched_at = self._clock()

    async def _address(self) -> str:
        if self._jwks_url is not None:
            return self._jwks_url
        place = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        told = await asyncio.to_thread(self._fetch, place)
        if not isinstance(told, dict) or told.get("issuer") != self._issuer:
            raise IssuerUnreachable(f"{place} speaks of another issuer")
        if not isinstance(told.get("jwks_uri"), str):
            raise IssuerUnreachable(f"{place} names no keys")
        return str(told["jwks_uri"])


def _usable(listed: Iterable[Any]) -> dict[str | None, list[Key]]:
    """Public keys to check signatures with, by key id; a shared secret is none, nor is what cannot be read."""
    keys: dict[str | None, list[Key]] = {}
    for given in listed:
        if not isinstance(given, dict) or given.get("use", "sig") != "sig":
            continue
        try:
            key = import_key(given)
        except (JoseError, ValueError, TypeError):
            continue
        is_short = isinstance(key, RSAKey) and key.public_key.key_size < _FEWEST_RSA_BITS
        if isinstance(key, RSAKey | ECKey | OKPKey) and not is_short:
            keys.setdefault(given.get("kid"), []).append(key)
    return keys
