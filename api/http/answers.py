"""What became of an operation, as JSON says it."""

from typing import Any

from strawberry.types import ExecutionResult


def answered(result: ExecutionResult) -> dict[str, Any]:
    """The result, with `data` left out where the operation did not begin."""
    errors = result.errors or []
    unbegun = result.data is None and errors and not any(error.path for error in errors)
    content: dict[str, Any] = {} if unbegun else {"data": result.data}
    if errors:
        content["errors"] = [error.formatted for error in errors]
    if result.extensions:
        content["extensions"] = result.extensions
    return content
