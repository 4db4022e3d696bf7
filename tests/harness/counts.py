"""How many events a long test sends: all of them in a soak, few enough in an ordinary run."""

import os


def is_soak() -> bool:
    """Whether this run was asked to take its time (`make soak`)."""
    return os.environ.get("EVENTSPAN_SOAK", "") not in {"", "0"}


def scaled(full: int, ci: int) -> int:
    """`full` in a soak, `ci` otherwise."""
    return full if is_soak() else ci
