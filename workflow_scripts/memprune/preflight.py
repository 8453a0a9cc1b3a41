"""What is wrong with a local model, as far as its configuration and headers show it before any job."""

from pathlib import Path

from tokenizers import Tokenizer

from memprune.checkpoint import check_vocabulary, describe
from memprune.config import Config
from memprune.errors import UserError
from memprune.scope import matrices_in_scope


def check_local_models(config: Config, source: str) -> None:
    """Check each local model against the experiment; `source` names the configuration in messages.

    Raises UserError, which names the model or strategy, what was found and what is allowed.
    """
    try:
        for name, model in config.models.items():
            if model.path is not None:
                check_local_model(name, model.path, config)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def check_local_model(name: str, folder: str, config: Config) -> None:
    """Raise UserError unless the model is whole, long enough for the samples, and has what is pruned."""
    try:
        checkpoint = describe(folder)
        check_positions(config.samples.window, config.samples.perplexity_window, checkpoint.positions)
        tokenizer = Path(folder) / "tokenizer.json"
        if tokenizer.exists():
            check_vocabulary(
                Tokenizer.from_file(str(tokenizer)).get_vocab_size(with_added_tokens=True),
                checkpoint.vocabulary,
            )
    except UserError as error:
        raise UserError(f"models.{name}: {error}") from None
    for strategy_name, strategy in config.strategies.items():
        matrices_in_scope(checkpoint.matrices, name, strategy_name, strategy)


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
