"""The results of an experiment as data frames and arrays, for analysis elsewhere: see `docs/results.md`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from memprune.disk import readable
from memprune.errors import UserError
from memprune.findings.frames import NAMES
from memprune.metrics.score_files import Rows, read_samples, read_windows
from memprune.models.manifest import Manifest, read_manifest
from memprune.variants.masks import read_mask
from memprune.variants.names import level_order, split_variant

TEXT_KINDS = ("membership", "concatenated", "tasks", "perturbed")
TEXTS = (*NAMES, "subset", "stratum")
NULLABLE = ("duplicates", "control_extracted", "control_samples")  # whole numbers that may be null
TYPES = {**dict.fromkeys(TEXTS, str), **dict.fromkeys(NULLABLE, "Int64")}


@dataclass(frozen=True)
class Results:
    """What an experiment has made so far in its `folder`; each file is read when it is asked for.

    Whatever takes a model or a variant raises UserError, with the allowed names, for one that is not there.
    """

    folder: Path

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name: `memorization`, `perplexity`, `paired`, `paper_layout` and so on.

        Raises UserError when there is none yet.
        """
        paths = sorted((self.folder / "tables").glob("*.csv"))
        if not paths:
            raise UserError(f"{self.folder}: no tables yet; run snakemake with its configuration first")
        layout = self.folder / "tables/paper_layout.parquet"
        return {path.stem: read_csv(path) for path in paths} | {layout.stem: read_parquet(layout)}

    @property
    def models(self) -> list[str]:
        """The names of the models that have a manifest."""
        return sorted(path.parent.name for path in self.folder.glob("models/*/manifest.json"))

    def variants(self, model: str) -> list[str]:
        """The names of a model's variants that have scores: `dense` first, then by strategy and level."""
        return self.having("scores", model, ".memorization.parquet")

    def manifest(self, model: str) -> Manifest:
        """What is known of a model: files, family, dtype, its prunable matrices by layer and role."""
        check("model", model, self.models)
        return read_manifest(self.folder / "models" / model / "manifest.json")

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The samples, a row each: what identifies them, and their token ids (int32) in `tokens`."""
        return read_parquet(self.folder / "samples/samples.parquet")

    @cached_property
    def windows(self) -> pd.DataFrame:
        """The perplexity windows, a row each, with their token ids in `tokens`; the last `scored` count."""
        return read_parquet(self.folder / "samples/windows.parquet")

    def evidence(self, model: str, variant: str) -> tuple[pd.DataFrame, Rows]:
        """A variant's rows, one a sample and context length, and their evidence, arrays of rows × suffix.

        `rows.attrs["shards"]` says how each shard of rows was computed.
        """
        path = self.path("scores", model, variant, ".memorization.parquet")
        table, evidence = read_samples(path)
        return with_shards(as_frame(table), path), evidence

    def perplexity_evidence(self, model: str, variant: str) -> pd.DataFrame:
        """A variant's perplexity windows; `log_probability` has an array each: float32, nats, a scored token.

        Its `attrs` are those of `evidence`.
        """
        path = self.path("scores", model, variant, ".perplexity.parquet")
        table, log_probabilities = read_windows(path)
        return with_shards(as_frame(table).assign(log_probability=log_probabilities), path)

    def measures(self, model: str, variant: str) -> pd.DataFrame:
        """The metrics of a variant, a column each, by sample and context length."""
        return read_parquet(self.path("measures", model, variant, ".memorization.parquet"))

    def perplexity_measures(self, model: str, variant: str) -> pd.DataFrame:
        """The metrics of a variant, a column each, by perplexity window."""
        return read_parquet(self.path("measures", model, variant, ".perplexity.parquet"))

    def text_measures(self, model: str, variant: str, kind: str) -> pd.DataFrame:
        """What a variant's scores on other texts say.

        Of `membership` it is a column a score by sample, of `tasks` a column a metric by item, of
        `concatenated` `nll` by window, of `perturbed` a column a metric by sample and share.
        """
        check("kind of texts", kind, TEXT_KINDS)
        return read_parquet(self.path("measures", model, variant, f".{kind}.parquet"))

    def generation(self, model: str) -> pd.DataFrame:
        """What all of a model's variants write after a context: metrics by variant and sample, and the texts
        `continuation` and `suffix`, the true one.

        Raises UserError when the experiment generates no text, or has not yet.
        """
        check("model", model, self.models)
        return read_parquet(self.folder / "measures" / model / "generation.parquet")

    def mask(self, model: str, variant: str) -> dict[str, np.ndarray]:
        """Which weights a variant keeps: matrix name to bool array in the matrix's shape, True = kept."""
        return read_mask(self.path("changes", model, variant, ".safetensors"))

    def path(self, kind: str, model: str, variant: str, ending: str) -> Path:
        """A variant's file of one kind: `scores`, `measures` or `changes`."""
        check(f"variant of {model} in {kind}", variant, self.having(kind, model, ending))
        return self.folder / kind / model / f"{variant}{ending}"

    def having(self, kind: str, model: str, ending: str) -> list[str]:
        """The names of a model's variants that have a file of one kind."""
        check("model", model, self.models)
        paths = (self.folder / kind / model).glob(f"*{ending}")
        return sorted((path.name.removesuffix(ending) for path in paths), key=place)


def load(folder: str | Path) -> Results:
    """The results in an experiment's folder, `results/{experiment}`.

    Raises UserError when there is no such folder, or it has no model's manifest.
    """
    results = Results(Path(folder))
    if not results.folder.is_dir():
        raise UserError(f"{folder}: no such folder, expected an experiment's results; run snakemake first")
    if not results.models:
        raise UserError(f"{folder}: no models/*/manifest.json, expected an experiment's results")
    return results


def check(what: str, name: str, allowed: Sequence[str]) -> None:
    """Raise UserError unless a name is one of those allowed."""
    if name not in allowed:
        names = ", ".join(allowed) or "none yet; run snakemake first"
        raise UserError(f"{what}: found {name}, allowed: {names}")


def place(variant: str) -> tuple:
    """Where a variant stands among others: `dense` first, then by strategy and level."""
    strategy, level = split_variant(variant)
    return variant != "dense", strategy, *level_order(level)


def read_csv(path: Path) -> pd.DataFrame:
    """A table with all its columns. Raises UserError when it is damaged."""
    with readable(path):
        return pd.read_csv(path, dtype=TYPES, keep_default_na=False, na_values=[""])


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file. Raises UserError when it is damaged or missing."""
    with readable(path):
        return as_frame(pq.read_table(path))


def as_frame(table: pa.Table) -> pd.DataFrame:
    """A table as a data frame."""
    return table.to_pandas().astype({name: t for name, t in TYPES.items() if name in table.column_names})


def with_shards(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The rows of a score file with what it says of each shard, in `attrs`."""
    frame.attrs["shards"] = json.loads(pq.read_schema(path).metadata[b"shards"])
    return frame
