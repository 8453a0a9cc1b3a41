"""Results that charts can be drawn from, made of random measures: two of their variants have collapsed."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from feature_files import write_features
from measure_files import TEXTS, write_measure_files
from random_measures import MODELS, STRATEGIES, both_splits, random_windows

from memprune.findings.aggregate_tables import write_tables
from memprune.results import Results

WEIGHTS = dict(zip(MODELS, (300_000, 10**6, 5 * 10**6), strict=True))
LAYERS, ROLES = 3, ("query_key_value", "up")


def fabricated(folder: Path) -> SimpleNamespace:
    """What `memprune.results` gives of an experiment, as far as charts ask for it.

    At its last level `global` of the large model knows no token any more, and the perplexity of
    `attention-only` is infinite. Of every fifth sample nobody counted duplicates.
    """
    members = both_splits()
    members["duplicates"] = members.duplicates.astype("Int64").where(members["sample"] % 5 > 0)
    dumb = (members.model == "large") & (members.strategy == "global") & (members.level == 0.4)
    members = members.assign(token_accuracy=members.token_accuracy.where(~dumb, 0.0))
    windows = random_windows()
    lost = (windows.model == "large") & (windows.strategy == "attention-only") & (windows.level == 0.4)
    windows = windows.assign(nll=windows.nll.where(~lost, 1e9))
    (folder / "tables").mkdir(parents=True)
    files = [
        write_measure_files(members, "memorization", folder),
        write_measure_files(windows, "perplexity", folder),
    ]
    write_tables(
        *files, MODELS, STRATEGIES, {}, TEXTS, {"sources": [], "experiment": {}}, folder / "tables",
        features=write_features(members, folder),
    )  # fmt: skip
    return SimpleNamespace(
        tables=Results(folder).tables,
        manifest=lambda model: SimpleNamespace(matrices=[SimpleNamespace(weights=WEIGHTS[model])]),
        path=lambda kind, model, variant, ending: zeros_of(folder, variant),
    )


def zeros_of(folder: Path, variant: str) -> Path:
    """A file of what a mask prunes."""
    rows = [(role, layer, 100, layer * 10) for layer in range(LAYERS) for role in ROLES]
    table, path = pd.DataFrame(rows, columns=["role", "layer", "weights", "zeros"]), folder / f"{variant}.csv"
    table.assign(matrix="m", sparsity=table.zeros / table.weights).to_csv(path, index=False)
    return path
