"""What became of an operation, as JSON says it."""

from typing import Any

from strawberry.types import ExecutionResult


def answered(result: ExecutionResult) -> dict[str, Any]:
    """The result, with `data` left out where the operation did not begin."""
    content: dict[str, Any] = {"data": result.data}
    if result.errors:
        content["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        content["extensions"] = result.extensions
    return if_begun(content)


def if_begun(content: dict[str, Any]) -> dict[str, Any]:
    """The content, without `data` where the operation did not begin: where nothing is there and no field failed."""
    errors = content.get("errors")
    if content["data"] is None and errors and not any(error.get("path") for error in errors):
        return {name: value for name, value in content.items() if name != "data"}
    return content
