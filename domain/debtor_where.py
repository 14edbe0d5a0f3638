"""`DebtorWhere`: which debtors a list shows or a segment rule takes.

The shape is that of `schema.graphql`. All that one input states must hold: its filters, every one of `and`, at least
one of `or` (none in an empty list), and not `not`. Lists of words (`promiseStatus`, `reachableBy`) match any of them,
`attributes` must all match. A filter on something a debtor does not have does not match; `not` is its plain opposite.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Any

from domain.filters import (
    AttributeFilter,
    DateFilter,
    DateTimeFilter,
    Entry,
    FilterError,
    IntFilter,
    MoneyFilter,
    Path,
    StringFilter,
    many,
    nested,
    read_filter,
    word,
)
from domain.vocabulary import Channel, PromiseStatus

MOST_LEVELS = 12
"""How deep `and`, `or` and `not` may be nested."""

Leaf = (
    StringFilter | IntFilter | DateTimeFilter | DateFilter | MoneyFilter | AttributeFilter | tuple[Any, ...]
)


def _where(value: Any, path: Path) -> "DebtorWhere":
    levels = sum(part in ("and", "or", "not") for part in path)
    if levels > MOST_LEVELS:
        raise FilterError("TOO_DEEP", f"Conditions may be nested {MOST_LEVELS} levels deep.", path)
    return read_filter(DebtorWhere, value, path)


@dataclass(frozen=True)
class DebtorWhere:
    """Conditions on a debtor as it stands at an instant; the module says how they combine.

    `product` matches the product of any account that is open then, `balance` the sum over the open accounts in its
    currency, `promise_status` any promise, `reachable_by` a usable address for any of the channels.
    """

    reference: Annotated[StringFilter | None, Entry("reference", nested(StringFilter))] = None
    name: Annotated[StringFilter | None, Entry("name", nested(StringFilter))] = None
    country: Annotated[StringFilter | None, Entry("country", nested(StringFilter))] = None
    region: Annotated[StringFilter | None, Entry("region", nested(StringFilter))] = None
    language: Annotated[StringFilter | None, Entry("language", nested(StringFilter))] = None
    segment: Annotated[StringFilter | None, Entry("segment", nested(StringFilter))] = None
    product: Annotated[StringFilter | None, Entry("product", nested(StringFilter))] = None
    days_past_due: Annotated[IntFilter | None, Entry("daysPastDue", nested(IntFilter))] = None
    balance: Annotated[MoneyFilter | None, Entry("balance", nested(MoneyFilter))] = None
    last_contacted_at: Annotated[DateTimeFilter | None, Entry("lastContactedAt", nested(DateTimeFilter))] = (
        None
    )
    customer_since: Annotated[DateFilter | None, Entry("customerSince", nested(DateFilter))] = None
    birth_date: Annotated[DateFilter | None, Entry("birthDate", nested(DateFilter))] = None
    promise_status: Annotated[
        tuple[PromiseStatus, ...] | None, Entry("promiseStatus", many(word(PromiseStatus)))
    ] = None
    reachable_by: Annotated[tuple[Channel, ...] | None, Entry("reachableBy", many(word(Channel)))] = None
    attributes: Annotated[
        tuple[AttributeFilter, ...] | None, Entry("attributes", many(nested(AttributeFilter)))
    ] = None
    and_: Annotated[tuple["DebtorWhere", ...] | None, Entry("and", many(_where))] = None
    or_: Annotated[tuple["DebtorWhere", ...] | None, Entry("or", many(_where))] = None
    not_: Annotated["DebtorWhere | None", Entry("not", _where)] = None

    def own_leaves(self) -> Iterator[tuple[str, Leaf]]:
        """(field, filter) of what this level itself states, `attributes` one by one."""
        for name in _LEAVES:
            stated = getattr(self, name)
            if name == "attributes":
                yield from (("attributes", each) for each in stated or ())
            elif stated is not None:
                yield name, stated

    def leaves(self) -> Iterator[tuple[str, Leaf]]:
        """(field, filter) of every level."""
        yield from self.own_leaves()
        for inner in (*(self.and_ or ()), *(self.or_ or ()), *filter(None, [self.not_])):
            yield from inner.leaves()


_LEAVES = tuple(item.name for item in fields(DebtorWhere) if item.name not in ("and_", "or_", "not_"))


def read_debtor_where(value: Any, path: Path = ()) -> DebtorWhere:
    """A `DebtorWhere` from JSON (camelCase keys, as `schema.graphql` has them).

    Raises:
        FilterError: `code` is WRONG_TYPE, UNKNOWN_FIELD, MISSING_FIELD, BAD_VALUE, UNKNOWN_WORD or TOO_DEEP; its path
            begins with `path`.
    """
    return _where(value, path)
