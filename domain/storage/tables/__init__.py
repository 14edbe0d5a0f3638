"""Every table of the product, in one metadata: what migrations create and statements are built from.

Conventions:

- Every tenant table is keyed `(tenant_id, id)` (events by the provider's own reference), so the key is also the
  distribution column; foreign keys carry the tenant too, which makes a cross-tenant reference impossible.
- Row-level security is forced on all of them by the migrations; see `domain.storage.sessions`.
- Words are text with a CHECK, not PostgreSQL enums: text equality is leakproof, so row-level security keeps indexes.
- References and sort keys are collated "C" for the same reason (range scans stay on the index).
- Money is numeric (exact); what lists filter or sort by also stands as bigint ten-thousandths (`*_e4`).
- A column under `# derived` is a function of the facts, written by `domain.storage.derived` only.
- What time alone changes (days past due, a promise breaking) is stored as its cause and computed when read.
"""

from domain.storage.tables.access import api_key, audit_entry, tenant, trusted_document
from domain.storage.tables.accounts import account, agent, exchange_rate, finance, payment, promise
from domain.storage.tables.columns import metadata
from domain.storage.tables.communications import communication, event, template
from domain.storage.tables.counted import dirty_day, kpi_change, message_day, message_rollup
from domain.storage.tables.debtors import contact_point, contact_request, debtor, debtor_balance
from domain.storage.tables.decisions import campaign, decision
from domain.storage.tables.models import kept_forecast, model_version, training_run
from domain.storage.tables.segments import segment, segment_draft, segment_size

#: Tables whose rows belong to a tenant: each gets the forced row-level security policy.
TENANT_TABLES: tuple[str, ...] = tuple(
    sorted(table.name for table in metadata.tables.values() if table is not tenant)
)

__all__ = [
    "TENANT_TABLES",
    "account",
    "agent",
    "api_key",
    "audit_entry",
    "campaign",
    "communication",
    "contact_point",
    "contact_request",
    "debtor",
    "debtor_balance",
    "decision",
    "dirty_day",
    "event",
    "exchange_rate",
    "finance",
    "kept_forecast",
    "kpi_change",
    "message_day",
    "message_rollup",
    "metadata",
    "model_version",
    "payment",
    "promise",
    "segment",
    "segment_draft",
    "segment_size",
    "template",
    "tenant",
    "training_run",
    "trusted_document",
]
