"""Whole answers, remembered by what was asked and by the versions of the days that they are of.

A version is another whenever its day is counted again, and the statement that tells the versions tells them in the
reader's snapshot and under its row-level security. So an answer is right by its name, and no process needs word of
what another changed. Kaplan–Meier medians alone change as time passes: such an answer is remembered for as long as they
hold.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.kpis.messages import MessageKpiRow
from domain.kpis.requests import MessageDimension, MessageFigures, MessageKpiWhere
from domain.lasting import Lasting

#: What a row takes in memory, more or less, besides its JSON; and its amounts, which are objects.
_OF_A_ROW, _OF_ITS_MONEY = 350, 700
#: An answer larger than this part of all is not remembered: it would make all others forgotten.
_PART = 4
#: So many are looked through in less time than it takes to make one.
_MOST_ANSWERS = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of whom. days: those with messages in the period, each with its version."""

    tenant_id: int
    by: tuple[MessageDimension, ...]
    where: MessageKpiWhere
    figures: MessageFigures
    days: tuple[tuple[date, str], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    rows: Lasting[MessageKpiRow]
    of_a_row: int
    since: datetime
    until: datetime

    @property
    def bytes_held(self) -> int:
        return self.of_a_row * (1 + len(self.rows)) + self.rows.bytes_made


class Answered:
    """The answers asked for last, up to about `most_bytes`, with the JSON that was made of them."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._known: OrderedDict[Asked, _Known] = OrderedDict()

    def get(self, asked: Asked, *, as_of: datetime) -> Lasting[MessageKpiRow] | None:
        """The answer, if it is remembered and is that of the instant."""
        known = self._known.get(asked)
        if known is None or not known.since <= as_of < known.until:
            return None
        self._known.move_to_end(asked)
        return known.rows

    def put(
        self, asked: Asked, rows: Sequence[MessageKpiRow], *, since: datetime, until: datetime
    ) -> Lasting[MessageKpiRow]:
        """Remember an answer that holds for instants of knowledge from `since` until before `until`."""
        of_a_row = _OF_A_ROW + (_OF_ITS_MONEY if asked.figures.money else 0)
        known = _Known(Lasting(rows), of_a_row, since, until)
        if since < until and known.bytes_held * _PART <= self._most:
            self._known.pop(asked, None)
            self._known[asked] = known
            while len(self._known) > _MOST_ANSWERS or self.bytes_held > self._most:
                self._known.popitem(last=False)
        return known.rows

    @property
    def bytes_held(self) -> int:
        """What it all takes, more or less."""
        return sum(known.bytes_held for known in self._known.values())
