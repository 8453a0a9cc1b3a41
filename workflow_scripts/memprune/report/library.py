"""The JavaScript that draws charts: Vega, Vega-Lite and Vega-Embed, as vl-convert carries them."""

from pathlib import Path

import vl_convert

from memprune.store import entries

SNIPPET = "window.vegaEmbed = vegaEmbed;"
FILE = "charts.js"


def chart_library() -> tuple[str, str]:
    """The JavaScript, and the name of the store's entry that holds it: putting it together takes seconds."""
    determinants = {"vl_convert": vl_convert.__version__, "snippet": SNIPPET}
    name = f"chart_library/{entries.digest(determinants)}"
    entry, _ = entries.obtain(name, determinants, write)
    return (entry / FILE).read_text(encoding="utf-8"), name


def write(folder: Path) -> None:
    """Put the library together in `folder`."""
    (folder / FILE).write_text(vl_convert.javascript_bundle(SNIPPET), encoding="utf-8")
