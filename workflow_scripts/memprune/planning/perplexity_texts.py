"""Which texts perplexities are of: what a reader must know before comparing two of them."""

import os

from memprune.config.corpora import HubCorpus
from memprune.config.experiment import Config
from memprune.config.values import without_home
from memprune.planning.draws import corpus_of


def perplexity_texts(config: Config) -> dict[str, dict]:
    """The text of each kind of perplexity, `perplexity` and, where it is asked for, `concatenated`.

    As JSON values: `dataset`, `data_split`, `revision` (null where there is none, as of local files) and
    `window`, tokens.
    """
    text = held_out_text(config)
    texts = {"perplexity": text | {"window": config.samples.perplexity_window}}
    if config.concatenated is not None:
        texts["concatenated"] = text | {"window": config.concatenated.window}
    return texts


def held_out_text(config: Config) -> dict:
    """The data set, split and revision that text for perplexity is from."""
    corpus, split = corpus_of(config, "perplexity")
    if corpus.source == "hub":
        revision = None if os.path.isdir(corpus.dataset) else corpus.revision
        return {"dataset": data_set(corpus), "data_split": corpus.validation, "revision": revision}
    files = [] if corpus.source == "embedded" else corpus.validation
    dataset = ", ".join(map(os.path.basename, files)) or "mini-pile"
    return {"dataset": dataset, "data_split": split, "revision": None}


def data_set(corpus: HubCorpus) -> str:
    """The name of a data set of the Hub, or a local folder, with its configuration where it has several."""
    dataset = without_home(corpus.dataset)
    return dataset if corpus.config is None else f"{dataset} {corpus.config}"
