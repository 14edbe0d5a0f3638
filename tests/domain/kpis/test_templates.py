"""Template KPIs put together from message KPIs."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.kpis.messages import MessageKpiKey, MessageKpiRow
from domain.kpis.templates import TemplateDimension, TemplateTraits, by_traits

COUNTS = (
    *("sent", "delivered", "hard_bounced", "soft_bounced", "opened", "machine_opened"),
    *("clicked", "landed", "converted", "unsubscribed", "complained"),
)
KNOWN = {
    "T1": TemplateTraits(tone="FIRM", subject="Bill"),
    "T2": TemplateTraits(tone="FIRM", incentive="DISCOUNT", subject="Bill"),
    "T3": TemplateTraits(incentive="DISCOUNT"),
}


@st.composite
def message_rows(draw) -> list[MessageKpiRow]:
    templates = draw(st.lists(st.sampled_from(["T1", "T2", "T3", "just a name", None]), unique=True))
    return [
        MessageKpiRow(
            key=MessageKpiKey(template=template),
            collected={draw(st.sampled_from(["EUR", "USD"])): Decimal(draw(st.integers(0, 9)))},
            **{name: draw(st.integers(0, 9)) for name in COUNTS},
        )
        for template in templates
    ]


@given(rows=message_rows(), by=st.lists(st.sampled_from(TemplateDimension), unique=True))
def test_nothing_is_lost_and_nothing_counts_twice(rows, by):
    found = by_traits(rows, KNOWN, by)
    assert len({row.key for row in found}) == len(found)
    for name in COUNTS:
        assert sum(getattr(row, name) for row in found) == sum(getattr(row, name) for row in rows)
    for currency in ("EUR", "USD"):
        assert sum(row.collected.get(currency, 0) for row in found) == sum(
            row.collected.get(currency, 0) for row in rows
        )
    assert sum(row.templates for row in found) == sum(row.key.template is not None for row in rows)


def test_without_dimensions_there_is_one_row_even_of_nothing():
    (row,) = by_traits([], KNOWN, [])
    assert (row.key, row.templates, row.sent, row.delivery_rate) == (TemplateTraits(), 0, 0, None)
    assert by_traits([], KNOWN, [TemplateDimension.TONE]) == []
