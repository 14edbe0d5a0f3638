"""Reaction times as counts in bands that grow by a constant factor, so that those of several days can be added.

A sketch is bytes: per band its number (two bytes, signed) and its count (four bytes), both big-endian. Band i holds the
seconds in (g^(i-1), g^i] for g = e^STEP; band ZERO holds 0; band BEFORE - i holds what band i would, negated (clocks
disagree: an open before the sending). So bands are in the order of their seconds. Sketches written one after the other
are a sketch of all of them. A percentile is answered by the band of its exact rank: within tanh(STEP / 2) < 1 %.

Source: Masson, Rim & Lee (2019), DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees.
"""

from functools import lru_cache
from math import exp
from struct import Struct

STEP = 0.019
ZERO = -5_000
BEFORE = -10_000

_PAIR = Struct(">hI")


def read_sketch(sketch: bytes) -> list[tuple[int, int]]:
    """(band, count) in the order of bands, of one sketch or several written one after the other."""
    counts: dict[int, int] = {}
    known = counts.get
    for band, count in _PAIR.iter_unpack(sketch):
        counts[band] = known(band, 0) + count
    return sorted(counts.items())


def band_seconds(band: int) -> float:
    """The seconds that stand for a band: within 1 % of each of its members."""
    if band <= ZERO:
        return 0.0 if band == ZERO else -band_seconds(BEFORE - band)
    return 2 * exp(STEP * band) / (exp(STEP) + 1)


@lru_cache(maxsize=8192)  # as many as there are from a microsecond to a year, on either side of zero
def band_edges(band: int) -> tuple[float, float]:
    """(least, most) seconds of a band's members."""
    if band == ZERO:
        return 0.0, 0.0
    if band < ZERO:
        low, high = band_edges(BEFORE - band)
        return -high, -low
    return exp(STEP * (band - 1)), exp(STEP * band)
