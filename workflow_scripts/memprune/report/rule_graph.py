"""Which rules an experiment's findings were made by, and from what each takes its input."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from memprune.report.jobs_behind import jobs_behind


@dataclass(frozen=True)
class RuleGraph:
    """How many jobs each rule has, and edges: a rule and one that it takes input from, both sorted."""

    jobs: dict[str, int]
    edges: list[tuple[str, str]]


def rule_graph(results: Path) -> RuleGraph:
    """The rules behind the findings in an experiment's folder; empty where Snakemake's records are gone."""
    jobs = jobs_behind(results)
    made_by = {file: job.rule for job in jobs for file in job.outputs}
    edges = {(job.rule, made_by[file]) for job in jobs for file in job.inputs if file in made_by}
    return RuleGraph(dict(sorted(Counter(job.rule for job in jobs).items())), sorted(edges))
