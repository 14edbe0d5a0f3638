"""The types of stored facts: the SQL of each field, over a row that stands under its table's own name.

The twin of `api.graphql.types` (`debtors`, `facts`, `money`), which says what the fields mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Table

from domain.storage.compiled.json_text import Parts, day, decimal, global_id, instant, integer, text, word
from domain.storage.compiled.values import NOW, TENANT
from domain.storage.kpis.aging import bucket_sql
from domain.storage.reads import accounts, communications, payments, promises
from domain.storage.reads.contacts import shown_points
from domain.storage.reads.paging import SortKey
from domain.storage.tables import account, agent, communication, debtor, payment, promise
from domain.vocabulary import AgingBucket


@dataclass(frozen=True)
class Link:
    """A field that answers the row of another type whose id stands in a column of this one."""

    kind: str
    column: str
    nullable: bool = False


@dataclass(frozen=True)
class Nested:
    """A field that answers a connection: the rows of a type whose `debtor_id` is this row's id, in their order."""

    kind: str
    order: Sequence[SortKey]


@dataclass(frozen=True)
class Several:
    """A field that answers a plain list. rows: a FROM clause whose rows come in order, under the type's own name."""

    kind: str
    rows: str


@dataclass(frozen=True)
class Inline:
    """A field that answers an object made of this row. missing: SQL of when it is null."""

    fields: Mapping[str, Parts]
    missing: str = ""


Field = Parts | Link | Nested | Several | Inline


@dataclass(frozen=True)
class Shape:
    """A type. table: where its rows are; derived: SQL of columns that a selection of rows adds, by name."""

    fields: Mapping[str, Field]
    table: Table | None = None
    derived: Mapping[str, str] = field(default_factory=dict)


def _money(amount: str, currency: str) -> dict[str, Parts]:
    return {"amount": decimal(amount), "currency": text(currency)}


def _own_text(table: Table) -> Callable[..., Parts]:
    return lambda column, **options: text(f"{table.name}.{column}", **options)


_debtor, _account, _communication = _own_text(debtor), _own_text(account), _own_text(communication)
_payment, _agent = _own_text(payment), _own_text(agent)

# ---------- what is derived ----------

_DEBTOR_DAYS = f"greatest(coalesce(timezone(debtor.time_zone, {NOW})::date - debtor.oldest_due_on, 0), 0)"
_TODAY = (
    f"timezone((SELECT debtor.time_zone FROM debtor WHERE debtor.tenant_id = {TENANT} "
    f"AND debtor.id = account.debtor_id), {NOW})::date"
)
_OWES = "account.balance > 0 AND (account.closed_on IS NULL OR account.today < account.closed_on)"
_ACCOUNT_DAYS = (
    f"CASE WHEN {_OWES} AND account.opened_on <= account.today "
    "THEN greatest(account.today - account.due_on, 0) ELSE 0 END"
)
_BUCKET = f"CASE WHEN {_OWES} THEN {bucket_sql(_ACCOUNT_DAYS)} ELSE '{AgingBucket.PAID}' END"
_ENGAGED_AT = ", ".join(
    f"communication.{name}"
    for name in ("opened_at", "clicked_at", "landed_at", "replied_at", "right_party_contacted_at")
)
_DELIVERED = (
    f"coalesce({_ENGAGED_AT}) IS NOT NULL "
    "OR communication.delivered_at IS NOT NULL AND communication.bounced_hard_at IS NULL "
    "OR communication.channel = 'LETTER' AND communication.bounced_hard_at IS NULL "
    "AND communication.bounced_soft_at IS NULL"
)
_DELIVERED_AT = f"CASE WHEN {_DELIVERED} THEN least(communication.delivered_at, {_ENGAGED_AT}) END"
_BOUNCED_AT = (
    f"CASE WHEN {_DELIVERED} THEN NULL "
    "ELSE coalesce(communication.bounced_hard_at, communication.bounced_soft_at) END"
)
_BOUNCE_KIND = (
    f"CASE WHEN {_DELIVERED} THEN NULL WHEN communication.bounced_hard_at IS NOT NULL THEN 'HARD' "
    "WHEN communication.bounced_soft_at IS NOT NULL THEN 'SOFT' END"
)
_CAUSE = f"CASE WHEN payment.paid_at > {NOW} OR payment.reversed_at <= {NOW} THEN NULL ELSE payment.attributed_to END"
# The twin of `reads.promises.AGENT_ID`.
_TAKEN_BY = (
    "coalesce(promise.agent_id, "
    f"(SELECT communication.agent_id FROM communication WHERE communication.tenant_id = {TENANT} "
    "AND communication.id = promise.communication_id), "
    f"(SELECT account.agent_id FROM account WHERE account.tenant_id = {TENANT} "
    "AND account.id = promise.account_id))"
)
_PROMISE_STATUS = (
    f"CASE WHEN promise.kept_at <= {NOW} THEN 'KEPT' WHEN promise.deadline <= {NOW} THEN 'BROKEN' "
    "ELSE 'PENDING' END"
)
_RULE_NAME = (
    f"coalesce((SELECT segment.name FROM segment WHERE segment.tenant_id = {TENANT} "
    "AND segment.key = debtor.segment_key), debtor.segment_key)"
)
_REFUSED_AT = "greatest(contact_point.opted_out_at, contact_point.refused_at)"
_OPTED_OUT_AT = f"CASE WHEN contact_point.consented_at > {_REFUSED_AT} THEN NULL ELSE {_REFUSED_AT} END"
_CONTACT_STATUS = (
    f"CASE WHEN ({_OPTED_OUT_AT}) IS NOT NULL THEN 'OPTED_OUT' "
    "WHEN contact_point.hard_bounced_at IS NOT NULL THEN 'BOUNCED' "
    "WHEN contact_point.verified_at IS NULL THEN 'UNVERIFIED' ELSE 'VERIFIED' END"
)
_POINTS = shown_points(tenant=TENANT, debtors="= ANY(ARRAY[debtor.id])", known=NOW)

# ---------- the types ----------

SHAPES: Mapping[str, Shape] = {
    "Debtor": Shape(
        table=debtor,
        fields={
            "id": global_id("Debtor", "debtor.id"),
            "reference": _debtor("reference"),
            "name": _debtor("name"),
            "country": _debtor("country"),
            "region": _debtor("region", nullable=True),
            "language": _debtor("language", nullable=True),
            "timeZone": _debtor("time_zone"),
            "daysPastDue": integer(_DEBTOR_DAYS),
            "lastContactedAt": instant("debtor.last_contacted_at", nullable=True),
            "segment": Inline({"key": _debtor("segment_key"), "name": text(_RULE_NAME)}),
            "balance": Several(
                "Money",
                f"(SELECT * FROM debtor_balance WHERE debtor_balance.tenant_id = {TENANT} "
                "AND debtor_balance.debtor_id = debtor.id ORDER BY debtor_balance.currency) AS debtor_balance",
            ),
            "contactPoints": Several(
                "ContactPoint",
                f"({_POINTS}) AS contact_point",
            ),
            "accounts": Nested("Account", accounts.OLDEST_DUE_FIRST),
            "communications": Nested("Communication", communications.NEWEST_FIRST),
            "promises": Nested("Promise", promises.NEWEST_FIRST),
            "payments": Nested("Payment", payments.NEWEST_FIRST),
        },
    ),
    "Money": Shape(_money("debtor_balance.balance", "debtor_balance.currency")),
    "ContactPoint": Shape(
        {
            "channel": word("contact_point.channel"),
            "address": text("contact_point.address"),
            "status": word(_CONTACT_STATUS),
            "verifiedAt": instant("contact_point.verified_at", nullable=True),
            "consentedAt": instant("contact_point.consented_at", nullable=True),
            "optedOutAt": instant(_OPTED_OUT_AT, nullable=True),
        }
    ),
    "Account": Shape(
        table=account,
        derived={"today": _TODAY},
        fields={
            "id": global_id("Account", "account.id"),
            "reference": _account("reference"),
            "product": _account("product"),
            "openedOn": day("account.opened_on"),
            "dueOn": day("account.due_on"),
            "closedOn": day("account.closed_on", nullable=True),
            "daysPastDue": integer(_ACCOUNT_DAYS),
            "bucket": word(_BUCKET),
            "principal": Inline(_money("account.principal", "account.currency")),
            "balance": Inline(_money("account.balance", "account.currency")),
            "debtor": Link("Debtor", "debtor_id"),
            "agent": Link("Agent", "agent_id", nullable=True),
        },
    ),
    "Agent": Shape(
        table=agent,
        fields={
            "id": global_id("Agent", "agent.id"),
            "reference": _agent("reference"),
            "name": _agent("name"),
            "team": _agent("team", nullable=True),
        },
    ),
    "Communication": Shape(
        table=communication,
        fields={
            "id": global_id("Communication", "communication.id"),
            "reference": _communication("reference"),
            "channel": word("communication.channel"),
            "direction": word("communication.direction"),
            "template": _communication("template", nullable=True),
            "campaign": _communication("campaign", nullable=True),
            "sentAt": instant("communication.sent_at"),
            "cost": Inline(
                _money("communication.cost", "communication.currency"),
                missing="communication.cost IS NULL OR coalesce(communication.currency, '') = ''",
            ),
            "deliveredAt": instant(_DELIVERED_AT, nullable=True),
            "bouncedAt": instant(_BOUNCED_AT, nullable=True),
            "bounceKind": word(_BOUNCE_KIND, nullable=True),
            "openedAt": instant("communication.opened_at", nullable=True),
            "machineOpenedAt": instant("communication.machine_opened_at", nullable=True),
            "clickedAt": instant("communication.clicked_at", nullable=True),
            "landedAt": instant("communication.landed_at", nullable=True),
            "convertedAt": instant("communication.converted_at", nullable=True),
            "debtor": Link("Debtor", "debtor_id"),
            "account": Link("Account", "account_id", nullable=True),
            "agent": Link("Agent", "agent_id", nullable=True),
        },
    ),
    "Promise": Shape(
        table=promise,
        derived={"taken_by": _TAKEN_BY},
        fields={
            "id": global_id("Promise", "promise.id"),
            "reference": text("promise.reference"),
            "amount": Inline(_money("promise.amount", "promise.currency")),
            "promisedAt": instant("promise.promised_at"),
            "dueOn": day("promise.due_on"),
            "direction": word("promise.direction"),
            "status": word(_PROMISE_STATUS),
            "account": Link("Account", "account_id"),
            "agent": Link("Agent", "taken_by", nullable=True),
        },
    ),
    "Payment": Shape(
        table=payment,
        derived={"cause": _CAUSE},
        fields={
            "id": global_id("Payment", "payment.id"),
            "reference": _payment("reference"),
            "amount": Inline(_money("payment.amount", "payment.currency")),
            "paidAt": instant("payment.paid_at"),
            "reversedAt": instant("payment.reversed_at", nullable=True),
            "method": _payment("method", nullable=True),
            "account": Link("Account", "account_id"),
            "attributedTo": Link("Communication", "cause", nullable=True),
        },
    ),
}


def field_of(kind: str, name: str) -> Field | None:
    """A field of a type, or None when it is not known here."""
    shape = SHAPES.get(kind)
    return shape.fields.get(name) if shape else None


def is_known(kind: str, name: str) -> bool:
    """Whether a field of a type can be compiled."""
    return field_of(kind, name) is not None


def inline_fields(kind: str, name: str) -> frozenset[str] | None:
    """What can be compiled of an object that is made of its type's own row; None when a field answers another."""
    found = field_of(kind, name)
    return frozenset(found.fields) if isinstance(found, Inline) else None
