"""What a disk or a careless hand makes of a file."""

import random


def emptied(content: bytes, _: random.Random) -> bytes:
    return b""


def truncated(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def one_byte_changed(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


DAMAGES = [emptied, truncated, one_byte_changed]
