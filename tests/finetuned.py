"""What is asked of tiny models that are finetuned, some after a mask."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tiny_models import VOCABULARY, write_mask_of

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.corpus.document_windows import token_column
from memprune.methods.asked import Asked
from memprune.models.manifest import Manifest

CPU, TEXTS, TOKENS = torch.device("cpu"), 5, 16
SETTINGS = {"learning_rate": 1e-2, "batch": 2, "seed": 3}


def texts() -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCABULARY, (TEXTS, TOKENS)).astype(np.int32)


def asked_of(manifest: Manifest, folder: Path, steps: int = 6, **changed) -> Asked:
    """What the workflow asks of a model that is finetuned on five texts."""
    draw = folder / "retraining.parquet"
    pq.write_table(pa.table({"tokens": token_column(texts().tolist())}), draw)
    return Asked(manifest, SETTINGS, steps, "tuned", inputs={"retraining": draw}, **changed)


def pruned(manifest: Manifest, folder: Path, level: float = 0.5) -> Path:
    """The mask of a strategy that prunes MLPs."""
    path = folder / f"mask of {level}"
    write_mask_of(manifest, PruneStrategy(matrices="mlp").selection, level, path)
    return path
