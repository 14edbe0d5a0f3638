"""The enumerations of the schema: the domain's words, each with its meaning."""

from enum import StrEnum
from typing import Any

import strawberry

from api import answers
from api.graphql.types.word_meanings import MEANINGS
from domain import audit, vocabulary
from domain.kpis import messages, requests, templates
from domain.storage.reads.debtors import DebtorOrderField as _DebtorOrderField


class SortDirection(StrEnum):
    """Which end of an order comes first."""

    ASC = "ASC"
    DESC = "DESC"


_WORDS: tuple[tuple[type[StrEnum], str], ...] = (
    (vocabulary.Channel, "How a communication travels."),
    (vocabulary.Source, "Where a visit to the payment page came from: a channel, or DIRECT."),
    (vocabulary.Direction, "Who began it: the debtor (INBOUND) or the creditor (OUTBOUND)."),
    (messages.Weekday, "A day of the week on the debtor's own calendar."),
    (vocabulary.BounceKind, "HARD: the address is bad for good. SOFT: it may work another time."),
    (
        vocabulary.PromiseStatus,
        "KEPT when payments filled it before its deadline (due day and days of grace, local), BROKEN when the "
        "deadline passed unfilled, PENDING before.",
    ),
    (vocabulary.ContactPointStatus, "Whether an address can be used."),
    (
        vocabulary.AgingBucket,
        "Days past due in bands: CURRENT is 0, the others as named. PAID owes nothing any more.",
    ),
    (vocabulary.EventKind, "What became of a communication, or what a debtor did on the payment page."),
    (
        requests.MessageDimension,
        "What message KPIs can be split by. HOUR and WEEKDAY are local to the debtor; DAY, WEEK (from Monday) "
        "and MONTH are UTC.",
    ),
    (
        templates.TemplateDimension,
        "What template KPIs can be split by, as the import table `templates` has it.",
    ),
    (requests.AgentDimension, "What agent KPIs are reported per: each agent, each team, or all in one."),
    (answers.ForecastDimension, "What a forecast can be split by."),
    (answers.ForecastPolicy, "Whose sending is forecast: CURRENT, as lately; RECOMMENDED, as recommended."),
    (answers.ForecastKpi, "The KPIs that are forecast."),
    (answers.Unit, "What a number counts in: COUNT, RATE (0–1), SECONDS, DAYS, MONEY (major units)."),
    (
        answers.Evidence,
        "How much a recommendation rests on: STRONG, the segment's own outcomes; POOLED, mostly similar "
        "segments'; INSUFFICIENT, too little to recommend anything.",
    ),
    (
        vocabulary.Arm,
        "PLANNED: contacted as decided, or left alone because that is best. HELD_OUT: left alone by the draw, to "
        "measure what contacts bring.",
    ),
    (
        vocabulary.CampaignStatus,
        "PLANNED before its window, RUNNING in it, ENDED after it; CANCELLED for good.",
    ),
    (vocabulary.RunStatus, "How a training run stands."),
    (vocabulary.ModelStatus, "CHAMPION serves; a CHALLENGER was not promoted; RETIRED served before."),
    (
        vocabulary.Promotion,
        "AUTO: a model that passes its gate becomes champion. NEVER: it stays challenger.",
    ),
    (_DebtorOrderField, "What debtors can be sorted by. BALANCE needs a currency; missing values come last."),
    (vocabulary.Role, "What a key or a token may do (docs/security.md)."),
    (
        audit.AuditOutcome,
        "DONE. REFUSED: nothing changed, `code` says why. FAILED: by a fault of ours; what DONE entries say stands.",
    ),
    (SortDirection, "Which end of an order comes first."),
)

_ENDS = {
    "ASC": "The least first: A to Z, oldest to newest.",
    "DESC": "The most first: Z to A, newest to oldest.",
}


def _declare(words: type[StrEnum], meaning: str) -> None:
    """Make words an enumeration of the schema; each needs a meaning of its own."""
    declared: Any = strawberry.enum(words, description=meaning)
    each = _ENDS if words is SortDirection else MEANINGS[words]
    for value in declared.__strawberry_definition__.values:
        value.description = each[value.name]


for _word, _meaning in _WORDS:
    _declare(_word, _meaning)
