"""A weighted choice in constant time: alias tables (Walker 1977), filled as by Vose (1991)."""

import numpy as np
from numpy.typing import NDArray

from scoring.reputation.compiled import compiled

CHOICE = np.dtype([("keep", np.float64), ("own", np.int32), ("other", np.int32)])

Choices = NDArray[np.void]  # of CHOICE: a slot gives `own` with the probability `keep`, and else `other`


@compiled
def fill_choices(
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    target: NDArray[np.int32],
    probability: NDArray[np.float64],
    choices: Choices,
) -> None:
    """The alias table of each row `begin[i] <= at < end[i]`, in its own place, unless it is there already.

    Every slot of a row is as likely as every other. What an entry has less than that is lent by one that has more.
    """
    longest = 0
    for row in range(begin.size):
        longest = max(longest, end[row] - begin[row])
    order = np.empty(longest, np.int64)  # entries that have less from the left, those that have more from the right
    for row in range(begin.size):
        first, length = begin[row], end[row] - begin[row]
        if length == 0 or choices[first]["keep"] > 0.0:
            continue
        less, more = 0, length
        for at in range(first, first + length):
            choices[at]["own"] = choices[at]["other"] = target[at]
            choices[at]["keep"] = probability[at] * length
            if choices[at]["keep"] < 1.0:
                order[less] = at
                less += 1
            else:
                more -= 1
                order[more] = at
        while less > 0 and more < length:
            less -= 1
            lacks, lends = order[less], order[more]
            choices[lacks]["other"] = choices[lends]["own"]
            choices[lends]["keep"] -= 1.0 - choices[lacks]["keep"]
            if choices[lends]["keep"] < 1.0:
                more += 1
                order[less] = lends
                less += 1
        for which in range(less):  # they lack nothing but rounding
            choices[order[which]]["keep"] = 1.0
        for which in range(more, length):
            choices[order[which]]["keep"] = 1.0


@compiled
def chosen(choices: Choices, first: int, length: int, chance: float) -> int:
    """What the row of `length` slots from `first` gives for `chance`, in [0, 1).

    One number does for both draws: the whole part of `chance * length` is the slot, and the rest is as uniform as it.
    """
    place = chance * length
    slot = min(int(place), length - 1)  # rounding may reach the end
    choice = choices[first + slot]
    target: int = choice["own"] if place - slot < choice["keep"] else choice["other"]
    return target
