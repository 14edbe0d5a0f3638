"""Which rows a filter leaves, told by what the words of their columns are."""

import operator
from collections.abc import Mapping

import numpy as np

from domain.filters import StringFilter
from domain.kpis.requests import MessageDimension, MessageKpiWhere
from domain.list_where import ChannelFilter
from domain.storage.rollups.arrays import Bools, Coded
from domain.storage.rollups.blocks import Facts, Word
from domain.storage.rollups.dimensions import FILTERS

_BOUNDS = {"eq": operator.eq, "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}


def rows_that(where: MessageKpiWhere, dimensions: Mapping[MessageDimension, Coded[Word]], rows: int) -> Bools:
    """(rows,) whether a row meets all that is asked of dimensions."""
    kept = np.ones(rows, np.bool_)
    for field, dimension in FILTERS.items():
        given: StringFilter | ChannelFilter | None = getattr(where, field)
        if given is not None:
            column = dimensions[dimension]
            holds = [given.holds(word) for word in column.words]  # type: ignore[arg-type]
            kept &= np.array(holds, np.bool_)[column.codes]
    return kept


def messages_that(where: MessageKpiWhere, facts: Facts) -> Bools:
    """(messages,) whether a message meets all that is asked."""
    kept = rows_that(where, facts.dimensions, facts.size)
    if where.days_past_due is not None:
        for name, holds in _BOUNDS.items():
            bound = getattr(where.days_past_due, name)
            if bound is not None:
                kept &= holds(facts.days_past_due, bound)
    return kept
