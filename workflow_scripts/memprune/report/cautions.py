"""What a reader must know before any number: sentences, each only where it is so."""

from collections.abc import Sequence

import pandas as pd

from memprune.findings.kinds_of_set import KNOWN, members_in
from memprune.findings.words import listed, number_of
from memprune.report.sample_choice import counted
from memprune.results import Results

NO_SHARE = (
    "Members are known sequences, chosen and not drawn: no fraction of them is a share of training data."
)
FEW = 100  # members, with fewer of which intervals are wide


def cautions(own: Results, models: Sequence[str]) -> list[str]:
    """What limits what these results can say: of `models`, those that are no control."""
    tables = own.tables
    known = members_in(tables["memorization"]) == KNOWN
    return [
        *([NO_SHARE] if known else []),
        *missing_scores(own),
        *strategies(tables["verdicts"]),
        *never_extracted(tables["memorization"], models),
        *(
            [f"{models[0]} is the only model: nothing here says how size matters."]
            if len(models) == 1
            else []
        ),
        *samples(counted(own.samples)),
        *(screened(tables["screening"]) if "screening" in tables else []),
    ]


def missing_scores(own: Results) -> list[str]:
    """Models whose variants have no scores in the folder, though tables tell of them."""
    counts = own.tables["verdicts"].groupby("model", sort=False).size()
    scored = {model: len(own.variants(model)) if model in own.models else 0 for model in counts.index}
    lacking = int(sum(max(0, count - scored[model]) for model, count in counts.items()))
    if not lacking:
        return []
    return [
        f"The scores of {lacking} of {number_of(int(counts.sum()), 'variant')} are not in the results' "
        "folder: what is said of them is from tables alone."
    ]


def strategies(verdicts: pd.DataFrame) -> list[str]:
    """That there is no strategy, or how many changed variants have collapsed."""
    changed = verdicts[verdicts.strategy != "dense"]
    if changed.empty:
        return ["No strategy was run: nothing here says what pruning does."]
    collapsed = int((changed.verdict == "collapsed").sum())
    if not collapsed:
        return []
    return [
        f"{collapsed} of {number_of(len(changed), 'changed variant')} collapsed, that is, they predict no "
        "text any more: that they extract little is no forgetting."
    ]


def never_extracted(memorization: pd.DataFrame, models: Sequence[str]) -> list[str]:
    """Models that extract no member even when dense, at any context length."""
    dense = memorization[(memorization.strategy == "dense") & memorization.model.isin(models)]
    most = dense.groupby("model", sort=False).extracted.max()
    if none := list(most.index[most == 0]):
        return [
            f"Dense, {listed(none)} {'extracts' if len(none) == 1 else 'extract'} no member at any k: there "
            "is no memorization that could be reduced."
        ]
    return []


def screened(screening: pd.DataFrame) -> list[str]:
    """That all but what is extracted is a fast type's, of how many samples."""
    types = {name for own in screening.compute_dtype for name in own.split(", ")} - {"float32"}
    if not types:
        return []
    fast = (screening.settled - screening.audited)[screening.compute_dtype != "float32"].sum()
    return [
        f"Samples were screened in {listed(sorted(types))}: what is extracted is float32's on every one, all "
        f"other metrics of {100 * fast / screening.samples.sum():.0f} % of them are not."
    ]


def samples(pooled: pd.DataFrame) -> list[str]:
    """That samples are few, or that nobody counted how often they stand in the training data."""
    members = pooled[pooled.split == "member"]
    sentences, unknown = [], int(members.duplicates.isna().sum())
    if len(members) < FEW:
        sentences.append(f"There are {number_of(len(members), 'member')} only, so intervals are wide.")
    if len(members) == len(pooled):
        sentences.append("There are no non-members: what a model could have guessed is unknown.")
    if unknown:
        which = (
            "any member stands"
            if unknown == len(members)
            else f"{unknown:,} of {len(members):,} members stand"
        )
        sentences.append(f"How often {which} in the training data is unknown.")
    return sentences
