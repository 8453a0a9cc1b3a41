"""What is said of methods that are fitted to samples of training text, and where they were not fitted.

Tables are as in `answers`; nothing is said where no method is.
"""

from memprune.findings.answers import Tables, changed_models, of_model
from memprune.findings.kinds_of_set import members_in
from memprune.findings.words import counted


def on_what_it_is_fitted_to(tables: Tables) -> list[str]:
    """What such variants extract of members, to which none is fitted, and of samples to which they are."""
    return [said for model in changed_models(tables) for said in of_fitted_variants(tables, model)]


def of_fitted_variants(tables: Tables, model: str) -> list[str]:
    """What the fitted variants of one model extract."""
    own = of_model(tables["memorization"], model)
    sentences = []
    for row in own[own.fitted].itertuples():
        sentence = (
            f"**{model}**: {row.variant} is fitted to samples of training text, and to none of the "
            f"{members_in(own)}, of which it extracts "
            f"{counted(row.extracted, row.samples, row.ci_low, row.ci_high)}"
        )
        if "memorization_fitted" in tables:
            of_fitted = of_model(tables["memorization_fitted"], model).set_index("variant")
            there, dense = of_fitted.loc[row.variant], of_fitted.loc["dense"]
            share = counted(there.extracted, there.samples, there.ci_low, there.ci_high)
            sentence += (
                f"; of those that it is fitted to it extracts {share}, the dense model {dense.extracted}"
            )
        sentences.append(f"{sentence}.")
    return sentences
