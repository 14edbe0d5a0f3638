"""One check of the promotion gate."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GateCheck:
    """passed None: it cannot be known from this data, and the message says why."""

    name: str
    passed: bool | None
    value: float | None
    threshold: float | None
    message: str


def unknown(name: str, message: str) -> GateCheck:
    """A check that could not be made."""
    return GateCheck(name, None, None, None, message)
