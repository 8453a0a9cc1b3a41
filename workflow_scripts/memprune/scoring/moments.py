"""What a row of logits says of its true token and of the distribution that it is drawn from."""

import torch


def with_moments(
    logits: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each row its target's log-probability, and mean and deviation of log-probabilities, float32, nats.

    Both are over the vocabulary, each token weighted by its probability, as Min-K++ asks for it. Source:
    Zhang et al. 2024, arXiv 2404.02936, equation 3. `logits` are float32, rows × vocabulary; targets are
    rows × 1.
    """
    log_probabilities = logits.log_softmax(1)
    probabilities = log_probabilities.exp()
    mean = (probabilities * log_probabilities).sum(1)
    variance = (probabilities * (log_probabilities - mean[:, None]).square_()).sum(1)
    return log_probabilities.gather(1, targets).squeeze(1), mean, variance.sqrt()
