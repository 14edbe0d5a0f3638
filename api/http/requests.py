"""GraphQL over HTTP, the way in: what a request asks, or precisely why it cannot be taken.

Source: the GraphQL-over-HTTP specification; media types are answered by the order of preference in Accept.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from domain.storage.documents import sha256_of

JSON_TYPE = "application/json"
RESPONSE_TYPE = "application/graphql-response+json"
STREAM_TYPE = "text/event-stream"
#: Room for the 1,000 items of a mutation; a query has a much lower limit of its own.
MAX_BODY = 4_000_000
_BODY_SECONDS = 60.0
#: Clients send few different ones, each with every request.
_HEADERS = 64
#: Ranges of an Accept header that are looked at, and parameters of each: it may come from anybody.
_RANGES, _PARAMETERS = 100, 10
_IDENTIFIER = re.compile("sha256:([0-9a-f]{64})")


class Refused(Exception):
    """A request that is not taken: its status, a stable code, a message, and headers that tell what would be."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Asked:
    """One operation as asked."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


@dataclass(frozen=True, slots=True)
class AskedByHash:
    """One operation of a document that is named by the SHA-256 of its text. automatic: as `persistedQuery`."""

    sha256: bytes
    variables: dict[str, Any] | None
    operation_name: str | None
    automatic: bool


@lru_cache(_HEADERS)
def answered_type(accept: str | None) -> str:
    """The media type to answer in; `application/json` unless another is preferred.

    Raises:
        Refused: 406, when none is accepted.
    """
    if not accept:
        return JSON_TYPE
    weights = {kind: _weight(accept, kind) for kind in (JSON_TYPE, RESPONSE_TYPE, STREAM_TYPE)}
    best = max(weights, key=lambda kind: (weights[kind], -_place(accept, kind)))
    if weights[best][0] <= 0:
        raise Refused(406, "NOT_ACCEPTABLE", f"Accept one of {JSON_TYPE}, {RESPONSE_TYPE} and {STREAM_TYPE}.")
    return best


def takes_stream(accept: str | None) -> bool:
    """Whether events would be read, at whatever place in the order of preference."""
    return accept is not None and _weight(accept, STREAM_TYPE)[0] > 0


@lru_cache(_HEADERS)
def _ranges(accept: str) -> tuple[tuple[str, float], ...]:
    ranges = []
    for part in accept.split(",", _RANGES)[:_RANGES]:
        kind, *parameters = (piece.strip().lower() for piece in part.split(";", _PARAMETERS)[:_PARAMETERS])
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                quality = _quality(value.strip())
        ranges.append((kind, quality))
    return tuple(ranges)


def _quality(value: str) -> float:
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0


def _weight(accept: str, kind: str) -> tuple[float, int]:
    """How much a type is wanted, by the most specific range that covers it; and how specific that is.

    Events only by their own name: who takes anything does not expect them.
    """
    best = (0.0, 0)
    ranges = [(3, kind)] if kind == STREAM_TYPE else [(1, "*/*"), (2, "application/*"), (3, kind)]
    for specificity, pattern in ranges:
        found = [quality for accepted, quality in _ranges(accept) if accepted == pattern]
        if found:
            best = (max(found), specificity)
    return best


def _place(accept: str, kind: str) -> int:
    kinds = [accepted for accepted, _ in _ranges(accept)]
    return kinds.index(kind) if kind in kinds else len(kinds) + (kind != JSON_TYPE)


async def read_request(request: Request) -> Asked | AskedByHash:
    """The operation that a request asks for.

    Raises:
        Refused: 400, 413 or 415, with what is wrong.
    """
    if request.method == "GET":
        return _asked(_query_parameters(request))
    _check_content_type(request.headers)
    body = await _read_body(request)
    try:
        parameters = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    if isinstance(parameters, list):
        raise Refused(
            400, "BATCHES_NOT_SERVED", "A batch of operations is not served; send one object per request."
        )
    if not isinstance(parameters, dict):
        raise _bad("The body must be a JSON object with query, and optionally variables and operationName.")
    return _asked(parameters)


def _check_content_type(headers: Headers) -> None:
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        message = "Send the operation as it is: without Content-Encoding."
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", message, {"Accept-Encoding": "identity"})
    if not _is_json(headers.get("content-type", "")):
        raise Refused(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            f"Send the operation as Content-Type: {JSON_TYPE} in UTF-8.",
            {"Accept-Post": JSON_TYPE},
        )


@lru_cache(_HEADERS)
def _is_json(content_type: str) -> bool:
    kind, *parameters = (piece.strip().lower() for piece in content_type.split(";"))
    charsets = [parameter for parameter in parameters if parameter.startswith("charset=")]
    return kind == JSON_TYPE and all(each.removeprefix("charset=").strip('"') == "utf-8" for each in charsets)


async def _read_body(request: Request) -> bytes:
    chunks, length = [], 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                length += len(chunk)
                if length > MAX_BODY:
                    message = f"The body is over {MAX_BODY:,} bytes; send less at once."
                    raise Refused(413, "BODY_TOO_LARGE", message)
                chunks.append(chunk)
    except TimeoutError:
        message = f"The body did not come within {_BODY_SECONDS:.0f} seconds."
        raise Refused(408, "REQUEST_TIMEOUT", message, {"Connection": "close"}) from None
    except ClientDisconnect:  # nobody reads the answer; it is no fault of ours
        raise _bad("The body ended before it was whole.") from None
    return b"".join(chunks)


def _query_parameters(request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if parameters.get(name):
            try:
                parameters[name] = orjson.loads(parameters[name])
            except orjson.JSONDecodeError:
                raise _bad(f"{name} is not JSON.") from None
    return parameters


def _asked(parameters: Mapping[str, Any]) -> Asked | AskedByHash:
    query, name = parameters.get("query"), parameters.get("operationName")
    variables, extensions = parameters.get("variables"), parameters.get("extensions")
    if not isinstance(name, str | None):
        raise _bad("operationName must be a text.")
    if not isinstance(variables, dict | None):
        raise _bad("variables must be an object.")
    if not isinstance(extensions, dict | None):
        raise _bad("extensions must be an object.")
    named = _named(parameters.get("documentId"), extensions or {})
    if query is None and named is not None:
        return AskedByHash(named[0], variables, name or None, automatic=named[1])
    if not isinstance(query, str) or not query:
        raise _bad("query must be a text: the GraphQL document. Or name a trusted one by documentId.")
    if named is not None and named[0] != sha256_of(query):
        raise _bad("The document's hash is not that of query.")
    return Asked(query, variables, name or None)


def sha256_in(identifier: str) -> bytes | None:
    """The hash in a document identifier `sha256:` and 64 lower-case hex digits; None in any other."""
    found = _IDENTIFIER.fullmatch(identifier)
    return bytes.fromhex(found[1]) if found else None


def _named(identifier: Any, extensions: Mapping[str, Any]) -> tuple[bytes, bool] | None:
    """The hash by which a request names its document, and whether as an automatic persisted query."""
    if identifier is not None:
        digest = sha256_in(identifier) if isinstance(identifier, str) else None
        if digest is None:
            raise _bad("documentId must be sha256: and the 64 lower-case hex digits of the document's hash.")
        return digest, False
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    given = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    digest = sha256_in(f"sha256:{given}") if isinstance(given, str) else None
    if digest is None:
        raise _bad("extensions.persistedQuery.sha256Hash must be 64 lower-case hex digits.")
    return digest, True


def _bad(message: str) -> Refused:
    return Refused(400, "BAD_REQUEST", message)
