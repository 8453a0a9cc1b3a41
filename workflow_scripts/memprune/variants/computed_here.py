"""What only models of the decoder of ours can be asked for."""

from memprune.errors import UserError
from memprune.models.architecture import Architecture
from memprune.models.outline import Outline


def check_decoder(architecture: Architecture | Outline, model: str, place: str, what: str) -> None:
    """Raise UserError, which begins with `place`, where transformers computes the model that is asked for."""
    if isinstance(architecture, Outline):
        raise UserError(
            f"{place}: found {what} in model {model}, which transformers computes ({architecture.family}); "
            "allowed there: whole matrices, and methods that look at weights alone"
        )
