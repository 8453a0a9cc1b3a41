"""The trained models of this repository, dense and pruned, and samples that they have memorized in part."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from check_settings import Settings
from tiny_models import write_mask_of

from memprune.config.evaluation import Evaluation
from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.corpus.documents import Document, shuffled
from memprune.corpus.draw_samples import balanced, draw_samples
from memprune.corpus.drawn import as_array, read_drawn
from memprune.embedded import build_mini_pile
from memprune.evaluation.shards import passes
from memprune.evaluation.tasks import tokens_of_pass
from memprune.evaluation.variant import Variant
from memprune.models.resolve_model import resolve_model
from memprune.models.tokenization import load_tokenizer

MODELS = Path(__file__).parents[2] / "resources/tiny-pythia"
LENGTHS, SUFFIX, LEVEL = [10, 25, 100], 50, 0.3


def trained_variants(settings: Settings) -> Iterator[Variant]:
    """Each model, dense and without three tenths of its weights, to be scored in float32."""
    samples = mini_pile_samples(settings)
    for name in settings.trained:
        manifest = resolve_model(name, MODELS / name)
        mask = settings.folder / f"{name}.safetensors"
        write_mask_of(manifest, PruneStrategy().selection, LEVEL, mask)
        for label, changes in (("dense", ()), (f"pruned by {100 * LEVEL:.0f} %", (mask,))):
            yield Variant(f"{name}, {label}", manifest, changes, samples, None, scoring_spec(LENGTHS))


def scoring_spec(context_lengths: list[int]) -> dict:
    """How a variant's samples are scored: in float32, with batches of a size that is found."""
    own = {"context_lengths": context_lengths, "suffix": SUFFIX, "anchor": "suffix"}
    return Evaluation().settings | own


def mini_pile_samples(settings: Settings) -> Path:
    """A file of samples of mini-pile: members, as many of each number of duplicates, and others."""
    path = settings.folder / "samples.parquet"
    if path.exists():
        return path
    tokenizer = load_tokenizer(MODELS / settings.trained[0])
    window, (members, others) = max(LENGTHS) + SUFFIX, settings.samples
    drawn = [
        draw_samples(balanced(mini_pile()["train"]), tokenizer, window, members, 0, "member"),
        draw_samples(mini_pile()["test"], tokenizer, window, others, 0, "non_member"),
    ]
    pq.write_table(pa.concat_tables(drawn), path)
    return path


@cache
def mini_pile() -> dict[str, list[Document]]:
    """The documents of each split, in the order of a draw."""
    splits = defaultdict(list)
    for d in build_mini_pile.build():
        splits[d.split].append(Document(d.document, d.subset, d.text, d.duplicates))
    return {split: shuffled(documents, seed=0) for split, documents in splits.items()}


def passes_of(variant: Variant) -> Iterator[tuple[np.ndarray, list[int]]]:
    """The tokens and the context lengths of each pass over a variant's samples."""
    tokens, spec = as_array(read_drawn(variant.samples)["tokens"]), variant.spec
    for lengths in passes(spec["context_lengths"], spec["anchor"]):
        yield tokens_of_pass(tokens, lengths, spec["suffix"], spec["anchor"]), lengths
