"""Fields with resolvers, described, permitted, and typed as the functions they are."""

from collections.abc import Callable
from typing import Any, TypeVar

import strawberry

from api.graphql.permissions import Allow, Group

F = TypeVar("F", bound=Callable[..., Any])


def resolved(description: str) -> Callable[[F], F]:
    """A field that a function resolves."""
    decorator: Callable[[F], F] = strawberry.field(description=description)
    return decorator


def root(group: Group, description: str) -> Callable[[F], F]:
    """A field of a root that only the roles of a group may use."""
    decorator: Callable[[F], F] = strawberry.field(description=description, extensions=[Allow(group)])
    return decorator


def watched(description: str) -> Callable[[F], F]:
    """A field of the subscription root; its function permits by itself."""
    decorator: Callable[[F], F] = strawberry.subscription(description=description)
    return decorator
