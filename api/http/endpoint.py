"""The GraphQL endpoint: authenticate, read, execute, answer with the right status and media type."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from api.auth import Door
from api.callers import Caller, NotAdmitted
from api.documents import TrustedDocuments
from api.graphql.compiled import CompiledReads
from api.graphql.context import Context
from api.graphql.errors import UNKNOWN_OPERATION, no_such_operation
from api.graphql.json_rows import to_json
from api.graphql.schema import Schema
from api.http.answers import answered
from api.http.openings import Openings
from api.http.rates import Allowance, Rates
from api.http.requests import (
    JSON_TYPE,
    RESPONSE_TYPE,
    STREAM_TYPE,
    Asked,
    AskedByHash,
    Refused,
    answered_type,
    read_request,
    takes_stream,
)
from api.http.streams import event_stream
from api.logs import log_failure, log_outage
from api.services import Services
from domain.storage.outages import OUTAGES, RETRY_SECONDS, outage_of

_POST = {OperationType.QUERY, OperationType.MUTATION}
_GET = {OperationType.QUERY}
_STREAMED = OperationType.SUBSCRIPTION
_LATER = {"Retry-After": str(RETRY_SECONDS)}


class GraphQLEndpoint:
    """`POST /graphql`, and GET for queries where that is allowed."""

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
        allow_get: bool,
    ) -> None:
        self._schema = schema
        self._compiled = CompiledReads(schema)
        self._services = services
        self._door = door
        self._rates = rates
        self._openings = openings
        self._documents = documents
        self._clock = clock
        self._methods = ("GET", "POST") if allow_get else ("POST",)

    async def __call__(self, request: Request) -> Response:
        """Answer a request, and tell what its caller has left of requests; never raises."""
        response = await self._respond(request)
        allowance: Allowance | None = getattr(request.state, "allowance", None)
        if allowance is not None:
            response.headers.update(allowance.headers)
        return response

    async def _respond(self, request: Request) -> Response:
        media_type = JSON_TYPE
        try:
            media_type = answered_type(request.headers.get("accept"))
            self._check_method(request)
            still_admitted = partial(
                self._door.caller,
                request.headers.get("authorization"),
                address=request.client.host if request.client else None,
            )
            caller = await still_admitted()
            request.state.caller = caller
            request.state.allowance = self._rates.take(caller)
            asked = await self._meant(caller, await read_request(request))
            return await self._operate(
                request, asked, Context(self._services, caller, self._clock, still_admitted), media_type
            )
        except (NotAdmitted, Refused) as error:
            return _failure(error.status, error.code, str(error), media_type, error.headers)
        except Exception as error:
            outage = outage_of(error)
            if outage is not None:
                log_outage(outage, error)
                return _failure(503, outage.code, outage.message, media_type, _LATER)
            error_id = log_failure(error)
            message = f"Something went wrong on our side. Report error {error_id}."
            return _failure(500, "INTERNAL_SERVER_ERROR", message, media_type, errorId=error_id)

    async def _meant(self, caller: Caller, asked: Asked | AskedByHash) -> Asked:
        """What is asked, with the text of its document."""
        if isinstance(asked, Asked):
            await self._documents.check(caller.tenant_id, asked.query)
            return asked
        text = await self._documents.named(caller.tenant_id, asked.sha256, automatic=asked.automatic)
        return Asked(text, asked.variables, asked.operation_name)

    def _check_method(self, request: Request) -> None:
        if request.method not in self._methods:
            allowed = ", ".join(self._methods)
            raise Refused(405, "METHOD_NOT_ALLOWED", f"Use {allowed}.", {"Allow": allowed})

    async def _operate(self, request: Request, asked: Asked, context: Context, media_type: str) -> Response:
        if media_type == STREAM_TYPE:
            return await self._stream(request, asked, context)
        compiled = await self._compiled.answer(asked.query, asked.variables, asked.operation_name, context)
        if compiled is not None:
            return _response(200, compiled, media_type)
        try:
            return _answer(await self._execute(request, asked, context), media_type)
        except InvalidOperationTypeError as error:
            if error.operation_type is _STREAMED and takes_stream(request.headers.get("accept")):
                return await self._stream(request, asked, context)
            raise _wrong_transport(error.operation_type) from None

    async def _execute(self, request: Request, asked: Asked, context: Context) -> ExecutionResult:
        try:
            return await self._schema.execute(
                asked.query,
                variable_values=asked.variables,
                context_value=context,
                operation_name=asked.operation_name,
                allowed_operation_types=_GET if request.method == "GET" else _POST,
            )
        except CannotGetOperationTypeError:
            raise Refused(400, UNKNOWN_OPERATION, no_such_operation(asked.operation_name)) from None

    async def _stream(self, request: Request, asked: Asked, context: Context) -> Response:
        request.state.streamed = True
        allowed = _GET if request.method == "GET" else _POST
        self._openings.open(context.caller)
        ended = partial(self._openings.close, context.caller)
        try:
            results = await self._schema.stream(
                asked.query,
                variable_values=asked.variables,
                context_value=context,
                operation_name=asked.operation_name,
                allowed_operation_types={*allowed, _STREAMED},
            )
        except BaseException:
            ended()
            raise
        return event_stream(results, ended)


def _wrong_transport(operation_type: OperationType) -> Refused:
    if operation_type is OperationType.MUTATION:
        return Refused(405, "METHOD_NOT_ALLOWED", "A mutation takes POST.", {"Allow": "POST"})
    return Refused(
        400,
        "USE_A_STREAM",
        f"A subscription takes a WebSocket (graphql-transport-ws) on this same path, or Accept: {STREAM_TYPE}.",
    )


def _answer(result: ExecutionResult, media_type: str) -> Response:
    content = answered(result)
    if _is_out_of_service(result):
        return _response(503, to_json(content), media_type, _LATER)
    status = 400 if "data" not in content and media_type == RESPONSE_TYPE else 200
    return _response(status, to_json(content), media_type)


def _is_out_of_service(result: ExecutionResult) -> bool:
    """Whether nothing was answered, for an outage of the database."""
    nothing = all(value is None for value in (result.data or {}).values())
    return nothing and any((error.extensions or {}).get("code") in OUTAGES for error in result.errors or ())


def _failure(
    status: int,
    code: str,
    message: str,
    media_type: str,
    headers: Mapping[str, str] | None = None,
    **extensions: str,
) -> Response:
    media_type = JSON_TYPE if media_type == STREAM_TYPE else media_type  # no stream has begun
    error = GraphQLError(message, extensions={"code": code, **extensions})
    return _response(status, to_json({"errors": [error.formatted]}), media_type, headers)


def _response(
    status: int, content: bytes, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    own = {
        "Content-Type": f"{media_type}; charset=utf-8",
        "Cache-Control": "no-store",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, status_code=status, headers={**own, **(headers or {})})
