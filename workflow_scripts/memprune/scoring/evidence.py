"""What a forced pass says of each scored token: all that metrics, tables and figures are made from."""

from dataclasses import dataclass

import numpy as np

LARGEST_RANK = 2**16 - 1


@dataclass(frozen=True)
class Evidence:
    """The evidence on the suffixes of some samples; each array is samples × suffix.

    `log_probability` (float32, nats) and `margin` (float32: the true token's logit minus the largest other
    one), and `rank` (uint16, `LARGEST_RANK` stands for more): how many tokens come before the true one in the
    order of greedy decoding, which have a larger logit, or the same one and a smaller id. So a token is the
    greedy choice exactly when its rank is 0: its margin is positive, or zero and no token of a smaller id has
    the same logit.
    """

    log_probability: np.ndarray
    margin: np.ndarray
    rank: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in (("log_probability", np.float32), ("margin", np.float32), ("rank", np.uint16)):
            values = getattr(self, name)
            assert values.dtype == dtype, (name, values.dtype)
            assert values.ndim == 2, (name, values.shape)
            assert values.shape == self.rank.shape, (name, values.shape, self.rank.shape)

    @property
    def greedy(self) -> np.ndarray:
        """Whether each token is what greedy decoding chooses, given the true tokens before it: bool."""
        return self.rank == 0
