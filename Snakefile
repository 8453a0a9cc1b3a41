"""memprune: prune language models, measure what they forget. This file is the table of contents."""

from snakemake.utils import min_version

min_version("9.0")


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/planning.smk"
include: "rules/corpus.smk"
include: "rules/models.smk"
include: "rules/variants.smk"
include: "rules/evaluation.smk"
include: "rules/metrics.smk"
include: "rules/exports.smk"
include: "rules/findings.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        rules.findings.input,
        rules.report.input,
    localrule: True


onerror:
    print_at_exit(log)
