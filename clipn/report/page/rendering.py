"""HTML from the templates in this folder."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clipn.report.escaping import unicode


def render(template: str, **values: Any) -> str:
    """A page; the same values give the same text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        # What is escaped already is a `Markup`, and stays one.
        finalize=lambda value: unicode(value) if type(value) is str else value,
        # A misspelt name in the template must not become an empty cell.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
