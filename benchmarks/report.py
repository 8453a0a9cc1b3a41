"""The report of 5,000 samples and 16 variants: what making it takes, its size, and what opening it takes."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from cases import ROOT, peak_bytes, timed, write_report

sys.path.insert(0, str(ROOT / "tests"))
SAMPLES = 5000
EXPERIMENT = {
    "lengths": (50, 100, 200, 500),
    "models": ("pythia",),
    "strategies": ("layer-wise", "global", "attention-only", "first-25", "last-25"),
    "levels": (0.1, 0.3, 0.5),
}
REPETITIONS = 5


def opening(report: Path) -> dict[str, float]:
    """Seconds until a page can be used, until all its charts are drawn, and until a sample is open."""
    from browser import started

    with started() as browser:
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(report.as_uri(), wait_until="commit")
        seconds = {}
        for moment in ("ready", "drawn"):
            page.wait_for_selector(f"html[data-{moment}=true]", state="attached")
            seconds[moment] = time.perf_counter() - start
        start = time.perf_counter()
        page.locator("#sample-list summary").first.click()
        page.wait_for_selector("#sample-list details[open] .variants")
        return seconds | {"sample": time.perf_counter() - start}


def main() -> None:
    from report_results import fabricate

    from memprune.report.render_report import render_report

    with tempfile.TemporaryDirectory() as scratch:
        results, report = Path(scratch) / "results", Path(scratch) / "report.html"
        spec = fabricate(results, samples=SAMPLES, **EXPERIMENT)
        _, making = timed(lambda: render_report(results, **spec, texts=True, samples=SAMPLES, output=report))
        opened = [opening(report) for _ in range(REPETITIONS)]
        size = report.stat().st_size
    middle = {moment: statistics.median(own[moment] for own in opened) for moment in opened[0]}
    row = {
        "samples × variants × k": f"{SAMPLES:,} × 16 × 4",
        "made in": f"{making:.1f} s",
        "peak memory": f"{peak_bytes() / 1e9:.2f} GB",
        "file": f"{size / 1e6:.1f} MB",
        "open": f"{middle['ready']:.2f} s",
        "all charts drawn": f"{middle['drawn']:.2f} s",
        "a sample opened": f"{middle['sample']:.2f} s",
    }
    write_report(
        "report", "The report in Chromium", [row], {"making": making, "size": size, "opened": opened}
    )


if __name__ == "__main__":
    main()
