"""Models of all types that transformers has: its log-probabilities, or one line."""

import pytest
from walked_types import BEGIN, DECODER, END, NOT_BUILT, PAGE, REFUSED, TYPES, outcome, section

pytestmark = pytest.mark.slow
ALLOWED = 2e-5  # nats: products of matrices are cut otherwise by the decoder


@pytest.mark.parametrize("model_type", TYPES)
def test_log_probabilities_are_those_of_transformers_or_one_line_says_why_not(model_type: str) -> None:
    found = outcome(model_type)
    if found.way == NOT_BUILT:
        pytest.skip(found.note)
    assert found.way == REFUSED or found.deviation <= (ALLOWED if found.way == DECODER else 2e-6), found


def test_the_page_says_what_becomes_of_each_type() -> None:
    assert section() == PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
