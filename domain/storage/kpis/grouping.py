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


class TextKeys:
    """The keys of one answer's groups, from the texts of what is stored: each different text is read once."""

    def __init__(self, by: Sequence[MessageDimension], keys: Iterable[tuple[str | None, ...]]) -> None:
        texts = [set(column) for column in zip(*keys, strict=True)] or [set() for _ in by]
        dimensions = [_DIMENSIONS[dimension] for dimension in by]
        self._fields = [of.field for of in dimensions]
        self._values = [_values(of, found) for of, found in zip(dimensions, texts, strict=True)]
        self._places = [_places(of, values) for of, values in zip(dimensions, self._values, strict=True)]

    def key_of(self, texts: tuple[str | None, ...]) -> MessageKpiKey:
        """The key of a group."""
        values = [values[each] for values, each in zip(self._values, texts, strict=True)]
        return MessageKpiKey(**dict(zip(self._fields, values, strict=True)))

    def place_of(self, texts: tuple[str | None, ...]) -> tuple[int, ...]:
        """Where a group stands in the answer, as `place_of` has it."""
        return tuple([places[each] for places, each in zip(self._places, texts, strict=True)])


def _values(of: _Dimension, texts: set[str | None]) -> dict[str | None, Any]:
    return {each: None if each is None else of.value(of.stored(each)) for each in texts}


def _places(of: _Dimension, values: Mapping[str | None, Any]) -> dict[str | None, int]:
    told = sorted((each for each in values if each is not None), key=lambda each: of.order(values[each]))
    return {each: place for place, each in enumerate([*told, None])}
