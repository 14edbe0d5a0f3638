"""The accepted facts as they were known at an instant, with every payment's cause. Source: kpis.md."""

from datetime import UTC, datetime

from tests.oracle.reading import Reading


def naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def look_back(reading: Reading, as_of: datetime) -> None:
    """Views `k_…` of what existed at `as_of`; `k_payments` are the unreversed ones, `k_causes` their attribution."""
    if reading.known_at == as_of:
        return
    reading.known_at = as_of
    set_ = reading.settings
    at = f"TIMESTAMP '{naive(as_of).isoformat(sep=' ')}'"
    reading.db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE k_communications AS SELECT * FROM communications WHERE sent_at <= {at};
        CREATE OR REPLACE TEMP TABLE k_events AS
            SELECT e.* REPLACE (coalesce(e.source, c.channel, 'DIRECT') AS source)
            FROM events e LEFT JOIN communications c ON c.reference = e.communication WHERE e.occurred_at <= {at};
        CREATE OR REPLACE TEMP TABLE k_payments AS
            SELECT p.*, a.debtor FROM payments p JOIN accounts a ON a.reference = p.account
            WHERE p.paid_at <= {at} AND (p.reversed_at IS NULL OR p.reversed_at > {at});
        CREATE OR REPLACE TEMP TABLE k_promises AS SELECT * FROM promises WHERE promised_at <= {at};
        CREATE OR REPLACE TEMP TABLE k_causes AS
            WITH engaged AS (
                SELECT p.reference AS payment, c.reference AS communication, 1 AS rank, e.occurred_at, c.sent_at
                FROM k_payments p
                JOIN k_events e ON e.debtor = p.debtor AND e.occurred_at <= p.paid_at
                    AND e.occurred_at > p.paid_at - INTERVAL {set_.click_hours} HOUR
                JOIN k_communications c ON c.reference = e.communication AND c.direction = 'OUTBOUND'
                WHERE e.kind IN ('CLICKED', 'LANDED') AND NOT e.automated
                UNION ALL
                SELECT p.reference, c.reference, 2, e.occurred_at, c.sent_at
                FROM k_payments p
                JOIN k_events e ON e.debtor = p.debtor AND e.occurred_at <= p.paid_at
                    AND e.occurred_at > p.paid_at - INTERVAL {set_.open_hours} HOUR
                JOIN k_communications c ON c.reference = e.communication AND c.direction = 'OUTBOUND'
                WHERE e.kind = 'OPENED' AND NOT e.automated OR e.kind = 'RIGHT_PARTY_CONTACTED'
                UNION ALL
                SELECT p.reference, c.reference, 0, p.paid_at, c.sent_at
                FROM k_payments p JOIN k_communications c ON c.reference = p.communication
            ), ranked AS (
                SELECT *, row_number() OVER (
                    PARTITION BY payment ORDER BY rank, occurred_at DESC, sent_at DESC, communication DESC) AS place
                FROM engaged
            )
            SELECT r.payment, r.communication, p.paid_at, p.amount, p.currency
            FROM ranked r JOIN k_payments p ON p.reference = r.payment WHERE r.place = 1;
        """
    )
