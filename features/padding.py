"""Arrays of different lengths in one array, and lengths that are rounded up."""

import numpy as np


def padded(arrays, length=0, dtype=np.int32):
    """Arrays (sentence, ...) -> one array (batch, longest, ...), with zeros after the end of each.

    length: the second dimension where it is greater than that of the longest array.
    """
    batch = np.zeros((len(arrays), max(length, *map(len, arrays)), *arrays[0].shape[1:]), dtype)
    for row, array in zip(batch, arrays):
        row[: len(array)] = array
    return batch


def rounded_up(count, digits):
    """The next number from `count` on with at most `digits` binary digits before its zeros. With
    digits = 1 that is the next power of two.
    """
    unit = 1 << max(count.bit_length() - digits, 0)
    return -(-count // unit) * unit
