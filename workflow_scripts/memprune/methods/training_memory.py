"""The memory that differentiating a model takes, known from its architecture."""

from memprune.devices.footprint import layer_bytes
from memprune.models.architecture import Architecture

BATCH_TOKENS = 2048  # of texts that are differentiated at one time, one text at least
FLOAT = 4  # bytes
GRADIENT_BYTES = 2 * FLOAT  # a weight, and its gradient
FINETUNE_BYTES = 4 * FLOAT + 1  # with two moments, and whether it is held
# Numbers that are kept of a token in a layer for the way back, of each kind of size, and of its logits:
# measured of transformers' GPT-NeoX, GPT-2, Llama and OPT, of which GPT-2 comes closest and OPT has half.
HIDDEN, INTERMEDIATE, LOGITS = 10, 5, 3


def training_bytes(architecture: Architecture, tokens: int, bytes_a_weight: int) -> int:
    """Bytes to differentiate a model in float32 on texts of `tokens` tokens each."""
    a = architecture
    kept = a.layers * (HIDDEN * a.hidden + INTERMEDIATE * a.intermediate) + LOGITS * a.vocabulary
    return sum(layer_bytes(a, bytes_a_weight)) + FLOAT * max(tokens, BATCH_TOKENS) * kept
