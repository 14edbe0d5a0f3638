"""What goes wrong, as the caller sees it: a stable code, never an internal.

| code | what happened |
| --- | --- |
| GRAPHQL_PARSE_FAILED | the document is no GraphQL |
| GRAPHQL_VALIDATION_FAILED | the document does not fit the schema |
| LIMIT_EXCEEDED | the document is deeper, longer or wider than served; the message says by how much |
| BAD_USER_INPUT | an argument or a variable cannot be served; the message names it |
| UNKNOWN_OPERATION | the document has no operation, or none of the name given |
| METHOD_NOT_ALLOWED | the operation takes another HTTP method |
| FORBIDDEN | the role may not use this field, or it is personal data that the caller may not read |
| INGEST_CONTENTION | other writers kept changing the same rows; nothing was changed, send it again |
| ARTEFACT_TRUNCATED, ARTEFACT_TAMPERED, ARTEFACT_INCOMPATIBLE | the model that decides cannot be opened; train anew |
| BAD_CONTACT_RULES | the tenant's own contact rules cannot be read, so nothing is decided; set them anew |
| DATABASE_UNREACHABLE, DISK_FULL, DATABASE_READ_ONLY | the database cannot do it just now; send it again later |
| INTERNAL_SERVER_ERROR | our fault; `errorId` finds it in the log |
"""

from collections.abc import Iterator, Sequence
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult as StrawberryResult

from api.graphql.wording import place_of, without_values
from api.logs import log_failure, log_outage
from api.services import InvalidArgument
from domain.contact_rules.tenant_rules import TenantRulesError
from domain.filters import FilterError
from domain.kpis.requests import KpiRequestError
from domain.storage.ingest import IngestContention
from domain.storage.outages import Outage, outage_of
from ml.artefact import ArtefactError

PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
BAD_USER_INPUT = "BAD_USER_INPUT"
FORBIDDEN = "FORBIDDEN"
UNKNOWN_OPERATION = "UNKNOWN_OPERATION"
METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
INTERNAL = "INTERNAL_SERVER_ERROR"


class Forbidden(Exception):
    """The key's role may not use a field."""

    code = FORBIDDEN


def coded(error: GraphQLError, code: str, **extensions: Any) -> GraphQLError:
    """The same error with a code, if it has none yet; one of the executor's without the values it quotes."""
    if isinstance(error.original_error, GraphQLError | None):
        error.message = without_values(error.message)
    error.extensions = {"code": code, **extensions, **(error.extensions or {})}
    return error


def placed(error: GraphQLError, code: str) -> GraphQLError:
    """The same, of the executor's or a rule's, with the place of the value that it is about, if it is about one."""
    found = place_of(error.message)
    return coded(error, code, **({} if found is None else {"argument": found}))


def presented(errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """The errors of an execution as the caller may see them; what is not theirs to know is logged and masked.

    An outage of the database is logged once, however many fields met it.
    """
    outages = ((outage_of(cause), cause) for cause in map(_cause, errors) if cause is not None)
    found = next(((outage, cause) for outage, cause in outages if outage is not None), None)
    if found is not None:
        log_outage(*found)
    return list(map(_presentable, errors))


def _cause(error: GraphQLError) -> Exception | None:
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _presentable(error: GraphQLError) -> GraphQLError:
    cause = _cause(error)
    if isinstance(cause, GraphQLSyntaxError) or isinstance(error, GraphQLSyntaxError):
        return coded(error, PARSE_FAILED)
    if cause is None or isinstance(cause, GraphQLError):  # made by the executor: a variable, an argument
        return placed(error, BAD_USER_INPUT)
    if isinstance(cause, CannotGetOperationTypeError | InvalidOperationTypeError):
        return _unserved(cause)
    code = code_of(cause)
    if code is None:
        outage = outage_of(cause)
        return masked(error, cause) if outage is None else _out_of_service(error, outage)
    if isinstance(cause, InvalidArgument | FilterError | KpiRequestError):
        place = cause.field.split(".") if isinstance(cause, KpiRequestError) else cause.path
        return coded(error, code, reason=cause.code, argument=list(place))
    return coded(error, code)


def code_of(cause: BaseException) -> str | None:
    """The code of what a resolver raised; None when it is a fault of ours."""
    if isinstance(cause, InvalidArgument | FilterError | KpiRequestError):
        return BAD_USER_INPUT
    if isinstance(cause, Forbidden | IngestContention | ArtefactError | TenantRulesError):
        return cause.code
    return None


def _out_of_service(error: GraphQLError, outage: Outage) -> GraphQLError:
    return GraphQLError(outage.message, nodes=error.nodes, path=error.path, extensions={"code": outage.code})


def no_such_operation(name: str | None) -> str:
    """What to do about a document without the operation that was asked for; one of several was, or there is none."""
    if name is None:
        return "The document has no operation: send a query, a mutation or a subscription in it."
    return "The document has no operation of this name; name one of its own in operationName."


def _unserved(cause: CannotGetOperationTypeError | InvalidOperationTypeError) -> GraphQLError:
    """An operation that is none, or not of a kind that may come this way."""
    if isinstance(cause, CannotGetOperationTypeError):
        message, code = no_such_operation(cause.operation_name), UNKNOWN_OPERATION
    else:
        message, code = f"A {cause.operation_type.value} does not come this way.", METHOD_NOT_ALLOWED
    return GraphQLError(message, extensions={"code": code})


def masked(error: GraphQLError, cause: BaseException) -> GraphQLError:
    """An error that tells nothing but the id under which the log tells more."""
    error_id = log_failure(cause, where=error.path)
    return GraphQLError(
        f"Something went wrong on our side. Report error {error_id}.",
        nodes=error.nodes,
        path=error.path,
        extensions={"code": INTERNAL, "errorId": error_id},
    )


class PresentErrors(SchemaExtension):
    """Puts codes on errors and masks the unexpected ones, in single answers and in streams."""

    def on_operation(self) -> Iterator[None]:
        """Present the errors of the whole operation."""
        self._streamed = False
        yield
        result = self.execution_context.result
        if not self._streamed and isinstance(result, ExecutionResult | StrawberryResult):
            self._present(result)

    def on_stream_result(self, result: Any) -> Iterator[None]:
        """Present the errors of one event of a subscription."""
        self._streamed = True
        self._present(result)
        yield

    def _present(self, result: Any) -> None:
        if result.errors:
            result.errors = presented(result.errors)
