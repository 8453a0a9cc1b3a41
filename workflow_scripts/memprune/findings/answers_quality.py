"""What the tables of generated text, tasks and membership answer, in sentences with their numbers.

Tables are as in `answers`. Each part is said only where its table has it.
"""

import pandas as pd

from memprune.findings.agreement import ALL, PERPLEXITY, SPLITS
from memprune.findings.answers import Tables, of_model
from memprune.findings.kinds_of_set import members_in
from memprune.findings.words import between, counted, listed, p_value, percent, points

NEAR = {"exact": "exactly", "near_verbatim_5": "within 5 %", "near_verbatim_10": "within 10 %"}
TEXT = {"rouge_l": "ROUGE-L", "bleu": "BLEU"}
SCORES = {"min_k_plus_plus": "Min-K++", "loss": "the loss"}


def not_shown_by_perplexity(tables: Tables) -> list[str]:
    """What perplexity and exact match do not show; nothing where only these were measured."""
    sentences = agreements(tables) if "agreement" in tables else []
    for model in dict.fromkeys(tables["metrics"].model):
        variant = lost_most(tables, model)
        sentences += near_verbatim(tables, model, variant) + accuracies(tables, model, variant)
        if "membership" in tables:
            sentences += membership(tables, model, variant)
    return sentences


def lost_most(tables: Tables, model: str) -> str | None:
    """The variant that lost most of what is extracted, without having collapsed; None if none lost any."""
    verdicts = of_model(tables["verdicts"], model)[["variant", "verdict"]]
    paired = of_model(tables["paired"], model).merge(verdicts, on="variant")
    fewer = paired[(paired.verdict != "collapsed") & (paired.difference < 0)]
    return None if fewer.empty else fewer.sort_values("difference", kind="stable").variant.iloc[0]


def agreements(tables: Tables) -> list[str]:
    """How perplexity goes together with text quality and tasks, over each model's variants and over all."""
    table = tables["agreement"]
    of_perplexity = table[(table["first"] == PERPLEXITY[0]) & (table.first_of == PERPLEXITY[1])]
    is_text = of_perplexity.second.isin(TEXT) & (of_perplexity.second_of == "non_member")
    is_task = ~of_perplexity.second_of.isin(SPLITS)
    sentences = []
    for model, rows in of_perplexity[is_text | is_task].groupby("model", sort=False):
        over = "all models together" if model == ALL else f"**{model}**"
        parts = [f"{correlation(row)} with {named(row)}" for row in rows.itertuples()]
        sentences.append(
            f"Rank correlations of token perplexity over the {rows.variants.max()} variants of {over}: "
            f"{'; '.join(parts)}."
        )
    return sentences


def named(row: tuple) -> str:
    """A metric beside perplexity in words."""
    if row.second_of in SPLITS:
        return f"{TEXT[row.second]} on text never seen"
    return f"{row.second} of {row.second_of}"


def correlation(row: tuple) -> str:
    """A rank correlation with its interval, and whether it can be told from none."""
    if pd.isna(row.spearman):
        return "unknown (one of them does not vary)"
    value = signed(row.spearman)
    if pd.isna(row.spearman_ci_low):
        return f"{value} ({p_value(row.p_value)}, interval unknown)"
    told = "" if row.spearman_ci_low > 0 or row.spearman_ci_high < 0 else ", which cannot be told from none"
    return f"{value} ({signed(row.spearman_ci_low)} to {signed(row.spearman_ci_high)}{told})"


def signed(value: float) -> str:
    """A correlation with its sign and two digits."""
    return f"{value:+.2f}".replace("-", "−")


def near_verbatim(tables: Tables, model: str, variant: str | None) -> list[str]:
    """How many members come back exactly and nearly, from the dense model and from the variant."""
    metrics = of_model(tables["metrics"], model)
    rows = metrics[(metrics.of == "member") & metrics.metric.isin(NEAR)]
    if rows.empty:
        return []
    said, members = [], members_in(tables["memorization"])
    for name in ("dense", variant) if variant else ("dense",):
        means = rows[rows.variant == name].set_index("metric")["mean"] * rows["items"].iloc[0]
        counts = [f"{means[metric]:.0f} {words}" for metric, words in NEAR.items()]
        said.append(f"{name} gives back {listed(counts)}")
    sentence = (
        f"**{model}**: of the suffixes of {rows['items'].iloc[0]} {members}, continued freely, "
        f"{'; '.join(said)} (edit distance to the true suffix)"
    )
    if variant:
        nearly = rows[(rows.variant == variant) & (rows.metric == "near_verbatim_10")].iloc[0]
        sentence += f"; within 10 % that is {change(nearly)}"
    return [f"{sentence}."]


def accuracies(tables: Tables, model: str, variant: str | None) -> list[str]:
    """The accuracy of each task, of the dense model and of the variant, with its test."""
    metrics = of_model(tables["metrics"], model)
    tasks = metrics[~metrics.of.isin(SPLITS) & metrics.metric.isin(["acc", "exact_match"])]
    sentences = []
    for (task, metric), rows in tasks.groupby(["of", "metric"], sort=False):
        dense = rows[rows.variant == "dense"].iloc[0]
        right = round(dense["mean"] * dense["items"])
        share = counted(right, dense["items"], dense.mean_ci_low, dense.mean_ci_high)
        sentence = f"**{model}**: {metric} of {task} is {share} dense"
        for row in rows[rows.variant == variant].to_dict("records"):
            sentence += f", and {percent(row['mean'])} under {variant}: {change(pd.Series(row))}"
        sentences.append(f"{sentence}.")
    return sentences


def change(row: pd.Series) -> str:
    """A change of a share against dense, with its interval and test."""
    interval = between(row.change_ci_low, row.change_ci_high, points)
    return f"{points(row.change)} ({interval}), {p_value(row.p_value)}, {p_value(row.p_holm)} after Holm"


def membership(tables: Tables, model: str, variant: str | None) -> list[str]:
    """How well members are told from non-members, of the dense model and of the variant."""
    own = of_model(tables["membership"], model)
    score = next((name for name in SCORES if name in set(own.score)), None)
    rows = own[own.score == score].set_index("variant")
    if rows.empty:
        return []
    dense = rows.loc["dense"]
    sentence = (
        f"**{model}**: by {SCORES[score]} members are told from non-members with AUC {auc(dense)} dense"
    )
    if variant in rows.index:
        row = rows.loc[variant]
        ends = f"{signed(row.auc_change_ci_low)} to {signed(row.auc_change_ci_high)}"
        sentence += f" and {auc(row)} under {variant}, a change of {signed(row.auc_change)} ({ends})"
    return [f"{sentence}; 0.5 is a guess."]


def auc(row: pd.Series) -> str:
    """An AUC with its interval."""
    return f"{row.auc:.2f} ({row.auc_ci_low:.2f} to {row.auc_ci_high:.2f})"
