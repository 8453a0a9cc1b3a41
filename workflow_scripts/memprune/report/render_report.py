"""The report of an experiment: one page made from its tables, its evidence and its texts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml
from markupsafe import Markup

from memprune import results
from memprune.disk import readable, written_whole
from memprune.findings.strategy_methods import ALL_PRUNE, Methods
from memprune.report.blobs import blob
from memprune.report.cautions import cautions
from memprune.report.charts.all_charts import all_charts
from memprune.report.facts import facts, own_version
from memprune.report.headline import headline
from memprune.report.library import chart_library
from memprune.report.markdown_text import as_html
from memprune.report.page import page
from memprune.report.page_samples import sample_blobs
from memprune.report.page_tables import report_tables
from memprune.report.provenance_tables import provenance_tables
from memprune.report.rule_drawing import draw_rules
from memprune.report.rule_graph import rule_graph
from memprune.store import entries


def render_report(
    folder: Path,
    models: Sequence[str],
    strategies: Sequence[str],
    heads: Mapping[str, Mapping[str, Sequence[int]]],
    texts: bool,
    samples: int,
    config: Mapping,
    output: Path,
    methods: Methods = ALL_PRUNE,
) -> None:
    """Write the report of the results in `folder` to `output`.

    `models` are those that are no control, `strategies` all, each in the configuration's order, `methods`
    what is known of these (see `memprune.findings.strategy_methods`); `heads` gives by model the layer and
    head of each strategy that ablates one head; `texts` says whether the corpus's text may be shown,
    `samples` how many of them can be looked at, `config` is the configuration as it was given. Raises
    UserError for a result that is missing or damaged.
    """
    own = results.load(folder)
    with readable(folder / "findings.md"):
        findings = (folder / "findings.md").read_text(encoding="utf-8")
    blobs = {
        "charts": blob(all_charts(own, models, strategies, heads, methods)),
        "tables": blob(report_tables(own, models, strategies, methods)),
        "provenance": blob(provenance_tables(own)),
        **{name: blob(content) for name, content in sample_blobs(own, samples, texts).items()},
    }
    lengths = sorted(set(own.tables["memorization"].context_length))
    library, entry = chart_library()
    html = page(
        library,
        blobs,
        experiment=config["experiment"],
        headline=headline(own, models, methods),
        facts=facts(own, models, config, methods),
        findings=as_html(findings),
        config=yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True),
        models=[name for name in config["models"] if name in own.models],
        strategies=strategies,
        context_lengths=lengths,
        warnings=cautions(own, models),
        rule_graph=Markup(draw_rules(rule_graph(folder))),
        version=own_version(),
        rendered=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    with written_whole(output) as temporary:
        temporary.write_text(html, encoding="utf-8")
    entries.record(output, [entry])
