"""Which document a request means: its own text, or one the tenant trusts, named by hash; where only those are served,
any other is refused.

Source: the appendix on persisted documents of the GraphQL-over-HTTP specification; `extensions.persistedQuery` as
Apollo's and urql's clients send it, for documents that are trusted already: nothing is taken up by being sent.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from api.callers import NotAdmitted
from domain.latest import Latest
from domain.storage.documents import find_document, sha256_of
from domain.storage.sessions import Database

#: How long a document is believed to be trusted without another look.
BELIEVED = timedelta(seconds=5)
_REMEMBERED = 500


class UntrustedDocument(NotAdmitted):
    """A document that is not let in: DOCUMENT_NOT_FOUND, PERSISTED_QUERY_NOT_FOUND or DOCUMENT_NOT_TRUSTED."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, status=400, headers={})


class TrustedDocuments:
    """The documents of every tenant, remembered for a few seconds. only: whether no other is served."""

    def __init__(self, database: Database, clock: Callable[[], datetime], *, only: bool) -> None:
        self._database = database
        self._clock = clock
        self._only = only
        self._known: Latest[tuple[int, bytes], tuple[datetime, str]] = Latest(_REMEMBERED)

    async def named(self, tenant_id: int, sha256: bytes, *, automatic: bool) -> str:
        """The text of the document with a hash. automatic: asked for as an automatic persisted query.

        Raises:
            UntrustedDocument: the tenant trusts none with this hash.
        """
        text = await self._find(tenant_id, sha256)
        if text is None and automatic:
            raise UntrustedDocument("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
        if text is None:
            raise UntrustedDocument(
                "DOCUMENT_NOT_FOUND", "No trusted document has this id; add it with `dunwell documents add`."
            )
        return text

    async def check(self, tenant_id: int, text: str) -> None:
        """Whether a document may be run that was sent as text.

        Raises:
            UntrustedDocument: only trusted ones may, and it is none.
        """
        if self._only and await self._find(tenant_id, sha256_of(text)) is None:
            raise UntrustedDocument(
                "DOCUMENT_NOT_TRUSTED",
                "This server runs trusted documents only; add this one with `dunwell documents add`.",
            )

    async def _find(self, tenant_id: int, sha256: bytes) -> str | None:
        now, key = self._clock(), (tenant_id, sha256)
        known = self._known.recall(key)
        if known is not None and now < known[0]:
            return known[1]
        async with self._database.transaction(tenant_id) as connection:
            text = await find_document(connection, tenant_id, sha256)
        if text is None:
            self._known.pop(key, None)
        else:
            self._known.keep(key, (now + BELIEVED, text))
        return text
