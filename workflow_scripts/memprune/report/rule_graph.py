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
    return RuleGraph(dict(sorted(Counter(job.rule for job in jobs).items())), without_loops(edges))


def without_loops(edges: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges but for those that close a loop, sorted: from the end of a chain of changes back to its start.

    Rules are followed from those that nothing takes input from, so what closes a loop is what a rule early in
    the chain takes from a later one.
    """
    sources: dict[str, list[str]] = {}
    for rule, source in sorted(edges):
        sources.setdefault(rule, []).append(source)
    kept: list[tuple[str, str]] = []
    done: set[str] = set()

    def follow(rule: str, behind: frozenset[str]) -> None:
        for source in sources.get(rule, []):
            if source not in behind:
                kept.append((rule, source))
                if source not in done:
                    follow(source, behind | {source})
        done.add(rule)

    for rule in sorted(sources, key=lambda rule: (rule in {source for _, source in edges}, rule)):
        if rule not in done:
            follow(rule, frozenset([rule]))
    return sorted(kept)
