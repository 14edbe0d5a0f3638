"""The frames of a history as SQL: what each column is, as known at an instant.

Statements bind tenant_id, as_of and what `ATTRIBUTED_AT` binds, and read of the debtors in `touched_debtor`; that of
the debtors stands behind the CTE `state` (`derived.states`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.communications import FUNNEL_INSTANTS
from domain.storage.derived.attribution import ATTRIBUTED_AT
from domain.storage.usable_channels import usable_channels

CHANNEL_SEPARATOR = "|"


@dataclass(frozen=True)
class Frame:
    """A frame as SQL. columns: name → expression; source: what follows FROM; attributes_of: the alias with x_ ones."""

    columns: Mapping[str, str]
    source: str
    attributes_of: str | None = None


def _plain(alias: str, *names: str, **named: str) -> dict[str, str]:
    return named | {name: f"{alias}.{name}" for name in names}


_OF_TOUCHED = (
    "touched_debtor t"
    " JOIN {table} {alias} ON {alias}.tenant_id = :tenant_id AND {alias}.debtor_id = t.debtor_id"
)

# A communication that carries out a decision, on its channel and in its local hour, was sent with its probability;
# one more that is sent back with the same decision was sent for reasons that nobody logged.
_DECIDED = """
    SELECT m.propensity FROM decision m JOIN debtor whose ON whose.tenant_id = m.tenant_id AND whose.id = m.debtor_id
    WHERE m.tenant_id = :tenant_id AND m.id = c.decision_id AND m.action ->> 'channel' = c.channel
      AND m.action ->> 'hour' = CAST(EXTRACT(hour FROM c.sent_at AT TIME ZONE whose.time_zone) AS text)
      AND m.action ->> 'weekday' = to_char(c.sent_at AT TIME ZONE whose.time_zone, 'FMDAY')
      AND NOT EXISTS (SELECT FROM communication first WHERE first.tenant_id = :tenant_id
                      AND first.decision_id = m.id AND (first.sent_at, first.id) < (c.sent_at, c.id))
"""

# Children before parents: what is written while this is read has its parents read after it.
FRAMES: Mapping[str, Frame] = {
    "payments": Frame(
        _plain(
            "p", "amount", "currency", "paid_at", payment="p.id", account="p.account_id", debtor="p.debtor_id"
        )
        | {
            "reversed_at": "CASE WHEN p.reversed_at <= :as_of THEN p.reversed_at END",
            "communication": ATTRIBUTED_AT,
        },
        _OF_TOUCHED.format(table="payment", alias="p")
        + " LEFT JOIN communication cause ON cause.tenant_id = :tenant_id AND cause.id = p.attributed_to"
        " WHERE p.paid_at <= :as_of",
    ),
    "promises": Frame(
        _plain("r", "amount", "currency", "promised_at", "due_on", "direction")
        | {
            "promise": "r.id",
            "account": "r.account_id",
            "debtor": "r.debtor_id",
            "communication": "r.communication_id",
            "deadline": "r.deadline",
            "kept_at": "CASE WHEN r.kept_at <= :as_of THEN r.kept_at END",
        },
        _OF_TOUCHED.format(table="promise", alias="r") + " WHERE r.promised_at <= :as_of",
    ),
    "communications": Frame(
        _plain("c", "channel", "direction", "template", "campaign", "sent_at", "cost", "currency")
        | {
            "communication": "c.id",
            "debtor": "c.debtor_id",
            "account": "c.account_id",
            "segment": "c.segment_key",
            "propensity": f"COALESCE(c.propensity, CASE WHEN c.decision_id IS NOT NULL THEN ({_DECIDED}) END)",
        }
        | {name: f"CASE WHEN c.{name} <= :as_of THEN c.{name} END" for name in FUNNEL_INSTANTS},
        _OF_TOUCHED.format(table="communication", alias="c") + " WHERE c.sent_at <= :as_of",
        attributes_of="c",
    ),
    "accounts": Frame(
        _plain("a", "product", "currency", "principal", "opened_on", "due_on", "closed_on")
        | {"account": "a.id", "debtor": "a.debtor_id"},
        _OF_TOUCHED.format(table="account", alias="a"),
    ),
    "debtors": Frame(
        _plain("d", "reference", "country", "region", "language", "time_zone", "birth_date", "customer_since")
        | {
            "debtor": "d.id",
            "segment": "state.segment_key",
            "channels": f"array_to_string(ARRAY({usable_channels(debtor='d', known=':as_of')} ORDER BY 1), "
            f"'{CHANNEL_SEPARATOR}')",
        },
        "state JOIN debtor d ON d.tenant_id = :tenant_id AND d.id = state.debtor_id",
        attributes_of="d",
    ),
    "templates": Frame(
        _plain("m", "reference", "channel", "language", "tone", "incentive", "subject"),
        "template m WHERE m.tenant_id = :tenant_id",
    ),
    # A month's books are known once it is over.
    "finance": Frame(
        _plain("f", "month", "currency", "credit_sales", "receivables"),
        "finance f WHERE f.tenant_id = :tenant_id"
        " AND f.month + interval '1 month' <= CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC'",
    ),
}
