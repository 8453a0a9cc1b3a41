"""Features of samples that nobody computed, for tables and charts."""

from pathlib import Path

import numpy as np
import pandas as pd

FORMS = ("code", "prose")


def write_features(samples: pd.DataFrame, folder: Path) -> Path:
    """A number and a name for each member of some measures; of every seventh the name is not known."""
    members = samples[samples.split == "member"]["sample"].drop_duplicates()
    features = pd.DataFrame(
        {
            "sample": members,
            "split": "member",
            "compression_ratio": np.random.default_rng(0).random(len(members)),
            "form": [None if sample % 7 == 0 else FORMS[sample % 2] for sample in members],
        }
    )
    path = folder / "features.parquet"
    features.to_parquet(path, index=False)
    return path
