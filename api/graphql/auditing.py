"""Mutations in the audit log: use cases record what they do, in the transaction that does it; here, what is refused."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import strawberry
from strawberry.extensions import FieldExtension

from api.graphql.context import Info
from api.graphql.errors import INTERNAL, code_of
from api.graphql.permissions import Allow, Group
from api.graphql.types.models import UserError
from api.logs import log_failure
from domain.audit import AuditOutcome
from domain.storage.audit import record
from domain.storage.outages import outage_of

F = TypeVar("F", bound=Callable[..., Any])


def changing(group: Group, description: str) -> Callable[[F], F]:
    """A field of the mutation root that only the roles of a group may use, and that is audited."""
    decorator: Callable[[F], F] = strawberry.field(
        description=description, extensions=[Allow(group), Audited()]
    )
    return decorator


class Audited(FieldExtension):
    """Records a mutation that was refused or failed; the last extension of a field is the outermost."""

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **kwargs: Any
    ) -> Any:
        """Resolve the field, and note when it changed nothing."""
        try:
            answer = await next_(source, info, **kwargs)
        except Exception as error:
            outage = outage_of(error)
            code = outage.code if outage else code_of(error)
            refused = outage is None and code is not None
            await _record(info, code or INTERNAL, AuditOutcome.REFUSED if refused else AuditOutcome.FAILED)
            raise
        if isinstance(answer, UserError):
            await _record(info, answer.code, AuditOutcome.REFUSED)
        return answer


async def _record(info: Info, code: str, outcome: AuditOutcome) -> None:
    """Nothing was done, so there is no transaction to record it in but its own; the caller hears why either way."""
    context = info.context
    try:
        async with context.services.database.transaction(context.tenant_id) as connection:
            await record(
                connection,
                context.tenant_id,
                context.signature,
                info.field_name,
                outcome=outcome,
                code=code,
            )
    except Exception as error:
        if outage_of(error) is None:  # else the answer says it, and so does the log
            log_failure(error, where=info.path.as_list() if info.path else None)
