"""Pages for people: one file of HTML from flat values, which are text and never markup."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def page(template: str, values: Mapping[str, object], *, templates: Path) -> str:
    """The text of a page. Pure, but for the template; whatever a value says is escaped.

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
    )
    return jinja.get_template(template).render(values)
