"""Whether samples and perplexity windows fit a model: its tokenizer and its positions."""

import pyarrow as pa
import pyarrow.compute as pc

from memprune.errors import UserError


def check_positions(window: int, perplexity_window: int, positions: int) -> None:
    """Raise UserError when a model's positions are too few for the samples or the perplexity windows."""
    if window > positions:
        raise UserError(
            f"samples.context_lengths + suffix: found {window} tokens, allowed at most the model's "
            f"{positions} positions"
        )
    if perplexity_window > positions:
        raise UserError(
            f"samples.perplexity_window: found {perplexity_window} tokens, allowed at most the model's "
            f"{positions} positions"
        )


def check_texts(kind: str, tokens: int, positions: int) -> None:
    """Raise UserError when a model's positions are too few for the texts of a kind."""
    if tokens > positions:
        samples = dict.fromkeys(("membership", "perturbed"), "samples.context_lengths + suffix")
        drawn = {kind: f"{kind}.tokens" for kind in ("calibration", "retraining")}
        key = {"concatenated": "concatenated.window", **samples, **drawn}
        raise UserError(
            f"{key.get(kind, kind)}: found a text of {tokens} tokens, allowed at most the model's "
            f"{positions} positions"
        )


def check_ids(drawn: pa.Table, vocabulary: int) -> None:
    """Raise UserError when token ids are none of a model's, which has so many."""
    found = pc.min_max(pc.list_flatten(drawn["tokens"])).as_py()
    least, greatest = found["min"] or 0, found["max"] or 0
    if least < 0 or greatest >= vocabulary:
        raise UserError(f"tokens: found ids from {least} to {greatest}, the model has 0 to {vocabulary - 1}")


def check_tokenizer(samples: str, model: str) -> None:
    """Raise UserError unless samples were drawn with the model's tokenizer; both are fingerprints."""
    if samples != model:
        raise UserError(
            "its tokenizer is not the one that drew the samples, the first model's; all models of an "
            "experiment must have one tokenizer"
        )
