"""Filters and segment rules as JSON: what is read, and what is refused and where."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from domain.debtor_where import MOST_LEVELS, DebtorWhere, read_debtor_where
from domain.default_segments import MOST_PRODUCTS, default_segments
from domain.filters import (
    AttributeFilter,
    DateFilter,
    DateTimeFilter,
    FilterError,
    IntFilter,
    MoneyFilter,
    StringFilter,
    check_extent,
)
from domain.segments import MOST_RULES, read_segment_rules
from domain.vocabulary import Channel, PromiseStatus


def test_every_field_is_read() -> None:
    where = read_debtor_where(
        {
            "name": {"startsWith": "Á"},
            "region": {"isNull": False},
            "country": {"in": ["ES", "DK"]},
            "daysPastDue": {"gte": 30, "lt": 60},
            "balance": {"currency": "EUR", "gte": "100.00"},
            "lastContactedAt": {"lte": "2026-05-01T02:00:00+02:00"},
            "birthDate": {"eq": "2000-02-29"},
            "promiseStatus": ["BROKEN"],
            "reachableBy": ["EMAIL", "SMS"],
            "attributes": [{"key": "x_a", "gte": 1.5}],
            "or": [{"segment": {"eq": "A"}}, {"not": {"product": {"eq": "CARD"}}}],
        }
    )
    assert where == DebtorWhere(
        name=StringFilter(starts_with="Á"),
        region=StringFilter(is_null=False),
        country=StringFilter(in_=("ES", "DK")),
        days_past_due=IntFilter(gte=30, lt=60),
        balance=MoneyFilter("EUR", gte=Decimal("100.00")),
        last_contacted_at=DateTimeFilter(lte=datetime(2026, 5, 1, tzinfo=UTC)),
        birth_date=DateFilter(eq=date(2000, 2, 29)),
        promise_status=(PromiseStatus.BROKEN,),
        reachable_by=(Channel.EMAIL, Channel.SMS),
        attributes=(AttributeFilter("x_a", gte=Decimal("1.5")),),
        or_=(
            DebtorWhere(segment=StringFilter(eq="A")),
            DebtorWhere(not_=DebtorWhere(product=StringFilter(eq="CARD"))),
        ),
    )


def test_null_is_the_same_as_absent_and_one_value_is_a_list_of_one() -> None:
    assert read_debtor_where({"name": None, "and": None}) == read_debtor_where({}) == DebtorWhere()
    assert read_debtor_where({"promiseStatus": "KEPT"}).promise_status == (PromiseStatus.KEPT,)
    assert read_debtor_where({"or": {"name": {"eq": "A"}}}) == read_debtor_where(
        {"or": [{"name": {"eq": "A"}}]}
    )


def test_values_that_are_typed_already_are_taken() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    assert read_debtor_where({"lastContactedAt": {"gt": at}}).last_contacted_at == DateTimeFilter(gt=at)
    assert read_debtor_where({"reachableBy": [Channel.PUSH]}).reachable_by == (Channel.PUSH,)
    money = {"currency": "EUR", "lt": Decimal("1.50")}
    assert read_debtor_where({"balance": money}).balance == MoneyFilter("EUR", lt=Decimal("1.50"))
    assert read_debtor_where({"customerSince": {"lt": date(2026, 1, 1)}}).customer_since == DateFilter(
        lt=date(2026, 1, 1)
    )


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ([], "WRONG_TYPE", ()),
        ({"unknown": {}}, "UNKNOWN_FIELD", ("unknown",)),
        ({"name": "Ada"}, "WRONG_TYPE", ("name",)),
        ({"name": {"like": "A"}}, "UNKNOWN_FIELD", ("name", "like")),
        ({"name": {"eq": 1}}, "WRONG_TYPE", ("name", "eq")),
        ({"name": {"eq": "a\x00"}}, "BAD_VALUE", ("name", "eq")),
        ({"name": {"eq": "\ud800"}}, "BAD_VALUE", ("name", "eq")),
        ({"name": {"isNull": "yes"}}, "WRONG_TYPE", ("name", "isNull")),
        ({"country": {"in": ["ES", 2]}}, "WRONG_TYPE", ("country", "in", "1")),
        ({"daysPastDue": {"gte": 1.5}}, "WRONG_TYPE", ("daysPastDue", "gte")),
        ({"daysPastDue": {"gte": True}}, "WRONG_TYPE", ("daysPastDue", "gte")),
        ({"daysPastDue": {"gte": 2**31}}, "BAD_VALUE", ("daysPastDue", "gte")),
        ({"balance": {"gte": "1"}}, "MISSING_FIELD", ("balance", "currency")),
        ({"balance": {"currency": "euro", "gte": "1"}}, "BAD_VALUE", ("balance", "currency")),
        ({"balance": {"currency": "EUR", "gte": "a"}}, "BAD_VALUE", ("balance", "gte")),
        ({"balance": {"currency": "EUR", "gte": "NaN"}}, "BAD_VALUE", ("balance", "gte")),
        ({"balance": {"currency": "EUR", "gte": "Infinity"}}, "BAD_VALUE", ("balance", "gte")),
        ({"balance": {"currency": "EUR", "gte": "1e99999"}}, "BAD_VALUE", ("balance", "gte")),
        ({"balance": {"currency": "EUR", "gte": "1e-99999"}}, "BAD_VALUE", ("balance", "gte")),
        ({"balance": {"currency": "EUR", "gte": []}}, "WRONG_TYPE", ("balance", "gte")),
        ({"lastContactedAt": {"gt": "2026-05-01T00:00:00"}}, "BAD_VALUE", ("lastContactedAt", "gt")),
        ({"lastContactedAt": {"gt": "yesterday"}}, "BAD_VALUE", ("lastContactedAt", "gt")),
        ({"lastContactedAt": {"gt": "0001-01-01T00:00:00+05:00"}}, "BAD_VALUE", ("lastContactedAt", "gt")),
        ({"lastContactedAt": {"gt": 5}}, "WRONG_TYPE", ("lastContactedAt", "gt")),
        ({"birthDate": {"eq": "2026-02-30"}}, "BAD_VALUE", ("birthDate", "eq")),
        ({"birthDate": {"eq": 20260230}}, "WRONG_TYPE", ("birthDate", "eq")),
        ({"promiseStatus": ["LATE"]}, "UNKNOWN_WORD", ("promiseStatus", "0")),
        ({"reachableBy": ["EMAIL", "FAX"]}, "UNKNOWN_WORD", ("reachableBy", "1")),
        ({"attributes": [{"eq": "a"}]}, "MISSING_FIELD", ("attributes", "0", "key")),
        ({"or": [{}, {"not": {"a": 1}}]}, "UNKNOWN_FIELD", ("or", "1", "not", "a")),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_its_path(given: Any, code: str, path: tuple[str, ...]) -> None:
    with pytest.raises(FilterError) as error:
        read_debtor_where(given, ("where",))
    assert (error.value.code, error.value.path) == (code, ("where", *path))
    assert error.value.message == str(error.value)


def test_conditions_nest_only_so_deep() -> None:
    nested: dict[str, Any] = {"name": {"eq": "A"}}
    for _ in range(MOST_LEVELS):
        nested = {"not": nested}
    assert read_debtor_where(nested)
    with pytest.raises(FilterError) as error:
        read_debtor_where({"or": [nested]})
    assert error.value.code == "TOO_DEEP"


# ---------- segment rules ----------

RULE = {"key": "A", "name": "All", "where": {}}


@pytest.mark.parametrize(
    ("rules", "code", "path"),
    [
        ([RULE, RULE], "DUPLICATE_KEY", ("input", "1", "key")),
        ([RULE | {"key": "NONE"}], "RESERVED_KEY", ("input", "0", "key")),
        ([RULE | {"key": ""}], "BAD_VALUE", ("input", "0", "key")),
        ([RULE | {"name": " padded"}], "BAD_VALUE", ("input", "0", "name")),
        ([RULE | {"key": "x" * 201}], "BAD_VALUE", ("input", "0", "key")),
        ([{"key": "A", "where": {}}], "MISSING_FIELD", ("input", "0", "name")),
        ([7], "WRONG_TYPE", ("input", "0")),
        ([RULE | {"where": {"segment": {"eq": "B"}}}], "SEGMENT_IN_RULE", ("input", "0", "where")),
        (
            [RULE | {"where": {"or": [{"not": {"segment": {"eq": "B"}}}]}}],
            "SEGMENT_IN_RULE",
            ("input", "0", "where"),
        ),
        ([RULE | {"where": {"name": 1}}], "WRONG_TYPE", ("input", "0", "where", "name")),
        ([RULE] * (MOST_RULES + 1), "TOO_MANY", ("input",)),
    ],
)
def test_rules_that_cannot_be_taken(rules: list[Any], code: str, path: tuple[str, ...]) -> None:
    with pytest.raises(FilterError) as error:
        read_segment_rules(rules, ("input",))
    assert (error.value.code, error.value.path) == (code, path)


def test_rules_keep_their_order() -> None:
    rules = read_segment_rules([RULE | {"key": key} for key in "CAB"])
    assert [rule.key for rule in rules] == ["C", "A", "B"]


# ---------- default segments ----------


def _thresholds(rules: list[dict[str, Any]], size: str) -> dict[str, str]:
    where = next(rule["where"] for rule in rules if f"-{size}-" in rule["key"])
    return {each["balance"]["currency"]: each["balance"]["gte"] for each in where["or"]}


def test_default_rules_are_days_past_due_by_balance_by_product() -> None:
    rules = default_segments(["LOAN", "CARD", "CARD"], ["EUR"], tenant_currency="EUR", rates={})
    keys = [rule.key for rule in read_segment_rules(rules)]
    assert len(keys) == len(set(keys)) == 4 * 3 * 2
    assert keys[:3] == ["LATE-LARGE-CARD", "LATE-LARGE-LOAN", "LATE-MEDIUM-CARD"]
    assert keys[-1] == "CURRENT-SMALL-LOAN"
    assert rules == default_segments(["CARD", "LOAN"], ["EUR", "EUR"], tenant_currency="EUR", rates={})


def test_thresholds_follow_the_latest_rate_to_one_digit() -> None:
    rates = {"DKK": Decimal("0.134"), "USD": Decimal("0.909091")}
    rules = default_segments(["CARD"], ["EUR", "DKK", "USD", "JPY"], tenant_currency="EUR", rates=rates)
    assert _thresholds(rules, "LARGE") == {"DKK": "7000", "EUR": "1000", "JPY": "100000", "USD": "1000"}
    assert _thresholds(rules, "MEDIUM") == {"DKK": "1000", "EUR": "200", "JPY": "20000", "USD": "200"}
    nudged = rates | {"DKK": Decimal("0.1342")}
    assert rules == default_segments(
        ["CARD"], ["EUR", "DKK", "USD", "JPY"], tenant_currency="EUR", rates=nudged
    )


def test_the_tenants_own_currency_sets_the_scale() -> None:
    rules = default_segments(
        ["CARD"], ["DKK", "EUR"], tenant_currency="DKK", rates={"EUR": Decimal("7.46"), "DKK": Decimal(1)}
    )
    assert _thresholds(rules, "LARGE") == {"DKK": "10000", "EUR": "1000"}


def test_too_many_products_do_not_split_segments() -> None:
    products = [f"P{number}" for number in range(MOST_PRODUCTS + 1)]
    rules = default_segments(products, ["EUR"], tenant_currency="EUR", rates={})
    assert len(read_segment_rules(rules)) == 4 * 3
    assert not any("product" in rule["where"] for rule in rules)


def test_without_accounts_there_are_no_default_segments() -> None:
    assert default_segments([], [], tenant_currency="EUR", rates={}) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"or": [{"country": {"eq": "ES"}}] * 100}, "input.where holds 201 conditions; at most 200"),
        ({"not": {"promiseStatus": ["KEPT"] * 1001}}, "input.where holds 1,001 values; at most 1,000"),
    ],
)
def test_one_question_is_made_of_only_so_many_conditions_and_values(given: Any, told: str) -> None:
    where = read_debtor_where(given)
    with pytest.raises(FilterError, match=told) as error:
        check_extent(where, ("input", "where"))
    assert (error.value.code, error.value.path) == ("TOO_MANY", ("input", "where"))


def test_as_many_conditions_and_values_as_possible_are_taken() -> None:
    given = {"or": [{"country": {"in": ["ES"] * 10}}] * 99, "attributes": [{"key": "x_a", "in": ["1"] * 10}]}
    check_extent(read_debtor_where(given), ())
