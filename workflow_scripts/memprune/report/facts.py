"""What was run, in a few facts: models, strategies, data, dates and versions."""

import tomllib
from collections.abc import Mapping
from importlib.metadata import version

from memprune.results import Results
from memprune.store.source_code import ROOT

VERSIONS = ("torch", "transformers", "snakemake")


def facts(own: Results, config: Mapping) -> dict[str, str]:
    """Names of facts and what they are, for a reader who has not seen the configuration."""
    samples = own.samples
    pooled = samples[samples.pooled]
    members = int((pooled.split == "member").sum())
    perplexity = own.tables["perplexity"]
    tokens, documents = int(perplexity.tokens.max()), int(perplexity.documents.max())
    pruned = perplexity[perplexity.strategy != "dense"]
    return {
        "Models": f"{len(own.models)}: {', '.join(own.models)}",
        "Strategies": ", ".join(dict.fromkeys(pruned.strategy)) or "none: dense models alone",
        "Pruned variants": str(len(pruned)),
        "Samples": f"{members:,} members and {len(pooled) - members:,} non-members",
        "Corpus": config["corpus"]["source"],
        "Perplexity": f"{tokens:,} tokens of {documents:,} documents",
        "Versions": ", ".join(f"{name} {version(name)}" for name in VERSIONS),
    }


def own_version() -> str:
    """The version of memprune."""
    return tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
