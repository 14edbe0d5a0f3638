"""The figures of a cohort by key, as what can be added up: counts, money, reaction times with their sketches.

CTEs over `cohort` (of `domain.storage.kpis.cohort`). The refresher stores them per rollup and day; a read takes from
them the days that no rollup answers. They bind tenant_id and as_of.
"""

from collections.abc import Mapping

from domain.kpis.sketches import BEFORE, STEP, ZERO
from domain.storage.kpis.messages import COUNTS
from domain.storage.kpis.reactions import exact_sum

_BAND = f"""CASE WHEN seconds > 0 THEN ceil(ln(seconds) / {STEP}) WHEN seconds = 0 THEN {ZERO}
    ELSE {BEFORE} - ceil(ln(-seconds) / {STEP}) END::smallint"""

_CONDITIONS = ", ".join(f"({condition}) AS {name}" for name, condition in COUNTS)
_COUNTED = ", ".join(f"count(*) FILTER (WHERE {name}) AS {name}" for name, _ in COUNTS)


def figures(keyings: Mapping[str, tuple[str, ...]], day: str) -> dict[str, str]:
    """CTEs in order, the last three `counts`, `money` and `reactions`: rows of rollup, day, key and figures.

    keyings: rollup → the cohort's columns that make its key; day: the SQL of the day to tell apart, never null.
    """
    values = ", ".join(f"('{name}', {key_of(columns)})" for name, columns in keyings.items())
    return {
        "member": "SELECT * FROM cohort",
        "attributed": """
            SELECT member.id, p.amount, p.currency, p.paid_at
            FROM member JOIN payment p ON p.tenant_id = :tenant_id AND p.attributed_to = member.id
            WHERE p.paid_at <= :as_of AND (p.reversed_at IS NULL OR p.reversed_at > :as_of)""",
        "reached": """
            SELECT member.*, first_paid_at
            FROM member
            LEFT JOIN (SELECT id, min(paid_at) AS first_paid_at FROM attributed GROUP BY id) paid USING (id)""",
        "keyed": f"""
            SELECT keying.rollup, {day} AS day, keying.key, id, cost, currency, {_CONDITIONS}
            FROM reached CROSS JOIN LATERAL (VALUES {values}) AS keying (rollup, key)""",
        "reaction": f"""
            SELECT keying.rollup, {day} AS day, keying.key, span, seconds, entered
            FROM reached
            CROSS JOIN LATERAL (VALUES
                ('sent_to_open', date_part('epoch', opened_at - sent_at), true),
                ('open_to_pay', CASE WHEN first_paid_at >= opened_at
                    THEN date_part('epoch', first_paid_at - opened_at) END, true),
                ('sent_to_pay', CASE WHEN first_paid_at >= sent_at
                    THEN date_part('epoch', first_paid_at - sent_at) END, delivered)
            ) AS span (span, seconds, entered)
            CROSS JOIN LATERAL (VALUES {values}) AS keying (rollup, key)
            WHERE seconds IS NOT NULL""",
        "counts": f"SELECT rollup, day, key, {_COUNTED} FROM keyed GROUP BY rollup, day, key",
        "money": """
            SELECT rollup, day, key, currency, sum(cost) AS cost, sum(collected) AS collected
            FROM (
                SELECT rollup, day, key, currency, cost, NULL::numeric AS collected FROM keyed WHERE cost IS NOT NULL
                UNION ALL
                SELECT k.rollup, k.day, k.key, a.currency, NULL, a.amount FROM attributed a JOIN keyed k USING (id)
            ) amounts
            GROUP BY rollup, day, key, currency""",
        "reactions": f"""
            SELECT rollup, day, key, span, count, entered, seconds, percentiles[1] AS p50,
                percentiles[2] AS p90, sketch
            FROM (
                SELECT rollup, day, key, span, count(*), count(*) FILTER (WHERE entered) AS entered,
                    {exact_sum("seconds")} AS seconds,
                    percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY seconds) AS percentiles
                FROM reaction GROUP BY rollup, day, key, span
            ) observed JOIN (
                SELECT rollup, day, key, span,
                    string_agg(int2send(band) || int4send(n::integer), ''::bytea ORDER BY band) AS sketch
                FROM (
                    SELECT rollup, day, key, span, {_BAND} AS band, count(*) AS n
                    FROM reaction GROUP BY rollup, day, key, span, band
                ) banded
                GROUP BY rollup, day, key, span
            ) sketched USING (rollup, day, key, span)""",
    }


def key_of(columns: tuple[str, ...]) -> str:
    """The SQL of the key that the columns make."""
    return f"ARRAY[{', '.join(f'{column}::text' for column in columns)}]::text[]"
