"""Money: always an exact amount with its currency, never added across currencies."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import strawberry


@strawberry.type(description="An exact amount of money in one currency.")
class Money:
    """An exact amount in one currency."""

    amount: Decimal = strawberry.field(description="In major units (12.50 is twelve euros fifty).")
    currency: str = strawberry.field(description="ISO 4217 code, such as EUR.")


@strawberry.type(description="An expected amount of money with its 90 % interval; all three in one currency.")
class MoneyEstimate:
    """An expected amount and its interval."""

    amount: Decimal = strawberry.field(description="The expectation, in major units.")
    currency: str = strawberry.field(description="ISO 4217 code, such as EUR.")
    low: Decimal = strawberry.field(description="5 % quantile, in major units.")
    high: Decimal = strawberry.field(description="95 % quantile, in major units.")


def money_per_currency(amounts: Mapping[str, Decimal] | Iterable[tuple[str, Decimal]]) -> list[Money]:
    """One Money per currency, by currency code."""
    pairs = amounts.items() if isinstance(amounts, Mapping) else amounts
    return [Money(amount=amount, currency=currency) for currency, amount in sorted(pairs)]
