"""Which tensors an architecture asks for, and their shapes as stored."""

from memprune.models.architecture import Architecture
from memprune.models.families import FAMILIES
from memprune.models.outline import Outline
from memprune.models.roles import MLP, QUERY_KEY_NORMS
from memprune.models.tensor_names import Part

EMBEDDING, HEAD = Part(None, "embedding", "weight"), Part(None, "head", "weight")
EMBEDDING_NORM = Part(None, "embedding_norm", "weight")


def shapes_of(architecture: Architecture) -> dict[Part, tuple[int, ...]]:
    """The shapes of the parts around the blocks and of those of layer 0; all layers are alike."""
    a, family = architecture, FAMILIES[architecture.family]
    shapes: dict[Part, tuple[int, ...]] = {EMBEDDING: (a.vocabulary, a.embedding_width)}
    if family.position_offset is not None:
        shapes[Part(None, "positions", "weight")] = (a.positions + family.position_offset, a.hidden)
    if a.embedding_width != a.hidden:
        shapes[Part(None, "project_in", "weight")] = (a.hidden, a.embedding_width)
        shapes[Part(None, "project_out", "weight")] = (a.embedding_width, a.hidden)
    for role, shape in matrix_shapes(a).items():
        shapes[Part(0, role, "weight")] = shape[::-1] if family.input_first else shape
        if a.output_bias if role == "output" else a.mlp_bias if role in MLP else a.attention_bias:
            shapes[Part(0, role, "bias")] = shape[:1]
    norms = [Part(0, name, "weight") for name in a.block_norms]
    norms += [Part(None, "final_norm", "weight")] if a.final_norm and a.norm_weights else []
    norms += [EMBEDDING_NORM] if EMBEDDING_NORM.name in family.around.values() else []
    heads = (a.heads, a.key_heads) if family.joint_head_norms else (1, 1)
    lengths = {name: count * a.head_size for name, count in zip(QUERY_KEY_NORMS, heads, strict=True)}
    for norm in norms:
        shapes[norm] = (lengths.get(norm.name, a.hidden),)
        if a.norm == "layer":
            shapes[Part(norm.layer, norm.name, "bias")] = shapes[norm]
    shapes[HEAD] = (a.vocabulary, a.embedding_width)
    if a.head_bias:
        shapes[Part(None, "head", "bias")] = (a.vocabulary,)
    return shapes


def matrix_shapes(architecture: Architecture | Outline) -> dict[str, tuple[int, int]]:
    """Output × input of the matrices of a block, by role in order.

    Of a model that transformers computes a role's matrices are taken as one with the inputs of hidden states.
    """
    a = architecture
    if isinstance(a, Outline):
        return {role: (-(-weights // (a.layers * a.hidden)), a.hidden) for role, weights in a.roles.items()}
    queries, keys = a.heads * a.head_size, a.key_heads * a.head_size
    shapes = {
        "query_key_value": (queries + 2 * keys, a.hidden),
        "query": (queries, a.hidden),
        "key": (keys, a.hidden),
        "value": (keys, a.hidden),
        "output": (a.hidden, queries),
        "up": (a.intermediate, a.hidden),
        "gate": (a.intermediate, a.hidden),
        "down": (a.hidden, a.intermediate),
    }
    return {role: shapes[role] for role in FAMILIES[a.family].matrices.values()}
