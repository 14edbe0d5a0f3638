"""GraphQL over server-sent events: one request, one operation, its results as events until it is complete.

Source: the distinct connections mode of the GraphQL over SSE protocol.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from strawberry.http.streaming import merge_stream_with_heartbeat
from strawberry.schema.schema import StreamResult

from api.graphql.errors import INTERNAL
from api.graphql.json_rows import to_json
from api.http.answers import answered
from api.http.requests import STREAM_TYPE
from api.logs import log_failure

#: Comments at this pace keep proxies from closing a stream on which nothing happens.
_HEARTBEAT_SECONDS = 12.0
#: Lines end in a line feed alone: some clients look for nothing else.
_HEARTBEAT = ": nothing yet\n\n"
_COMPLETE = "event: complete\ndata: \n\n"
_HEADERS = {
    "Content-Type": STREAM_TYPE,
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # proxies of nginx's kind pass events on at once
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept",
}


class _EventStream(StreamingResponse):
    """Says when it has ended, however it did."""

    def __init__(self, content: AsyncIterator[str], ended: Callable[[], None]) -> None:
        super().__init__(content, headers=_HEADERS)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


def event_stream(results: StreamResult, ended: Callable[[], None]) -> Response:
    """The results as `next` events, and `complete` after the last. Once nobody reads on, the operation ends.

    ended: called once when nothing more is sent.
    """

    async def events() -> AsyncGenerator[str, None]:
        async with aclosing(results):
            async for result in results:
                yield _next(result)
        yield _COMPLETE

    alive = merge_stream_with_heartbeat(
        events, lambda: _HEARTBEAT, _HEARTBEAT_SECONDS, send_initial_heartbeat=False
    )
    return _EventStream(alive(), ended)


def _next(result: Any) -> str:
    try:
        content = to_json(answered(result)).decode()
    except TypeError as error:  # what JSON cannot say
        error_id = log_failure(error)
        message = f"Something went wrong on our side. Report error {error_id}."
        failure = {"message": message, "extensions": {"code": INTERNAL, "errorId": error_id}}
        content = to_json({"errors": [failure]}).decode()
    return f"event: next\ndata: {content}\n\n"
