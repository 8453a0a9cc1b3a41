"""What was run, in a few facts: models, strategies, data, dates and versions."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import pandas as pd
import pyarrow.parquet as pq

from memprune.findings.frames import level_label
from memprune.findings.kinds_of_set import members_in
from memprune.findings.strategy_methods import ALL_PRUNE, Methods, change_in_words, level_in_words
from memprune.findings.words import listed, number_of
from memprune.report.parameters import parameters
from memprune.report.provenance import provenance
from memprune.report.sample_choice import counted
from memprune.report.strategy_words import strategy_in_words
from memprune.results import Results
from memprune.store.source_code import ROOT

VERSIONS = ("torch", "transformers", "snakemake")
MANY = 8  # strategies or models, of which more are not described one by one
UNKNOWN = "unknown: there are no scores"


def facts(
    own: Results, models: Sequence[str], config: Mapping, methods: Methods = ALL_PRUNE
) -> dict[str, list[str]]:
    """Names of facts, and lines that say what they are, for a reader who has not seen the configuration."""
    return {
        "Models": models_in_words(own, models),
        "Strategies": strategies_in_words(own.tables["perplexity"], config, methods),
        "Samples": samples_in_words(own),
        "Corpus": corpus_in_words(config),
        "Held-out text": held_out_text(own.tables["perplexity"]),
        "Scored": scoring(own),
        "Evidence computed": dates(own),
        "Versions at rendering": [
            f"memprune {own_version()}",
            *(f"{name} {version(name)}" for name in VERSIONS),
        ],
    }


def models_in_words(own: Results, models: Sequence[str]) -> list[str]:
    """Each model with its size and dtype, those that are no control first."""
    controls = [model for model in own.models if model not in models]
    described = []
    for model in [*models, *controls]:
        manifest = own.manifest(model)
        control = ", a control that stays dense" if model in controls else ""
        described.append(f"{model}: {in_words(parameters(manifest))} parameters, {manifest.dtype}{control}")
    return few(described)


def few(lines: list[str]) -> list[str]:
    """The lines, or the first of them and how many more there are."""
    return lines if len(lines) <= MANY else [*lines[:MANY], f"and {len(lines) - MANY} more"]


def in_words(count: int) -> str:
    """A large number with three digits: `1.41 billion`."""
    for name, size in (("billion", 10**9), ("million", 10**6)):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count:,}"


def strategies_in_words(perplexity: pd.DataFrame, config: Mapping, methods: Methods) -> list[str]:
    """Each strategy: what it does, and at which levels that was measured."""
    changed = perplexity[perplexity.strategy != "dense"]
    if changed.empty:
        return ["none: dense models alone"]
    groups = changed.assign(label=level_label(changed)).groupby("strategy", sort=False).label
    levels = {
        strategy: listed([level_in_words(strategy, label, methods) for label in dict.fromkeys(labels)])
        for strategy, labels in groups
    }
    described = [
        f"{strategy}: {strategy_in_words(config['strategies'][strategy])}, at {own}"
        for strategy, own in levels.items()
    ]
    _, done = change_in_words(methods)
    return [*few(described), f"{number_of(len(changed), f'{done} variant')} in all"]


def samples_in_words(own: Results) -> list[str]:
    """How many samples there are, how they are cut, and how often they stand in the training data."""
    pooled = counted(own.samples)
    fitted = int((own.samples.split == "fitted").sum())
    members = pooled[pooled.split == "member"]
    lengths = sorted(set(own.tables["memorization"].context_length))
    suffix = own.samples.tokens.str.len().max() - max(lengths)
    seeds, called = sorted(set(own.samples.seed)), members_in(own.tables["memorization"])
    return [
        f"{len(members):,} {called} and {len(pooled) - len(members):,} non-members, "
        f"drawn with {'seed' if len(seeds) == 1 else 'seeds'} {listed(seeds)}",
        *([f"{fitted:,} more of training text that methods may be fitted to"] if fitted else []),
        f"k = {listed(lengths)} tokens of context before a suffix of {suffix}",
        duplicates_in_words(members.duplicates),
    ]


def duplicates_in_words(duplicates: pd.Series) -> str:
    """How often members stand in the training data, as far as anybody counted."""
    known = duplicates.dropna()
    if known.empty:
        return "how often members stand in the training data is unknown"
    part = "" if len(known) == len(duplicates) else f" (known of {len(known):,} of {len(duplicates):,})"
    return f"members stand {known.min():,} to {known.max():,} times in the training data{part}"


def corpus_in_words(config: Mapping) -> list[str]:
    """Where members are from, and where unseen text is from if not from the same corpus."""
    held_out = config.get("held_out")
    return [
        source_in_words(config["corpus"]),
        *([f"unseen text: {source_in_words(held_out)}"] if held_out else []),
    ]


def source_in_words(corpus: Mapping) -> str:
    """A corpus as the configuration names it, its files by their number."""
    source = corpus["source"]
    if source == "embedded":
        return "mini-pile, the embedded corpus"
    if source == "files":
        return f"local files, {number_of(len(corpus.get('train', [])), 'file')} of training text"
    if source == "sequences" and not corpus.get("dataset"):
        files = corpus.get("files") or corpus["arrays"]
        return f"known sequences of local files, {number_of(len(files), 'file')}"
    revision = corpus.get("revision", "main")
    if source == "sequences":
        split = corpus.get("split", "train")
        return f"known sequences of the data set {corpus['dataset']}, split {split}, revision {revision}"
    kind = "tokens of the data set" if source == "tokens" else "data set"
    return f"{kind} {corpus['dataset']}, revision {revision}"


def held_out_text(perplexity: pd.DataFrame) -> list[str]:
    """The text that perplexity is of."""
    row = perplexity.iloc[0]
    revision = "" if pd.isna(row.revision) else f", revision {row.revision}"
    return [
        f"{row.dataset}, split {row.data_split}{revision}",
        f"{row.tokens:,} tokens of {row.documents:,} documents, in windows of {row.window}",
    ]


def scoring(own: Results) -> list[str]:
    """In which dtype and on which device the dense models were scored, each once."""
    lines = []
    for model in own.models:
        if "dense" in own.variants(model):
            path = own.path("scores", model, "dense", ".memorization.parquet")
            shards = json.loads(pq.read_schema(path).metadata[b"shards"])
            lines += [in_type(shard) for shard in shards]
    return list(dict.fromkeys(lines)) or [UNKNOWN]


def in_type(shard: Mapping[str, str]) -> str:
    """In which dtype and where a shard was scored."""
    screened = f", screened in {shard['screened_in']}," if "screened_in" in shard else ""
    return f"in {shard['compute_dtype']}{screened} on {shard['device']}"


def dates(own: Results) -> list[str]:
    """The days (UTC) of the first and the last scores: computed, or where that is unknown, written."""
    files = provenance(own.folder, sorted(own.folder.glob("scores/*/*.parquet")))
    days = sorted(made[:10] for made in files.made if made is not None)
    return [" to ".join(dict.fromkeys([days[0], days[-1]]))] if days else [UNKNOWN]


def own_version() -> str:
    """The version of memprune."""
    return tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
