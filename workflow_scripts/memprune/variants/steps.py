"""What each kind of change gives to make a variant's weights with."""

from collections.abc import Callable

import numpy as np

# Changes, in place, the bits (unsigned integers) of a slice of a flat tensor.
Step = Callable[[slice, np.ndarray], object]
