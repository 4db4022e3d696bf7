"""The ``eventspan`` command. Importing it costs next to nothing; each sub-command brings its own."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given in ([], ["-h"], ["--help"]) and not _completing():
        from eventspan_bridges.cli.catalogue import front_page

        return _show(front_page())
    from eventspan_bridges.cli.boundary import guarded

    return guarded(given)


def _completing() -> bool:
    import os

    return "_EVENTSPAN_COMPLETE" in os.environ


def _show(text: str) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        from eventspan_bridges.cli.output import silence

        return silence()
    return 0
