"""Markdown as HTML that stands below a heading of the page."""

from markdown_it import MarkdownIt
from markupsafe import Markup

BELOW = 2  # levels of headings that the page itself has


def as_html(text: str) -> Markup:
    """Markdown as HTML, its headings two levels deeper than they are written; HTML in it stays text."""
    parser = MarkdownIt("commonmark", {"html": False})
    tokens = parser.parse(text)
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = f"h{min(6, int(token.tag[1:]) + BELOW)}"
    return Markup(parser.renderer.render(tokens, parser.options, {}))
