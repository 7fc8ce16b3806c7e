"""Fixtures and options for all tests; each family of them lives in a module of `support`."""

import signal

# In the order of their imports: pytest marks a module for assertion rewriting before it is first imported.
pytest_plugins = (
    "support.machine",
    "support.golden",
    "support.fitting",
    "support.properties",
    "support.loopback",
    "support.steps",
    "support.pushing",
    "support.tinyproject",
    "support.cosign",
    "support.frozen",
    "support.tables",
)


def pytest_configure() -> None:
    """A background job of a shell without job control ignores Ctrl-C, and so would all that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
