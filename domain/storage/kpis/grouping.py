"""The dimensions of message KPIs: where each is read, what its values are and how they are ordered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from domain.kpis.messages import MessageKpiKey, Weekday
from domain.kpis.requests import MessageDimension
from domain.storage.kpis.aging import bucket_sql
from domain.vocabulary import AgingBucket, Channel

_WEEKDAYS = tuple(Weekday)


@dataclass(frozen=True, slots=True)
class _Dimension:
    """Where a dimension is read, its field in a key, a key's value from what is stored, and how values are ordered.

    stored: what is stored, from its text.
    """

    field: str
    sql: str
    value: Callable[[Any], Any] = lambda stored: stored
    order: Callable[[Any], Any] = lambda value: value
    stored: Callable[[str], Any] = str


def _utc(unit: str) -> str:
    return f"date_trunc('{unit}', c.sent_at AT TIME ZONE 'UTC')::date"


def _local(part: str) -> str:
    return f"extract({part} FROM c.sent_at AT TIME ZONE d.time_zone)::integer"


_DIMENSIONS: Mapping[MessageDimension, _Dimension] = {
    MessageDimension.SEGMENT: _Dimension("segment", "c.segment_key"),
    MessageDimension.CHANNEL: _Dimension("channel", "c.channel", Channel, tuple(Channel).index),
    MessageDimension.TEMPLATE: _Dimension("template", "c.template"),
    MessageDimension.CAMPAIGN: _Dimension("campaign", "c.campaign"),
    MessageDimension.AGENT: _Dimension("agent", "a.reference"),
    MessageDimension.PRODUCT: _Dimension("product", "c.product"),
    MessageDimension.COUNTRY: _Dimension("country", "d.country"),
    MessageDimension.DPD_BUCKET: _Dimension(
        "dpd_bucket", bucket_sql("c.days_past_due"), AgingBucket, tuple(AgingBucket).index
    ),
    MessageDimension.CURRENCY: _Dimension("currency", "c.kpi_currency"),
    MessageDimension.HOUR: _Dimension("hour", _local("hour"), stored=int),
    MessageDimension.WEEKDAY: _Dimension(
        "weekday", _local("isodow"), lambda isodow: _WEEKDAYS[isodow - 1], _WEEKDAYS.index, int
    ),
    MessageDimension.DAY: _Dimension("day", _utc("day"), stored=date.fromisoformat),
    MessageDimension.WEEK: _Dimension("week", _utc("week"), stored=date.fromisoformat),
    MessageDimension.MONTH: _Dimension("month", _utc("month"), stored=date.fromisoformat),
}


def read_in_sql(dimension: MessageDimension) -> str:
    """The SQL of a dimension, over the communication c, its debtor d and its agent a."""
    return _DIMENSIONS[dimension].sql


def key_of(by: Sequence[MessageDimension], stored: Sequence[Any]) -> MessageKpiKey:
    """The key of the group whose columns hold `stored`."""
    values = {
        _DIMENSIONS[dimension].field: None if value is None else _DIMENSIONS[dimension].value(value)
        for dimension, value in zip(by, stored, strict=True)
    }
    return MessageKpiKey(**values)


def place_of(by: Sequence[MessageDimension], key: MessageKpiKey) -> tuple[tuple[bool, Any], ...]:
    """Where a group stands in an answer: by the dimensions as asked, each in its own order, none last."""
    values = [(_DIMENSIONS[dimension], getattr(key, _DIMENSIONS[dimension].field)) for dimension in by]
    return tuple((value is None, value is not None and of.order(value)) for of, value in values)


def key_field(dimension: MessageDimension) -> str:
    """The field of a key that holds a dimension's value."""
    return _DIMENSIONS[dimension].field


def in_order(dimension: MessageDimension, texts: Iterable[str | None]) -> dict[str | None, Any]:
    """Text of what is stored → value in a key, in the order of values that `place_of` has; each text is read once."""
    of = _DIMENSIONS[dimension]
    values = {each: of.value(of.stored(each)) for each in set(texts) if each is not None}
    ordered: dict[str | None, Any] = dict(sorted(values.items(), key=lambda pair: of.order(pair[1])))
    return ordered | ({None: None} if None in set(texts) else {})
