"""The token ids that lm-evaluation-harness would have a model score, found by its own code."""

from collections.abc import Sequence

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import PreTrainedTokenizerFast


class Encoder(HFLM):
    """The library's model of transformers without a model: asked for log-likelihoods it gives the tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.backend = "causal"
        self.add_bos_token = self.custom_prefix_token_id = None
        self.enable_thinking = False

    def _loglikelihood_tokens(
        self, requests: Sequence, **kwargs: object
    ) -> list[tuple[list[int], list[int]]]:
        return [(context, continuation) for _, context, continuation in requests]


def request_tokens(
    requests: Sequence[Instance], tokenizer: PreTrainedTokenizerFast
) -> list[tuple[list[int], list[int]]]:
    """The tokens of each request's context and continuation; of an empty context it is the prefix token.

    Neither is empty. Raises ValueError for a continuation without tokens.
    """
    if not all(continuation for _, continuation in (request.args for request in requests)):
        raise ValueError("an answer is empty")
    pairs = Encoder(tokenizer).loglikelihood(requests, disable_tqdm=True)
    if not all(continuation for _, continuation in pairs):
        raise ValueError("an answer has no tokens of its own")
    return pairs
