"""What a row of logits says of its true token and of the distribution that it is drawn from."""

import torch

LOWEST = -1e9  # of a logit below the largest: exp gives 0, and 0 times it is 0, which 0 times -inf is not


def with_moments(
    logits: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each row its target's log-probability, and mean and deviation of log-probabilities, float32, nats.

    Both are over the vocabulary, each token weighted by its probability, as Min-K++ asks for it. Source:
    Zhang et al. 2024, arXiv 2404.02936, equation 3. `logits` are float32, rows × vocabulary, and are
    overwritten; targets are rows × 1. A logit of -inf is a token of no weight.

    Squares are of distances to the mean: the authors' mean of squares minus squared mean cancels in float32.
    """
    chosen, largest = logits.gather(1, targets), logits.amax(1, keepdim=True)
    shifted = logits.sub_(largest).clamp_(min=LOWEST)
    weights = shifted.exp()
    total = weights.sum(1, keepdim=True)
    mean = (weights * shifted).sum(1, keepdim=True) / total
    variance = weights.mul_(shifted.sub_(mean).square_()).sum(1, keepdim=True) / total
    normaliser = total.log()
    found = chosen - largest - normaliser, mean - normaliser, variance.sqrt()
    return tuple(column.squeeze(1) for column in found)
