"""Which role may use which group of fields; enforced on every root field.

| role | may |
| --- | --- |
| READER | query, but for the audit log |
| CAMPAIGN | query, decide (define segments, plan, log decisions) |
| INGEST | record and upsert facts |
| OPS | query, train, promote and roll back models |
| ADMIN | everything |
"""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from strawberry.extensions import FieldExtension

from api.graphql.context import Info
from api.graphql.errors import Forbidden
from domain.vocabulary import Role


class Group(Enum):
    """Fields that the same roles may use."""

    READ = frozenset({Role.READER, Role.CAMPAIGN, Role.OPS, Role.ADMIN})
    DECIDE = frozenset({Role.CAMPAIGN, Role.ADMIN})
    INGEST = frozenset({Role.INGEST, Role.ADMIN})
    OPERATE = frozenset({Role.OPS, Role.ADMIN})
    AUDIT = frozenset({Role.ADMIN})


class Allow(FieldExtension):
    """Lets only the roles of a group use a root field."""

    def __init__(self, group: Group) -> None:
        self.group = group

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **kwargs: Any
    ) -> Any:
        """Resolve the field for who may use it.

        Raises:
            Forbidden: the caller's role may not.
        """
        allow(info, self.group)
        return await next_(source, info, **kwargs)


def allow(info: Info, group: Group) -> None:
    """Refuse a role outside the group.

    Raises:
        Forbidden: the caller's role may not use the field.
    """
    role = info.context.caller.role
    if role not in group.value:
        able = ", ".join(sorted(allowed.value for allowed in group.value))
        raise Forbidden(
            f"A key with role {role.value} may not use {info.field_name}; it takes one of {able}."
        )
