"""How long to wait before trying again: numbers only."""

import random
from collections.abc import Callable

PROBE_FIRST_SECS = 60.0
PROBE_MAX_SECS = 900.0


def full_jitter(attempt: int, first: float, most: float, rng: Callable[[], float] = random.random) -> float:
    """Seconds before attempt ``attempt`` (from 1): anything up to a ceiling that doubles.

    At least a tenth of ``first``, so that a failing call never becomes a busy loop.
    """
    ceiling = min(most, first * 2.0 ** min(attempt - 1, 30))
    return max(first / 10, ceiling * rng())


def probe(attempt: int) -> float:
    """Seconds before a halted end is looked at for the ``attempt``-th time (from 1)."""
    return min(PROBE_MAX_SECS, PROBE_FIRST_SECS * 2.0 ** min(attempt - 1, 10))
