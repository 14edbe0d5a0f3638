"""Segments by rule: an ordered list of conditions, of which the first that holds names a debtor's segment.

A debtor's own key (`segment` as imported) comes before any rule; without either the segment is `NONE`.
Source: kpis.md, Message KPIs; `schema.graphql`, SegmentInput.
"""

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from domain.debtor_where import DebtorWhere, read_debtor_where
from domain.filters import FilterError, Path, check_extent, extent, text

NO_SEGMENT = "NONE"
MOST_RULES = 1000
MOST_FILTERS = 1_500
"""Different filters of all rules together: each is a column where they are applied, and PostgreSQL takes 1,664."""
MOST_VALUES = 10_000
"""Values in the lists of those filters: each is a parameter, a name's two, and PostgreSQL takes 32,767."""
_LONGEST = 200


@dataclass(frozen=True)
class SegmentRule:
    """One rule: debtors that `where` holds for, and no earlier rule, are in segment `key`."""

    key: str
    name: str
    where: DebtorWhere


def read_segment_rules(items: Sequence[Any], path: Path = ()) -> tuple[SegmentRule, ...]:
    """Rules, first match first, from a list of `SegmentInput` (key, name, where) as JSON.

    Raises:
        FilterError: besides those of `read_debtor_where`: DUPLICATE_KEY, RESERVED_KEY (`NONE`), BAD_VALUE (an empty,
            padded or overlong key or name), SEGMENT_IN_RULE (a rule that depends on the segment itself), TOO_MANY.
    """
    if len(items) > MOST_RULES:
        raise FilterError(
            "TOO_MANY", f"{len(items)} segments are given; at most {MOST_RULES} are possible.", path
        )
    rules: list[SegmentRule] = []
    for index, item in enumerate(items):
        rule = _rule(item, (*path, str(index)))
        if any(rule.key == earlier.key for earlier in rules):
            raise FilterError(
                "DUPLICATE_KEY", f"The segment key {rule.key!r} is given twice.", (*path, str(index), "key")
            )
        rules.append(rule)
    return tuple(rules)


def check_rules_extent(rules: Sequence[SegmentRule], path: Path) -> None:
    """Refuse rules that one statement cannot hold: each by itself as `check_extent` does, and all together.

    Not part of reading: rules that were stored once stay readable.

    Raises:
        FilterError: TOO_MANY.
    """
    for index, rule in enumerate(rules):
        check_extent(rule.where, (*path, str(index), "where"))
    filters = {leaf for rule in rules for leaf in rule.where.leaves()}
    values = sum(extent(given)[1] if is_dataclass(given) else len(given) for _, given in filters)
    for what, found, most in (("filters", len(filters), MOST_FILTERS), ("values", values, MOST_VALUES)):
        if found > most:
            message = f"All rules together hold {found:,} different {what}; at most {most:,} are possible."
            raise FilterError("TOO_MANY", message, path)


def _rule(item: Any, path: Path) -> SegmentRule:
    if not isinstance(item, dict):
        raise FilterError("WRONG_TYPE", f"{'.'.join(path)} must be an object with key, name and where.", path)
    for needed in ("key", "name", "where"):
        if item.get(needed) is None:
            raise FilterError("MISSING_FIELD", f"{'.'.join(path)} needs the field {needed}.", (*path, needed))
    rule = SegmentRule(
        key=_label(item["key"], (*path, "key")),
        name=_label(item["name"], (*path, "name")),
        where=read_debtor_where(item["where"], (*path, "where")),
    )
    if rule.key == NO_SEGMENT:
        raise FilterError(
            "RESERVED_KEY", f"The segment key {NO_SEGMENT} means no segment; choose another.", (*path, "key")
        )
    if any(field == "segment" for field, _ in rule.where.leaves()):
        raise FilterError(
            "SEGMENT_IN_RULE",
            f"The rule of segment {rule.key!r} filters on segment itself; state what defines it instead.",
            (*path, "where"),
        )
    return rule


def _label(value: Any, path: Path) -> str:
    label = text(value, path)
    if not label.strip() or label != label.strip() or len(label) > _LONGEST:
        raise FilterError(
            "BAD_VALUE",
            f"{'.'.join(path)} must have 1 to {_LONGEST} characters and no space at its ends.",
            path,
        )
    return label
