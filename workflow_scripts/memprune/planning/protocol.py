"""What of an experiment is compared with published figures: models, strategies and how both were measured."""

from memprune.config.corpora import Corpus, HubCorpus
from memprune.config.experiment import Config
from memprune.config.strategy import Strategy
from memprune.config.values import without_home
from memprune.planning.perplexity_texts import data_set


def compared(config: Config) -> dict[str, dict]:
    """The experiment in the terms of `config/published/`, as JSON values; null is unknown.

    `models` has a repository and revision each (null of local folders), `strategies` a selection each.
    """
    samples, unseen = config.samples, config.held_out or config.corpus
    split = unseen.validation if isinstance(unseen, HubCorpus) else "validation"
    return {
        "models": {
            name: {"repo": model.repo, "revision": model.revision if model.repo else None}
            for name, model in config.models.items()
        },
        "strategies": {
            name: strategy.settings for name, strategy in config.strategies.items() if is_comparable(strategy)
        },
        "protocol": {
            "suffix": samples.suffix,
            "context_lengths": sorted(samples.context_lengths),
            "offset": "by the seed" if samples.offset is None else samples.offset,
            "balance_duplicates": samples.balance_duplicates,
            "set": config.kind_of_set,
            "corpus": place_of(config.corpus),
            "decoding": "greedy",
            "dtype": config.evaluation.dtype,
            "perplexity_text": f"{place_of(unseen)} {split}",
            "perplexity_window": samples.perplexity_window,
        },
    }


def is_comparable(strategy: Strategy) -> bool:
    """Whether published figures can be of a strategy: those that are known are of dense models pruned."""
    return strategy.method == "prune" and strategy.after is None


def place_of(corpus: Corpus) -> str:
    """Where texts come from, in words."""
    if corpus.source in ("embedded", "files"):
        return {"embedded": "mini-pile", "files": "local files"}[corpus.source]
    if corpus.source == "sequences":
        return f"{data_set(corpus)} {corpus.split}" if corpus.dataset else "local files"
    return data_set(corpus) if corpus.source == "hub" else without_home(corpus.dataset)
