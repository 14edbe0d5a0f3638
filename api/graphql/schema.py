"""The schema, assembled: types, limits, errors."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, cast

import strawberry
from graphql import ExecutionResult as GraphQLResult
from graphql import GraphQLError, GraphQLObjectType, GraphQLSchema, execute
from graphql.pyutils import Undefined
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from api.callers import NotAdmitted
from api.graphql.columns import ColumnExecutor
from api.graphql.context import Context, Socket
from api.graphql.errors import PresentErrors, presented
from api.graphql.limits import Documents, PrepareDocument
from api.graphql.mutations import Mutation
from api.graphql.queries import Query
from api.graphql.scalars import SCALARS
from api.graphql.subscriptions import Subscription
from api.graphql.types.facts import Payment


class Schema(strawberry.Schema):
    """Strawberry's schema, with our reading of documents, our errors, and a fresh context per streamed operation."""

    documents: Documents

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing: `PresentErrors` logs what is ours to know, without the caller's values."""

    def _get_custom_context_kwargs(
        self, operation_extensions: dict[str, Any] | None = None, *, sync: bool = False
    ) -> dict[str, Any]:
        kwargs = super()._get_custom_context_kwargs(operation_extensions, sync=sync)
        return {**kwargs, "hide_suggestions": self.config.disable_field_suggestions}

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """As Strawberry's, but straight away where our extensions would find nothing wrong with the document."""
        prepared = self.documents.prepare(self._schema, query or "")
        operation = prepared.operation(operation_name)
        if (
            prepared.document is None
            or operation is None
            or OperationType(operation.operation.value) not in (allowed_operation_types or OperationType)
            or not prepared.is_served(
                self._schema,
                operation_name,
                variable_values or {},
                reads_personal_data=context_value.caller.reads_personal_data,
            )
        ):
            return await super().execute(
                query,
                variable_values,
                context_value,
                root_value,
                operation_name,
                allowed_operation_types,
                operation_extensions,
            )
        executed = execute(
            self._schema,
            prepared.document,
            root_value,
            context_value,
            variable_values,
            operation_name,
            executor_class=self.execution_context_class,
            is_awaitable=cast(Any, optimized_is_awaitable),
            **self._get_custom_context_kwargs(operation_extensions),
        )
        result = executed if isinstance(executed, GraphQLResult) else await executed
        errors = result.errors and presented(result.errors)
        return ExecutionResult(data=result.data, errors=errors)

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> StreamResult:
        """As Strawberry's; the operations of a socket share nothing but the key it came with."""
        if isinstance(context_value, Socket):
            try:
                context_value = await context_value.operation(query or "")
            except Exception as error:
                return _ended(error)
        return _told(
            await super().stream(
                query,
                variable_values,
                context_value,
                root_value,
                operation_name,
                operation_extensions,
                allowed_operation_types,
            ),
            context_value.still_admitted if isinstance(context_value, Context) else None,
        )


async def _told(
    results: StreamResult, still_admitted: Callable[[], Awaitable[object]] | None
) -> StreamResult:
    """The results while their caller is admitted, and as the last one what ended them.

    Extensions that refuse a document raise.
    """
    async with aclosing(results):
        try:
            async for result in results:
                if still_admitted is not None:
                    await still_admitted()
                yield result
        except Exception as error:
            yield _end(error)


async def _ended(error: Exception) -> StreamResult:
    yield _end(error)


def _end(error: Exception) -> PreExecutionError:
    """What ended an operation, or kept it from beginning."""
    if isinstance(error, NotAdmitted):
        errors = [GraphQLError(str(error), extensions={"code": error.code})]
    else:
        own = error if isinstance(error, GraphQLError) else GraphQLError("", original_error=error)
        errors = presented([own])
    return PreExecutionError(data=None, errors=errors, extensions=None)


def build_schema(*, production: bool = False) -> Schema:
    """The schema as served; in production nothing in it tells what else there is."""
    documents = Documents(production=production)
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Payment],
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=production),
        extensions=[PresentErrors, lambda: PrepareDocument(documents)],
        execution_context_class=ColumnExecutor,
    )
    schema.documents = documents
    _forget_null_defaults(schema._schema)
    return schema


def _forget_null_defaults(schema: GraphQLSchema) -> None:
    """Leave arguments that may be left out without a default: Python needs None, the schema would say `= null`."""
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                for argument in field.args.values():
                    if argument.default_value is None:
                        argument.default_value = Undefined
                        argument.default = None


def sdl() -> str:
    """The schema in GraphQL's schema definition language, as committed in schema.graphql."""
    return build_schema().as_str().rstrip() + "\n"
