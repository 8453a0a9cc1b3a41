"""What each model's samples could have shown: the table of power."""

import pandas as pd

from memprune.findings.power import losses_needed, smallest_drop


def smallest_drops(memorization: pd.DataFrame, tests: int) -> pd.DataFrame:
    """The smallest drop that the samples of each dense model could show, by one test and by one of `tests`.

    Columns: model, context_length, samples, extracted, fraction (of the dense model), tests, losses_needed,
    losses_needed_holm, smallest_drop, smallest_drop_holm (shares of the samples; null if losing them all
    would show nothing). No test at all is corrected as one.
    """
    dense = memorization[memorization.strategy == "dense"].reset_index(drop=True)

    def drops(tests: int) -> list[float | None]:
        return [smallest_drop(int(samples), tests) for samples in dense.samples]

    corrected = max(tests, 1)
    return dense[["model", "context_length", "samples", "extracted", "fraction"]].assign(
        tests=tests,
        losses_needed=losses_needed(),
        losses_needed_holm=losses_needed(corrected),
        smallest_drop=pd.Series(drops(1), dtype="float64"),
        smallest_drop_holm=pd.Series(drops(corrected), dtype="float64"),
    )
