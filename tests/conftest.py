"""Fixtures and options for all tests; each family of them lives in a module of `support`."""

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
