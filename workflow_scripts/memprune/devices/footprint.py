"""What a model takes of a device's memory, known from its architecture."""

from collections import Counter
from collections.abc import Mapping
from math import prod

from memprune.models.architecture import Architecture
from memprune.models.outline import Outline
from memprune.models.shapes import HEAD, shapes_of
from memprune.models.weights import BYTES
from memprune.scoring.batches import LOGIT_ROWS, PRODUCTS

BATCH_TOKENS = 2048  # on a CPU, where larger batches fall out of the caches; the least that a GPU should hold
FREE_SHARE = 0.9  # of the free memory: what is left is lost between blocks of unequal size
LAYER = "layer"
CUDA_BYTES = 2**30  # of a process on a GPU, beside its tensors: CUDA's context and its libraries' room


def device_bytes(architecture: Architecture, spec: Mapping) -> int:
    """How much memory a GPU should have free for a model: all its weights, or the largest part if streamed.

    `spec` has `dtype`, `batch_tokens` and `residency` of `evaluation`, and if samples are screened the type
    that they are `screened_in`.
    """
    itemsize = BYTES[spec["dtype"]]
    layers = layer_bytes(architecture, itemsize + second_bytes(spec.get("screened_in")))
    weights = max(layers) if spec["residency"] == "streamed" else sum(layers)
    batch_tokens = spec["batch_tokens"] or BATCH_TOKENS
    working = working_bytes(architecture, batch_tokens, itemsize)
    return room_on_gpu(weights, working)


def second_bytes(screened_in: str | None) -> int:
    """Bytes a weight of a second model, which samples are screened by; TF32 multiplies the first one's."""
    return BYTES["bfloat16"] if screened_in == "bfloat16" else 0


def room_on_gpu(weights: int, working: int) -> int:
    """How many bytes a GPU should have free for so many of weights and of a batch."""
    return CUDA_BYTES + int((weights + working) / FREE_SHARE)


def layer_bytes(architecture: Architecture, itemsize: int) -> list[int]:
    """The size of each layer's weights at `itemsize` bytes a weight, and of each part around the layers.

    A head that is tied to the embedding is there once. A model that transformers computes is one part.
    """
    a, weights = architecture, Counter()
    if isinstance(a, Outline):
        return [a.parameters * itemsize]
    for part, shape in shapes_of(a).items():
        if not (part == HEAD and a.tied):
            weights[part.name if part.layer is None else LAYER] += prod(shape)
    layer = weights.pop(LAYER)
    return [size * itemsize for size in (*a.layers * [layer], *weights.values())]


def working_bytes(architecture: Architecture, batch_tokens: int, itemsize: int) -> int:
    """What one batch takes beside the weights: the largest of its intermediate results, and its logits.

    The logits are counted twice, the second time in float32, and four bytes for what is compared for ranks.
    Those of transformers are of all tokens of a batch at one time.
    Products of queries and keys that no fused kernel computes are counted twice, and once in float32.
    """
    a = architecture
    tokens = max(batch_tokens, a.positions or 0)
    rows = tokens if isinstance(a, Outline) else LOGIT_ROWS
    widest = max(2 * (a.heads + 2 * a.key_heads) * a.head_size, 2 * a.intermediate) + 4 * a.hidden
    plain = not isinstance(a, Outline) and a.attends_plainly
    products = min(PRODUCTS["cuda"], tokens * a.heads * a.positions) if plain else 0
    return tokens * widest * itemsize + rows * a.vocabulary * (itemsize + 8) + products * (2 * itemsize + 4)
