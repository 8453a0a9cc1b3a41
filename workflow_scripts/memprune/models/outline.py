"""What is known of a model that transformers computes: what `Architecture` is for the decoder of ours."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outline:
    """The sizes of a model that transformers computes, as far as its configuration has them.

    All but `vocabulary`, `layers`, `positions` and `roles` serve to say beforehand what it costs.
    """

    family: str
    vocabulary: int  # the ids that it can be asked about
    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_heads: int
    head_size: int
    positions: int | None  # None: the configuration has no limit
    parameters: int
    roles: dict[str, int]  # how many weights the matrices of each role have, in all layers
    input_first: bool  # a block's matrices are input × output
