"""What a test run says when a real server cannot be had."""


class Unavailable(Exception):
    """A server cannot be started here; the text names what is missing and how to get it."""


class StartFailed(Exception):
    """A server was started and did not become ready; the text ends with its log."""
