"""Global ids: opaque to clients, `Type:number` in base64 to us."""

import base64
import binascii
from collections.abc import Sequence

from api.services import InvalidArgument

_LARGEST = 2**63 - 1


def global_id(kind: str, number: int) -> str:
    """The id of a row, unique over all types."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def parse_id(value: str, *, path: Sequence[str] = ("id",)) -> tuple[str, int]:
    """The type and number behind a global id. path: where in the arguments it stands.

    Raises:
        InvalidArgument: not an id that this API gave out.
    """
    try:
        kind, _, digits = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        kind, digits = "", ""
    plain = digits.isascii() and digits.isdecimal() and not digits.startswith("0")
    if not kind.isalpha() or not plain or len(digits) > 19 or int(digits) > _LARGEST:
        where = ".".join(path)
        raise InvalidArgument(f"{where}: not an id of this API; send one as answered.", path=tuple(path))
    return kind, int(digits)


def parse_ids(values: Sequence[str]) -> list[tuple[str, int]]:
    """The types and numbers behind the global ids of the argument `ids`.

    Raises:
        InvalidArgument: one is no id that this API gave out; which one is told.
    """
    return [parse_id(value, path=("ids", str(index))) for index, value in enumerate(values)]


def number_of(value: str, kind: str, *, argument: str = "id") -> int:
    """The number behind an id of one type.

    Raises:
        InvalidArgument: not an id, or of another type.
    """
    found, number = parse_id(value, path=(argument,))
    if found != kind:
        raise InvalidArgument(
            f"{argument}: an id of type {found}, expected one of type {kind}.", path=(argument,)
        )
    return number
