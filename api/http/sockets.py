"""GraphQL over WebSocket: graphql-transport-ws, authenticated by header or by the connection_init payload."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import orjson
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from starlette.websockets import WebSocketDisconnected as ClosedBefore
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    ErrorMessage,
    Message,
    NextMessagePayload,
    SubscribeMessage,
)
from strawberry.types.unset import UNSET, UnsetType

from api.auth import Door
from api.callers import Caller, NotAdmitted, TooManyOpen
from api.documents import TrustedDocuments
from api.graphql.context import Socket
from api.graphql.errors import LIMIT_EXCEEDED
from api.graphql.json_rows import to_json
from api.graphql.schema import Schema
from api.http.answers import if_begun
from api.http.openings import Openings
from api.http.rates import Rates
from api.logs import log_failure, log_outage
from api.services import Services
from domain.storage.outages import outage_of

_MOST_SUBSCRIPTIONS = 20
_INIT_WAIT = timedelta(seconds=10)
_INVALID_MESSAGE = 4400
_ID_TAKEN = 4409
_TOO_MANY_OPEN = 4429
_INTERNAL_ERROR = 1011
_TRY_AGAIN_LATER = 1013
_TYPES = ("connection_init", "ping", "pong", "subscribe", "complete")
_TOO_MANY = GraphQLError(
    f"The socket has {_MOST_SUBSCRIPTIONS} operations under way; no more are served at a time.",
    extensions={
        "code": LIMIT_EXCEEDED,
        "limited": "operations",
        "found": _MOST_SUBSCRIPTIONS + 1,
        "limit": _MOST_SUBSCRIPTIONS,
    },
)


class _Messages(BaseGraphQLTransportWSHandler[Socket, None]):
    """Strawberry's protocol, with messages looked at before they are believed.

    What is wrong with one operation is told to it alone: the others of the socket go on.
    """

    async def handle_message(self, message: Any) -> None:
        """Act on a message, or close with 4400 and what is wrong with it."""
        problem = _problem(message)
        if problem is not None:
            await self.websocket.close(_INVALID_MESSAGE, problem)
            return
        try:
            await super().handle_message(message)
        except WebSocketDisconnected:
            raise
        except Exception as error:
            outage = outage_of(error)
            if outage is None:
                await self.websocket.close(_INTERNAL_ERROR, f"Report error {log_failure(error)}.")
            else:
                log_outage(outage, error)
                await self.websocket.close(_TRY_AGAIN_LATER, f"{outage.code}: {outage.message}")

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Let the socket in, or close with 4429 when its key holds too many open; a payload of null is none."""
        nothing: ConnectionInitMessage = {"type": "connection_init"}
        try:
            await super().handle_connection_init(message if message.get("payload") is not None else nothing)
        except TooManyOpen as error:
            await self.websocket.close(_TOO_MANY_OPEN, str(error))

    async def shutdown(self) -> None:
        """End all that is under way."""
        try:
            await super().shutdown()
        finally:
            left, self.context.left = self.context.left, _nothing
            left()

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Begin an operation, unless its id is taken or the socket has as many as it may."""
        if message["id"] in self.operations:  # the protocol's reason would quote the id, of any length
            await self.websocket.close(_ID_TAKEN, "An operation with this id is under way.")
        elif len(self.operations) >= _MOST_SUBSCRIPTIONS:
            refusal: ErrorMessage = {"id": message["id"], "type": "error", "payload": [_TOO_MANY.formatted]}
            await self.send_message(refusal)
        else:
            named = message["payload"].get("operationName")
            message["payload"]["operationName"] = named or None  # an empty one is none, as over HTTP
            await super().handle_subscribe(message)

    async def send_message(self, message: Message) -> None:
        """Send it; a result has `data` only where it would over HTTP.

        Raises:
            WebSocketDisconnected: the socket is closed.
        """
        if message["type"] == "next":
            message["payload"] = cast(NextMessagePayload, if_begun(dict(message["payload"])))
        try:
            await super().send_message(message)
        except ClosedBefore:  # which another operation of the socket has met already
            raise WebSocketDisconnected from None

    async def handle_task_exception(self, error: Exception) -> None:
        """Log it without what the caller sent."""
        if not isinstance(error, WebSocketDisconnected):
            log_failure(error)

    @staticmethod
    def _get_pre_execution_close_reason(_: GraphQLError) -> str | None:
        return None


def _nothing() -> None:
    """Of a socket that has left already."""


def _problem(message: Any) -> str | None:
    """What is wrong with the form of a message, if anything. Source: the graphql-transport-ws protocol."""
    if not isinstance(message, dict) or message.get("type") not in _TYPES:
        return f"A message is an object with a type: {', '.join(_TYPES)}."
    if message["type"] in ("subscribe", "complete") and not _is_text(message.get("id")):
        return "id must be a text, and not empty."
    if message["type"] != "subscribe":
        return None
    payload = message.get("payload")
    if not isinstance(payload, dict) or not _is_text(payload.get("query")):
        return "payload must be an object with a query."
    if not isinstance(payload.get("operationName"), str | None):
        return "operationName must be a text."
    wrong = [name for name in ("variables", "extensions") if not isinstance(payload.get(name), dict | None)]
    return f"{wrong[0]} must be an object." if wrong else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


class GraphQLSocket(GraphQL[Socket, None]):
    """The endpoint's WebSocket side."""

    graphql_transport_ws_handler_class = _Messages

    def __init__(
        self,
        schema: Schema,
        services: Services,
        door: Door,
        rates: Rates,
        openings: Openings,
        documents: TrustedDocuments,
        clock: Callable[[], datetime],
        *,
        allowed_origins: Sequence[str],
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=_INIT_WAIT,
            allowed_origins=allowed_origins,
        )
        self._services = services
        self._door = door
        self._rates = rates
        self._openings = openings
        self._documents = documents
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a socket until it, or the server beneath, closes it."""
        await super().__call__(scope, receive, partial(_send_while_open, send))

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Socket:  # noqa: ARG002
        """The socket's context."""
        authenticate = partial(self._door.caller, address=request.client.host if request.client else None)
        return Socket(
            self._services,
            self._clock,
            partial(self._admit, authenticate),
            authenticate,
            request.headers.get("authorization"),
        )

    async def _admit(
        self,
        authenticate: Callable[[str | None], Awaitable[Caller]],
        authorization: str | None,
        document: str,
    ) -> Caller:
        """Whose operation it is; it counts as a request, and its document must be one that is run."""
        caller = await authenticate(authorization)
        self._rates.take(caller)
        await self._documents.check(caller.tenant_id, document)
        return caller

    def decode_json(self, data: str | bytes) -> object:
        """JSON as strictly as the HTTP side reads it."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        """JSON as the HTTP side writes it."""
        return to_json(data).decode()

    async def on_ws_connect(self, context: Socket) -> UnsetType | dict[str, object] | None:
        """Find out who is behind the socket; nobody is turned away with code 4403.

        Raises:
            TooManyOpen: they hold too many open.
        """
        if context.authorization is None:
            context.authorization = _authorization(context.connection_params or {})
        try:
            caller = await context.authenticate(context.authorization)
        except NotAdmitted:
            raise ConnectionRejectionError from None
        self._openings.open(caller)
        context.left = partial(self._openings.close, caller)
        nothing: UnsetType = UNSET
        return nothing


async def _send_while_open(send: Send, message: MutableMapping[str, Any]) -> None:
    """Send to a socket; one that the server closed first, as no pong came for one, is told as ASGI asks.

    It is closed then, whoever closes it once more.

    Raises:
        OSError: it is closed. uvicorn raises RuntimeError, which would be a fault of ours.
    """
    try:
        await send(message)
    except RuntimeError as error:
        if message["type"] == "websocket.send":
            raise OSError("The socket has been closed.") from error
        if message["type"] != "websocket.close":
            raise


def _authorization(parameters: Any) -> str | None:
    found = next((value for name, value in parameters.items() if name.lower() == "authorization"), None)
    return found if isinstance(found, str) else None
