"""Actions and blocks as the log keeps them: JSON out, the same values back."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from api.answers import Action, Block

_ACTION = TypeAdapter(Action)
_BLOCKS = TypeAdapter(tuple[Block, ...])


def action_json(action: Action) -> dict[str, Any]:
    """An action as JSON."""
    kept: dict[str, Any] = _ACTION.dump_python(action, mode="json")
    return kept


def action_of(stored: Mapping[str, Any]) -> Action:
    """An action as it was logged."""
    return _ACTION.validate_python(stored)


def blocks_json(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """Blocks as JSON."""
    kept: list[dict[str, Any]] = _BLOCKS.dump_python(tuple(blocks), mode="json")
    return kept


def blocks_of(stored: Sequence[Mapping[str, Any]]) -> tuple[Block, ...]:
    """Blocks as they were logged."""
    return _BLOCKS.validate_python(stored)
