"""Whether a sample is code or prose, by a rule: how often marks stand in it that code has and prose has not.

It is a heuristic of ours, in place of the classifiers that others have trained; `docs/categories.md` says how
often it is right.
"""

import re

from memprune.corpus.features.sample_window import SampleWindow

MARKS = re.compile(
    r"""
    \w\( | \w\[ | \w\.\w          # calls, indices, attributes
    | [;{}][ \t]*$ | \)[ \t]*:    # ends of statements and beginnings of blocks
    | \s[-+*/!<>=:|&]?=\s         # assignments and comparisons
    | -> | :: | //                # arrows, scopes, comments
    | ^[ \t]*[#@][ \t]*\w         # comments, directives, decorators
    | \w_\w | [a-z][A-Z]          # names of several words
    """,
    re.MULTILINE | re.VERBOSE,
)
LEAST = 0.04  # marks a character that is no white space: prose has fewer


def describe(sample: SampleWindow) -> str | None:
    """`code` or `prose`; None of a text of white space alone."""
    characters = len("".join(sample.text.split()))
    if not characters:
        return None
    marks = sum(1 for _ in MARKS.finditer(sample.text))
    return "code" if marks >= LEAST * characters else "prose"
