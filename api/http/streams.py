"""GraphQL over server-sent events: one request, one operation, its results as events until it is complete.

Source: the distinct connections mode of the GraphQL over SSE protocol.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse
from strawberry.http.streaming import SSETransport, merge_stream_with_heartbeat
from strawberry.schema.schema import StreamResult

from api.graphql.errors import INTERNAL, log_failure
from api.http.answers import answered

#: Comments at this pace keep proxies from closing a stream on which nothing happens.
_HEARTBEAT_SECONDS = 12.0
_TRANSPORT = SSETransport(_HEARTBEAT_SECONDS)


def event_stream(results: StreamResult) -> Response:
    """The results as `next` events, and `complete` after the last. Once nobody reads on, the operation ends."""

    async def events() -> AsyncGenerator[str, None]:
        async with aclosing(results):
            async for result in results:
                yield _next(result)
        yield _TRANSPORT.encode_complete()

    alive = merge_stream_with_heartbeat(
        events, lambda: _TRANSPORT.heartbeat_message(_json), _HEARTBEAT_SECONDS, send_initial_heartbeat=False
    )
    headers = {**_TRANSPORT.headers, "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(alive(), headers=headers)


def _next(result: Any) -> str:
    try:
        return _TRANSPORT.encode_event("next", _json(answered(result)))
    except TypeError as error:  # what JSON cannot say
        error_id = log_failure(error)
        message = f"Something went wrong on our side. Report error {error_id}."
        failure = {"message": message, "extensions": {"code": INTERNAL, "errorId": error_id}}
        return _TRANSPORT.encode_event("next", _json({"errors": [failure]}))


def _json(content: object) -> str:
    return orjson.dumps(content).decode()
