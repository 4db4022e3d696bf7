"""The one place where errors become words and an exit code."""

import os
import sys
import traceback
from collections.abc import Sequence

import click

from eventspan_bridges.cli.output import help_line, silence, words

EXIT_OK, EXIT_FAILED, EXIT_WRONG, EXIT_INTERRUPTED = 0, 1, 2, 130
"""What the command returns; 3, work pending, comes from the worker alone."""


def guarded(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit code and lets no exception out."""
    from eventspan_bridges.cli.app import app

    _occupy_streams()
    _tolerate_any_character()
    try:
        code = app.main(list(arguments), prog_name="eventspan", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return silence()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except click.Abort as error:
        # Ctrl-C comes as this too; without one, somebody has said no.
        return EXIT_INTERRUPTED if isinstance(error.__cause__, KeyboardInterrupt) else EXIT_FAILED
    except Exception as error:  # noqa: BLE001 -- the outermost boundary: it is told, never dropped
        return told(error, debug="--debug" in arguments or bool(os.environ.get("EVENTSPAN_DEBUG")))
    return code if isinstance(code, int) else EXIT_OK


def told(error: BaseException, *, debug: bool = False) -> int:
    """Say what is wrong on standard error; returns the exit code for it."""
    error = _single(error)
    if isinstance(error, BrokenPipeError):
        return silence()
    if isinstance(error, click.ClickException):
        return _told_call(error)
    if debug:
        traceback.print_exception(error)
    if _on_purpose(error):
        return _told_purpose(error)
    words(f"error: {type(error).__name__}: {str(error).partition(chr(10))[0][:500]}".removesuffix(": "))
    if not debug:
        help_line("this is a defect; run with --debug for the traceback")
    return EXIT_FAILED


def _told_call(error: click.ClickException) -> int:
    message = error.format_message()
    words(f"error: {message[:1].lower()}{message[1:]}".removesuffix("."))
    context = getattr(error, "ctx", None)
    if context is not None:
        help_line(f"{context.command_path} --help")
    return error.exit_code


def _on_purpose(error: BaseException) -> bool:
    # An exception of ours can only have been raised by a module that has loaded them.
    errors = sys.modules.get("eventspan.errors")
    return errors is not None and isinstance(error, errors.EventspanError)


def _told_purpose(error: BaseException) -> int:
    from eventspan.errors import ConfigError
    from eventspan_bridges.settings.problems import BridgeFileError

    if isinstance(error, BridgeFileError):
        # Its message is the findings as people read them, masked and escaped already.
        print(error, file=sys.stderr, flush=True)
        return EXIT_WRONG
    words(f"error: {str(error) or type(error).__name__}")
    if help := getattr(error, "help", None):
        help_line(help)
    return EXIT_WRONG if isinstance(error, ConfigError) else EXIT_FAILED


def _single(error: BaseException) -> BaseException:
    """The first error of a group: one line can only tell one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _occupy_streams() -> None:
    """Take the numbers of streams that are closed: a file opened later would get what is said there."""
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # Events for a closed standard output must fail, so it cannot be written; words may go nowhere.
            os.open(os.devnull, mode)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 -- as long as the process


def _tolerate_any_character() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
