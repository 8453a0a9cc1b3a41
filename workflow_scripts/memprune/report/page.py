"""The page: its layout filled with words and data, and the policy under which a browser opens it."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

import jinja2

FOLDER = Path(__file__).with_name("page")
# In the order in which they stand in the page: what a script uses at its top stands before it.
SAMPLES = ("sample_data", "sample_text", "sample_filters", "sample_detail", "samples")
NAMES = ("blobs", "format", "filters", "table", "charts", "tables", *SAMPLES, "provenance", "main")
# Nothing is loaded, sent or run but the page's own two scripts; what a chart sets of style is its own.
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def page(library: str, blobs: Mapping[str, str], **words: object) -> str:
    """The page as HTML.

    `library` is the JavaScript that draws charts, `blobs` are data by name (see `memprune.report.blobs`),
    `words` what the layout shows as text: its values are escaped, but for those that are Markup.
    """
    scripts = "\n".join((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in NAMES)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        policy=POLICY.format(scripts=" ".join(map(allowed, (library, scripts)))),
        style=(FOLDER / "style.css").read_text(encoding="utf-8"),
        library=library,
        scripts=scripts,
        blobs=blobs,
        **words,
    )


def allowed(script: str) -> str:
    """What a policy calls a script that stands in the page itself: the hash of its text.

    Raises ValueError for a text that would end the script's element.
    """
    if "</script" in script.lower():
        raise ValueError("a script of the page holds </script")
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
