"""Results that a report can be made of, without a model: random evidence, a corpus that means harm."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from feature_files import write_features
from measure_files import TEXTS, write_measure_files
from project import ROOT
from score_files import evidence_of, write_sample_scores
from tokenizers import Tokenizer

from memprune.findings.aggregate_tables import write_tables
from memprune.findings.frames import in_order, read_csv
from memprune.findings.write_findings import findings
from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.planning.tables import SAID_IN_WORDS
from memprune.variants.names import variant_name

MODEL = ROOT / "resources/tiny-pythia/tiny-pythia-0.6m"
HOSTILE = [
    "<script>window.harmed = true</script><img src=x onerror='window.harmed = true'>",
    "</script><script>window.harmed = true</script><!-- ]]> <style>body { display: none }</style>",
    "&amp; &lt;b&gt; \"double\" 'single' `back` ${window.harmed = true} {{ harmed }} {% harmed %} \\u003c",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd and \u0645\u0631\u062d\u0628\u0627 \u0628\u0643",
    "\u202eturned around\u202c \u2066isolated\u2069 \u200fmark",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 e\u0301 \U0001f1e9\U0001f1ea \u4f60\u597d \ufffd",
    "\x00 \x07 \x1b[31m \x7f \x85 \u2028 \r\n\t",
    '=HYPERLINK("http://example.org") +1 -1 @x,"y"',
]
SUBSETS = ["Github", "<b>Bold</b>", None]
SUFFIX = 50
CONTINUED = 6  # samples that were continued freely


def fabricate(
    folder: Path,
    samples: int = 48,
    lengths: Sequence[int] = (10, 600),
    models: Sequence[str] = ("small", "large"),
    strategies: Sequence[str] = ("global", "attention-only"),
    levels: Sequence[float] = (0.3, 0.6),
    ease: float = 1.0,
) -> dict:
    """Results of an experiment in `folder`, and what `render_report` takes beside: its keyword arguments.

    `ease` moves all evidence: at -20 no sample is extracted.
    """
    generator = np.random.default_rng(0)
    drawn = draw(samples, max(lengths), generator)
    write(folder / "samples/samples.parquet", drawn)
    variants = [("dense", 0.0), *((strategy, level) for strategy in strategies for level in levels)]
    rows = pd.concat(
        [drawn.drop(columns=["tokens", "offset", "step"]).assign(context_length=k) for k in lengths]
    )
    measures, windows = [], []
    for model in models:
        (folder / f"models/{model}").mkdir(parents=True)
        write_manifest(resolve_model(model, MODEL), folder / f"models/{model}/manifest.json")
        per_row = generator.normal(ease, 2, (len(rows), 1))
        written = []
        for strategy, level in variants:
            margins = generator.normal(per_row - 3 * level, 1, (len(rows), SUFFIX))
            evidence = evidence_of(margins, -generator.exponential(np.exp(-per_row), margins.shape))
            achieved = {"sparsity": level, "removed": level / 2, "variant_bytes": int(1000 * (1 - level))}
            name = "dense" if strategy == "dense" else variant_name(strategy, level)
            described = {column: pa.array(rows[column], TYPES.get(column)) for column in rows}
            path = folder / f"scores/{model}/{name}.memorization.parquet"
            write_sample_scores(path, evidence, (model, strategy, level), achieved, **described)
            if name != "dense":
                write_zeros(folder / f"changes/{model}/{name}.csv", level)
            known = {"model": model, "strategy": strategy, "level": level, "target": None, **achieved}
            matched = np.cumprod(evidence.greedy, axis=1).sum(axis=1)
            written.append(continuations(drawn, known, matched[-samples:]))
            measures.append(
                rows.assign(
                    **known,
                    extracted=evidence.greedy.all(axis=1),
                    token_accuracy=evidence.greedy.mean(axis=1),
                    compute_dtype="float32",
                    matched=matched,
                )
            )
            windows.append(
                pd.DataFrame([known | own | {"nll": own["tokens"] * (3 + level)} for own in WINDOWS])
            )
        write(folder / f"measures/{model}/generation.parquet", pd.concat(written))
    write_all_tables(folder, models, strategies, measures, windows)
    config = {"experiment": folder.name, "corpus": {"source": "embedded"}, "models": {m: {} for m in models}}
    config["strategies"] = {name: {"levels": list(levels)} for name in strategies}
    return {"models": list(models), "strategies": list(strategies), "config": config, "heads": {}}


TYPES = {"sample": pa.int64(), "seed": pa.int64(), "duplicates": pa.int32(), "context_length": pa.int32()}
WINDOWS = [
    {"window": number, "document": f"d{number % 5}", "tokens": 100 + number, "bytes": 400, "words": 80}
    for number in range(12)
]


def draw(samples: int, longest: int, generator: np.random.Generator) -> pd.DataFrame:
    """Samples of harmful texts, the last third of them non-members; one of them is one long line."""
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab()
    texts = [tokenizer.encode(f"{text} ").ids for text in HOSTILE]
    window = longest + SUFFIX
    rows = []
    for number in range(samples):
        ids = np.resize(np.roll(texts[number % len(texts)], -(number // len(texts))), window)
        if number >= 10 * len(texts):  # which cannot be compressed much
            ids = generator.integers(0, len(vocabulary), window)
        if number == 1:
            ids = np.full(window, vocabulary["reStructuredText"])
        if number == 2:  # bytes that are no UTF-8
            ids[-SUFFIX::7] = vocabulary["\u00c3"]
        split = "member" if number < samples * 2 // 3 else "non_member"
        rows.append(
            {
                "sample": number,
                "split": split,
                "seed": 0,
                "pooled": True,
                "document": f"d{number}",
                "subset": SUBSETS[number % len(SUBSETS)],
                "duplicates": 2 ** (number % 4) if number % 5 else None,
                "offset": 0,
                "step": None,
                "tokens": ids.tolist(),
            }
        )
    return pd.DataFrame(rows).astype({"duplicates": "Int32", "step": "Int32"})


def continuations(drawn: pd.DataFrame, variant: dict, matched: np.ndarray) -> pd.DataFrame:
    """What a variant wrote of the first samples: the true suffix as far as it matches, then another text."""
    decode = Tokenizer.from_file(str(MODEL / "tokenizer.json")).decode
    rows = drawn.head(CONTINUED).drop(columns=["tokens", "offset", "step"]).assign(**variant)
    suffixes = [ids[-SUFFIX:] for ids in drawn.tokens.head(CONTINUED)]
    own = matched[:CONTINUED]
    return rows.assign(
        continuation=[
            decode(ids[:count]) + ("<i>another</i>" if count < SUFFIX else "")
            for ids, count in zip(suffixes, own, strict=True)
        ],
        suffix=list(map(decode, suffixes)),
        rouge_l=own / SUFFIX,
        edit_distance=1 - own / SUFFIX,
        near_verbatim_5=own >= 0.95 * SUFFIX,
        near_verbatim_10=own >= 0.9 * SUFFIX,
    )


def write_zeros(path: Path, level: float) -> None:
    """What a mask prunes, by matrix."""
    rows = [(f"{layer}.{role}", role, layer, 100) for layer in range(3) for role in ("query_key_value", "up")]
    zeros = pd.DataFrame(rows, columns=["matrix", "role", "layer", "weights"]).assign(zeros=int(100 * level))
    path.parent.mkdir(parents=True, exist_ok=True)
    zeros.assign(sparsity=zeros.zeros / zeros.weights).to_csv(path, index=False)


def write(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False)


def write_all_tables(
    folder: Path, models: Sequence[str], strategies: Sequence[str], measures: list, windows: list
) -> None:
    """The tables and the findings, by the code that makes them of any experiment."""
    tables, measured = folder / "tables", folder / "measured"
    tables.mkdir()
    measured.mkdir()
    files = [
        write_measure_files(
            in_order(pd.concat(frames, ignore_index=True), models, strategies), kind, measured
        )
        for kind, frames in (("memorization", measures), ("perplexity", windows))
    ]
    features = write_features(pd.concat(measures), measured)
    unpublished = {"sources": [], "experiment": {}}
    write_tables(*files, models, strategies, {}, TEXTS, unpublished, tables, features=features)
    said = {path.stem: read_csv(path) for path in tables.glob("*.csv") if path.stem in SAID_IN_WORDS}
    (folder / "findings.md").write_text(findings(folder.name, said))
