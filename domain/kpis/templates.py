"""Template KPIs: how messages do by what their templates are like. Source: docs/kpis.md, Template KPIs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from domain.kpis.messages import MessageKpiRow, MessageOutcome


class TemplateDimension(StrEnum):
    """What template KPIs can be split by: columns of the import table `templates`."""

    TONE = "TONE"
    INCENTIVE = "INCENTIVE"
    SUBJECT = "SUBJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTraits:
    """What a template is like, or a group of them; None where it says nothing of it, or was not asked for."""

    tone: str | None = None
    incentive: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateKpiRow(MessageOutcome):
    """The outcome of the messages whose templates share `key`; templates: how many different ones were sent."""

    key: TemplateTraits
    templates: int


_COUNTS = (
    *("sent", "delivered", "hard_bounced", "soft_bounced", "opened", "machine_opened"),
    *("clicked", "landed", "converted", "unsubscribed", "complained"),
)


def by_traits(
    rows: Iterable[MessageKpiRow], known: Mapping[str, TemplateTraits], by: Sequence[TemplateDimension]
) -> list[TemplateKpiRow]:
    """Rows per template, put together by the traits in `by`.

    known: template reference → its traits. Messages without a template, or with one that is just a name, make the
    group without traits. Sorted by key, None last; without `by` there is always one row.
    """
    groups: dict[TemplateTraits, list[MessageKpiRow]] = {} if by else {TemplateTraits(): []}
    for row in rows:
        traits = known.get(row.key.template or "", TemplateTraits())
        asked = {dimension.lower(): getattr(traits, dimension.lower()) for dimension in by}
        groups.setdefault(TemplateTraits(**asked), []).append(row)
    return [_together(key, groups[key]) for key in sorted(groups, key=_order)]


def _together(key: TemplateTraits, rows: Sequence[MessageKpiRow]) -> TemplateKpiRow:
    return TemplateKpiRow(
        key=key,
        templates=sum(row.key.template is not None for row in rows),
        collected=_sum(row.collected for row in rows),
        cost=_sum(row.cost for row in rows),
        **{name: sum(getattr(row, name) for row in rows) for name in _COUNTS},
    )


def _sum(amounts: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    total: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in amounts:
        for currency, amount in each.items():
            total[currency] += amount
    return dict(sorted(total.items()))


def _order(key: TemplateTraits) -> tuple[tuple[bool, str], ...]:
    return tuple((trait is None, trait or "") for trait in (key.tone, key.incentive, key.subject))
