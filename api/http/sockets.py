"""GraphQL over WebSocket: graphql-transport-ws, authenticated by header or by the connection_init payload."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UNSET, UnsetType

from api.auth import KeyVerifier
from api.callers import Unauthenticated
from api.graphql.context import Socket
from api.graphql.schema import Schema
from api.services import Services

_MOST_SUBSCRIPTIONS = 20


class GraphQLSocket(GraphQL[Socket, None]):
    """The endpoint's WebSocket side."""

    def __init__(
        self,
        schema: Schema,
        services: Services,
        keys: KeyVerifier,
        clock: Callable[[], datetime],
        *,
        allowed_origins: Sequence[str],
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            max_subscriptions_per_connection=_MOST_SUBSCRIPTIONS,
            allowed_origins=allowed_origins,
        )
        self._services = services
        self._keys = keys
        self._clock = clock

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Socket:  # noqa: ARG002
        """The socket's context."""
        return Socket(self._services, self._clock, self._keys.caller, request.headers.get("authorization"))

    async def on_ws_connect(self, context: Socket) -> UnsetType | dict[str, object] | None:
        """Find out who is behind the socket; nobody is turned away with code 4403."""
        if context.authorization is None:
            context.authorization = _authorization(context.connection_params or {})
        try:
            await self._keys.caller(context.authorization)
        except Unauthenticated:
            raise ConnectionRejectionError from None
        nothing: UnsetType = UNSET
        return nothing


def _authorization(parameters: Any) -> str | None:
    found = next((value for name, value in parameters.items() if name.lower() == "authorization"), None)
    return found if isinstance(found, str) else None
