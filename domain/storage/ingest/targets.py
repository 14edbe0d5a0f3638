"""Where each table of the import format goes, what it refers to, and what its references must agree on.

SQL fragments name: s, the staged row; t, the stored row of the same key (or nulls); e, the row as it would stand
afterwards; p_<column>, the parent that the column names.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Table

from domain.rejections import RejectCode
from domain.storage import tables
from domain.storage.ingest.scope import OF_TENANT
from domain.time_zones import DEFAULT_TIME_ZONES


@dataclass(frozen=True)
class Parent:
    """A staged column that names a row of another table, and the target's column for that row's id."""

    column: str
    table: str
    id_column: str
    key: str = "reference"


@dataclass(frozen=True)
class Check:
    """A row for which `condition` holds is rejected. The condition may depend on which tables are staged."""

    column: str
    code: RejectCode
    condition: Callable[[frozenset[str]], str]


@dataclass(frozen=True)
class Target:
    """computed: target column → SQL. match: how a row finds its stored one. owner: the debtor it belongs to."""

    table: Table
    copied: tuple[str, ...]
    parents: tuple[Parent, ...] = ()
    computed: dict[str, str] = field(default_factory=dict)
    joins: str = ""
    match: str = "t.reference = s.reference"
    identity: tuple[str, ...] = ("id",)
    owner: str | None = "debtor_id"
    checks: tuple[Check, ...] = ()


def _check(column: str, code: RejectCode, condition: str) -> Check:
    return Check(column, code, lambda _staged: condition)


_ZONES = f"CROSS JOIN (SELECT CAST('{json.dumps(DEFAULT_TIME_ZONES)}' AS jsonb) AS of_country) zones"
_DEBTOR = Parent("debtor", "debtor", "debtor_id")
_ACCOUNT = Parent("account", "account", "account_id")
_AGENT = Parent("agent", "agent", "agent_id")
_COMMUNICATION = Parent("communication", "communication", "communication_id")


def _moves_money_of_another_currency(staged: frozenset[str]) -> str:
    """Money on the account stays in the old currency, unless this data set corrects that too."""
    clauses = []
    for table, rows in (("payment", "payments"), ("promise", "promises")):
        corrected = (
            f"AND NOT EXISTS (SELECT FROM staged_{rows} n WHERE n.reference = m.reference AND n.fate = 0 "
            "AND n.account = s.reference AND n.currency = s.currency)"
            if rows in staged
            else ""
        )
        clauses.append(
            f"EXISTS (SELECT FROM {table} m WHERE m.{OF_TENANT} AND m.account_id = t.id "
            f"AND m.currency <> s.currency {corrected})"
        )
    return f"t.currency <> s.currency AND ({' OR '.join(clauses)})"


_CURRENCY_IS_THE_ACCOUNTS = _check(
    "currency", RejectCode.CURRENCY_MISMATCH, "s.currency <> p_account.currency"
)
_SAME_DEBTOR = _check(
    "communication",
    RejectCode.DEBTOR_MISMATCH,
    "p_communication.debtor_id <> p_account.debtor_id "
    "OR (p_communication.id IS NULL AND e.communication_id IS NOT NULL AND t.debtor_id <> e.debtor_id)",
)

#: Import name → target. Events have a way of their own, see `events`.
TARGETS: dict[str, Target] = {
    "agents": Target(tables.agent, ("name", "team", "active_from", "active_to"), owner=None),
    "templates": Target(tables.template, ("channel", "language", "tone", "incentive", "subject"), owner=None),
    "exchange_rates": Target(
        tables.exchange_rate,
        ("rate",),
        match="t.date = s.date AND t.currency = s.currency",
        identity=("date", "currency"),
        owner=None,
    ),
    "finance": Target(
        tables.finance,
        ("credit_sales", "receivables", "revenue", "operating_cost"),
        match="t.month = s.month AND t.currency = s.currency",
        identity=("month", "currency"),
        owner=None,
    ),
    "debtors": Target(
        tables.debtor,
        (
            *("name", "email", "phone", "postal_address", "country", "region", "language"),
            *("birth_date", "customer_since", "segment"),
        ),
        computed={
            "name_key": "s.name_key",
            # empty, or absent from a debtor who was given none: the default, of today's country
            "time_zone": "CASE WHEN s.time_zone IS NOT NULL THEN s.time_zone "
            "WHEN t.time_zone IS NULL OR <time_zone> "
            "OR NOT t.time_zone_stated AND t.time_zone = zones.of_country ->> t.country "
            "THEN zones.of_country ->> s.country ELSE t.time_zone END",
            "time_zone_stated": "CASE WHEN <time_zone> THEN s.time_zone IS NOT NULL "
            "ELSE COALESCE(t.time_zone_stated, false) END",
        },
        joins=_ZONES,
        owner="id",
        checks=(
            _check(  # a server with an older tz database knows fewer zones than we do
                "time_zone",
                RejectCode.UNKNOWN_TIME_ZONE,
                "NOT pg_input_is_valid('2000-01-01 12\\:00 ' || e.time_zone, 'timestamptz')",
            ),
        ),
    ),
    "accounts": Target(
        tables.account,
        ("product", "currency", "principal", "opened_on", "due_on", "closed_on"),
        parents=(_DEBTOR, _AGENT),
        checks=(Check("currency", RejectCode.CURRENCY_CHANGED, _moves_money_of_another_currency),),
    ),
    "contact_points": Target(
        tables.contact_point,
        ("verified_at", "consented_at", "opted_out_at"),
        parents=(_DEBTOR,),
        match="t.debtor_id = p_debtor.id AND t.channel = s.channel AND t.address = s.address",
        identity=("debtor_id", "channel", "address"),
    ),
    "contact_requests": Target(
        tables.contact_request,
        ("kind", "channel", "from_hour", "to_hour", "until", "made_at"),
        parents=(_DEBTOR,),
    ),
    "communications": Target(
        tables.communication,
        (
            *("channel", "direction", "template", "campaign", "sent_at", "cost", "currency"),
            *("propensity", "decision_id"),
        ),
        parents=(_DEBTOR, _ACCOUNT, _AGENT),
        joins=f"LEFT JOIN decision p_decision ON p_decision.{OF_TENANT} AND p_decision.id = s.decision_id",
        checks=(
            _check("account", RejectCode.DEBTOR_MISMATCH, "p_account.debtor_id <> p_debtor.id"),
            _check(
                "account",
                RejectCode.DEBTOR_MISMATCH,
                "p_account.id IS NULL AND e.account_id IS NOT NULL AND t.debtor_id <> p_debtor.id AND p_debtor.id <> "
                f"(SELECT a.debtor_id FROM account a WHERE a.{OF_TENANT} AND a.id = e.account_id)",
            ),
            _check("currency", RejectCode.MISSING, "e.cost IS NOT NULL AND e.currency IS NULL"),
            _check(
                "decision_id",
                RejectCode.UNKNOWN_REFERENCE,
                "s.decision_id IS NOT NULL AND p_decision.id IS NULL",
            ),
            _check(
                "decision_id",
                RejectCode.DEBTOR_MISMATCH,
                "p_decision.debtor_id <> p_debtor.id "
                "OR (p_decision.id IS NULL AND e.decision_id IS NOT NULL AND t.debtor_id <> p_debtor.id)",
            ),
        ),
    ),
    "payments": Target(
        tables.payment,
        ("amount", "currency", "paid_at", "method", "reversed_at"),
        parents=(_ACCOUNT, _COMMUNICATION),
        computed={"debtor_id": "p_account.debtor_id"},
        checks=(_CURRENCY_IS_THE_ACCOUNTS, _SAME_DEBTOR),
    ),
    "promises": Target(
        tables.promise,
        ("amount", "currency", "promised_at", "due_on", "direction"),
        parents=(_ACCOUNT, _AGENT, _COMMUNICATION),
        computed={"debtor_id": "p_account.debtor_id"},
        joins=f"LEFT JOIN debtor p_debtor ON p_debtor.{OF_TENANT} AND p_debtor.id = p_account.debtor_id",
        checks=(
            _CURRENCY_IS_THE_ACCOUNTS,
            _SAME_DEBTOR,
            _check(
                "due_on",
                RejectCode.DUE_BEFORE_PROMISED,
                "CAST(s.promised_at AT TIME ZONE p_debtor.time_zone AS date) > s.due_on",
            ),
        ),
    ),
    "events": Target(tables.event, ("kind", "occurred_at", "source", "automated", "detail")),
}
