"""The segments a tenant has before it defines its own: days past due × balance × product.

Made from the products and currencies that its accounts have, so the same facts give the same segments.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

_AGES = (
    ("LATE", "91 days past due or more", {"gte": 91}),
    ("MID", "31–90 days past due", {"gte": 31, "lte": 90}),
    ("EARLY", "1–30 days past due", {"gte": 1, "lte": 30}),
    ("CURRENT", "not past due", {"lte": 0}),
)

_MEDIUM_FROM = Decimal(200)
_LARGE_FROM = Decimal(1000)

MOST_PRODUCTS = 24
"""With more products than these, products no longer split the segments: each would be too small to learn from."""

# Roughly how many units buy what one euro does, as a power of ten; what is not listed counts as one to one. Only where
# the tenant's own rates say nothing.
_POWERS = {
    Decimal(10): "BWP CNY CZK DKK GTQ HKD HNL MAD MDL MKD MXN NOK SEK THB TRY TWD UAH UYU ZAR",
    Decimal(100): "ALL BDT CRC DOP DZD EGP HUF INR ISK JPY KES NIO PHP PKR RSD RUB XPF",
    Decimal(1000): "AMD ARS CLP COP KRW KZT NGN TZS UGX XAF XOF",
    Decimal(10_000): "GNF IDR IRR LAK LBP PYG UZS VND",
}
_SCALE = {currency: power for power, currencies in _POWERS.items() for currency in currencies.split()}


def default_segments(
    products: Iterable[str], currencies: Iterable[str], *, tenant_currency: str, rates: Mapping[str, Decimal]
) -> list[dict[str, Any]]:
    """The default rules as a list of SegmentInput JSON (key, name, where), first match first.

    products, currencies: those of the tenant's accounts. rates: units of `tenant_currency` for one unit, latest known.
    The oldest debt and the largest balance win where a debtor has several accounts; who owes nothing is in no segment.
    """
    thresholds = {
        currency: _thresholds(currency, tenant_currency, rates) for currency in sorted(set(currencies))
    }
    kinds: list[str | None] = [*sorted(set(products))]
    if len(kinds) > MOST_PRODUCTS:
        kinds = [None]
    return [
        _rule(age, size, product)
        for age in _AGES
        for size in _sizes(thresholds)
        for product in kinds
        if thresholds
    ]


def _rule(
    age: tuple[str, str, dict[str, int]], size: tuple[str, str, list[dict[str, Any]]], product: str | None
) -> dict[str, Any]:
    where: dict[str, Any] = {"daysPastDue": dict(age[2]), "or": [{"balance": bounds} for bounds in size[2]]}
    parts, names = [age[0], size[0]], [age[1], size[1]]
    if product is not None:
        where["product"] = {"eq": product}
        parts.append(product)
        names.append(product)
    return {"key": "-".join(parts), "name": " · ".join(names), "where": where}


def _sizes(
    thresholds: Mapping[str, tuple[Decimal, Decimal]],
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """(word, name, bounds per currency), largest first: the first match goes by the largest of a debtor's balances."""
    large = [{"currency": c, "gte": format(high, "f")} for c, (_, high) in thresholds.items()]
    medium = [
        {"currency": c, "gte": format(low, "f"), "lt": format(high, "f")}
        for c, (low, high) in thresholds.items()
    ]
    small = [{"currency": c, "gt": "0", "lt": format(low, "f")} for c, (low, _) in thresholds.items()]
    return [
        ("LARGE", "large balance", large),
        ("MEDIUM", "medium balance", medium),
        ("SMALL", "small balance", small),
    ]


def _thresholds(currency: str, tenant_currency: str, rates: Mapping[str, Decimal]) -> tuple[Decimal, Decimal]:
    """Where medium and large balances begin, in `currency`."""
    scale = _SCALE.get(currency, Decimal(1))
    if currency != tenant_currency and rates.get(currency):
        scale = _SCALE.get(tenant_currency, Decimal(1)) / rates[currency]
    return _one_digit(_MEDIUM_FROM * scale), _one_digit(_LARGE_FROM * scale)


def _one_digit(value: Decimal) -> Decimal:
    """Rounded to one significant digit, so that daily rates seldom move a segment's border."""
    return value.quantize(Decimal(1).scaleb(value.adjusted()), rounding=ROUND_HALF_EVEN)
