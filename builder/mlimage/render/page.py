"""Pages for people: one file of HTML from flat values, which are text and never markup."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlimage.redact import redact


def page(template: str, values: Mapping[str, object], *, templates: Path) -> str:
    """The text of a page. Pure, but for the template; values are escaped, and shown without credentials.

    Args:
        template: name of the template.
        values: what it may name.
        templates: folder of the templates, `templates/report`.
    """
    jinja = Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
        finalize=_shown,
    )
    return jinja.get_template(template).render(values)


def _shown(value: object) -> object:
    return redact(value) if type(value) is str else value  # and not what is markup already
