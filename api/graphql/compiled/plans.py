"""Plans of operations, found again by what their statements depend on, and run.

Only what goes well is answered here. Whatever does not (a limit, an argument, a permission, a field that is not
compiled, derived columns that are behind) is left to ordinary execution, which says what is wrong.
"""

from collections.abc import Hashable, Mapping
from typing import Any

from asyncpg import InterfaceError, PostgresError
from graphql import DocumentNode, GraphQLError
from graphql.execution.values import VariableValues, get_variable_values
from graphql.pyutils import Undefined
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as Executor

from api.graphql.compiled.arguments import is_constant, read_argument
from api.graphql.compiled.selection import NotCompiled, Selection, may_be_compiled, select
from api.graphql.context import Context
from api.graphql.schema import Schema
from api.logs import log_failure
from api.services import InvalidArgument
from domain.filters import FilterError
from domain.latest import Latest
from domain.storage.compiled import FLAW, Argument, Statement, compile_statement
from domain.storage.outages import outage_of

_KEPT_PLANS = 500
_KEPT_STATEMENTS = 500


class CompiledReads:
    """Answers operations on stored facts by one statement each."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._plans: Latest[Hashable, Selection] = Latest(_KEPT_PLANS)
        self._statements: Latest[Hashable, Statement] = Latest(_KEPT_STATEMENTS)

    async def answer(
        self, query: str, variables: Mapping[str, Any] | None, name: str | None, context: Context
    ) -> bytes | None:
        """The body of the answer to an operation; None: to be executed as ever."""
        try:
            schema = self._schema._schema
            prepared = self._schema.documents.prepare(schema, query)
            operation = prepared.operation(name)
            if operation is None or not may_be_compiled(operation):
                return None
            permitted = context.caller.reads_personal_data
            if not prepared.is_served(schema, name, variables or {}, reads_personal_data=permitted):
                return None
            values = get_variable_values(
                schema, operation.variable_definitions or (), dict(variables or {}), max_errors=1
            )
            if not isinstance(values, VariableValues) or prepared.document is None:
                return None
            return await self._answer((query, name), prepared.document, values, context)
        except (NotCompiled, GraphQLError, InvalidArgument, FilterError):
            return None
        except (OSError, InterfaceError, PostgresError) as error:
            if outage_of(error) is None:  # else ordinary execution meets it again, and says it
                log_failure(error)
            return None

    async def _answer(
        self, asked: tuple[str, str | None], document: DocumentNode, values: VariableValues, context: Context
    ) -> bytes | None:
        conditions = tuple(item for item in values.coerced.items() if isinstance(item[1], bool))
        key = (*asked, conditions, context.caller.role)
        plan = self._plans.get_or_make(key, lambda: self._plan(asked[1], document, values, context))
        if not plan.fields:
            return None
        arguments = [
            plan.constant.get(number) or read_argument(each, self._schema.schema_converter, values, context)
            for number, each in enumerate(plan.asking)
        ]
        statement = self._statement(key, plan, arguments, context)
        found = await context.services.database.document(
            context.tenant_id,
            statement.sql,
            statement.parameters(context.tenant_id, context.now, arguments),
            is_general=statement.is_general,
        )
        return None if found is None or FLAW in found else b'{"data":%b}' % found.encode()

    def _plan(
        self, name: str | None, document: DocumentNode, values: VariableValues, context: Context
    ) -> Selection:
        """What the operation selects; nothing when it is not compiled."""
        raw = {key: source.value for key, source in values.sources.items() if source.value is not Undefined}
        executor = Executor.build(
            self._schema._schema, document, raw_variable_values=raw, operation_name=name
        )
        if not isinstance(executor, Executor):
            raise NotCompiled
        try:
            found = select(executor, context.caller.role)
        except NotCompiled:
            return Selection()
        for number, asking in enumerate(found.asking):
            if is_constant(asking):
                converter = self._schema.schema_converter
                found.constant[number] = read_argument(asking, converter, values, context)
        return found

    def _statement(
        self, key: Hashable, plan: Selection, arguments: list[Argument], context: Context
    ) -> Statement:
        shapes = tuple(argument.shape() for argument in arguments)
        hour = context.now.replace(minute=0, second=0, microsecond=0)
        return self._statements.get_or_make(
            (key, shapes, hour), lambda: compile_statement(plan.fields, arguments, context.now)
        )
