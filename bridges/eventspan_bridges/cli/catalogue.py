"""Which commands there are, in one table: nothing has to be imported to show it."""

COMMANDS = {
    "start": {
        "quickstart": "Watch a bridge move events: no broker, no file, no set-up.",
    },
    "check": {
        "lint": "Check bridge files and say everything that is wrong, with its place.",
        "schema": "Print the JSON Schema of the bridge file, for editors.",
    },
    "run": {
        "run": "Run bridges until they are stopped, or drained.",
    },
    "watch": {
        "offsets": "Show, export and set how far bridges have read.",
    },
    "one event": {
        "send": "Write events from standard input to any connector.",
        "recv": "Print the events of any connector.",
        "convert": "Show how a binding writes what another one reads.",
    },
    "about": {
        "plugins": "List the connectors that are installed, and their settings.",
        "version": "Print the versions of what is installed.",
        "completion": "Print the completion script of a shell.",
    },
}
SUMMARIES = {name: summary for group in COMMANDS.values() for name, summary in group.items()}

_HEAD = """\
Usage: eventspan [OPTIONS] COMMAND [ARGS]...

  Moves events between message brokers: nothing is lost, nothing is changed.
"""
_FOOT = """\
Options:
  --debug     Show the traceback of an unexpected error.
  -h, --help  Show this page, or that of a command.

Exit codes: 0 done, 1 failed, 2 the file or the call is wrong,
3 stopped with work pending, 130 and 143 interrupted."""


def front_page() -> str:
    """The text of ``eventspan --help``."""
    width = max(map(len, SUMMARIES))
    parts = [_HEAD]
    for title, group in COMMANDS.items():
        lines = [f"  {name:{width}}  {summary}" for name, summary in group.items()]
        parts.append("\n".join([f"{title.capitalize()}:", *lines, ""]))
    return "\n".join([*parts, _FOOT])
