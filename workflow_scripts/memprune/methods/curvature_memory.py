"""What it takes to solve a layer's weights by their curvature, known without importing torch."""

from memprune.models.architecture import Architecture
from memprune.models.shapes import matrix_shapes

FLOAT = 4  # bytes
SHARED = ("key", "value", "gate")  # roles of matrices that have another's inputs, and its Hessian


def curvature_bytes(architecture: Architecture) -> int:
    """Bytes beside the layer itself and a batch: its Hessians, one inverse, and a matrix being solved."""
    shapes = matrix_shapes(architecture)
    hessians = [inputs**2 for role, (_, inputs) in shapes.items() if role not in SHARED]
    # Inverting takes two more of the largest; solving keeps the weights and masks of them.
    largest = max(outputs * inputs for outputs, inputs in shapes.values())
    return FLOAT * (sum(hessians) + 2 * max(hessians) + 2 * largest)


def curvature_operations(architecture: Architecture) -> float:
    """Floating-point operations to invert all layers' Hessians and to solve their matrices.

    Of n inputs 4/3 n³ to factor, to invert and to factor again (Golub and Van Loan 2013, section 4.2), and of
    m outputs m n², since an input's error goes to all after it.
    """
    shapes = matrix_shapes(architecture)
    inverting = sum(4 / 3 * inputs**3 for role, (_, inputs) in shapes.items() if role not in SHARED)
    return architecture.layers * float(
        inverting + sum(outputs * inputs**2 for outputs, inputs in shapes.values())
    )


def hessian_operations(architecture: Architecture, tokens: int) -> float:
    """Floating-point operations to sum up the Hessians of all layers over so many tokens."""
    shapes = matrix_shapes(architecture)
    hessians = sum(inputs**2 for role, (_, inputs) in shapes.items() if role not in SHARED)
    return architecture.layers * 2.0 * tokens * hessians
