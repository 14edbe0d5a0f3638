"""How columns of numbers become the references, names, dates, instants and money of the import format."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from ml.simulator.portfolio import Floats, Ints

TEMPLATE_STYLES: dict[str, dict[str, str | None]] = {
    "FRIENDLY": {"tone": "friendly", "incentive": None, "subject": "A friendly reminder"},
    "FIRM": {"tone": "firm", "incentive": None, "subject": "Your payment is overdue"},
    "PLAN": {"tone": "neutral", "incentive": "INSTALMENTS", "subject": "Pay in instalments that suit you"},
}
FIRST_NAMES = {
    "es": ("María", "José", "Lucía", "Íñigo", "Begoña", "Ángel", "Núria", "Javier"),
    "en": ("Mary", "John", "Aoife", "Siân", "D'Arcy", "Emma", "Noah", "Zoë"),
    "da": ("Søren", "Åse", "Kåre", "Mette", "Jens", "Ida", "Øjvind", "Freja"),
}
LAST_NAMES = {
    "es": ("García Pérez", "Muñoz", "de la Peña", "Núñez-Ortega", "Rodríguez", "Sáez", "Vidal", "Iglesias"),
    "en": ("Smith", "O'Brien", "Jones, Jr.", "Taylor", "Johnson", "St. John", "Miller", 'Ray "Ted" Lee'),
    "da": ("Sørensen", "Nielsen", "Ågård", "Kjær", "Hansen", "Møller", "Holm", "Bæk"),
}


def choose(words: Sequence[str], index: Ints) -> pl.Series:
    """words[index]; null where the index is −1."""
    return pl.Series(np.asarray(index)).replace_strict(
        {-1: None} | dict(enumerate(words)), return_dtype=pl.String
    )


def numbered(prefix: str, index: Ints, width: int) -> pl.Series:
    """References such as D0000012; null where the index is −1."""
    numbers = pl.Series(np.asarray(index), dtype=pl.Int64)
    named = prefix + numbers.cast(pl.String).str.zfill(width)
    return named.set(numbers < 0, None)


def instants(at_us: Ints) -> pl.Series:
    """Microseconds since 1970 as UTC instants; null where −1."""
    known = pl.Series(np.asarray(at_us), dtype=pl.Int64)
    return known.set(known < 0, None).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def days(day: Ints) -> pl.Series:
    """Days since 1970 as dates; null where −1."""
    known = pl.Series(np.asarray(day), dtype=pl.Int64)
    return known.set(known == -1, None).cast(pl.Int32).cast(pl.Date)


def money(amount: Floats, decimals: int = 2) -> pl.Series:
    """Exact decimals."""
    return pl.Series(np.asarray(amount)).round(decimals).cast(pl.Decimal(18, decimals))
