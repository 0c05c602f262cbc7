"""How far a source is to be believed: evidence that is forgotten slowly, and at once where the source has changed."""

from dataclasses import dataclass, replace
from math import isfinite, log, sqrt

from scoring.retrieval.errors import InvalidCreditError, InvalidPriorError

# The size of a usual credit: evidence is counted in observations of this size.
USUAL_CREDIT = 0.35
# Observations that the prior is worth: those of a uniform distribution.
PRIOR_WEIGHT = 2.0
# Nothing is certain before it is seen: at 1, one failure would be impossible.
MOST_PRIOR = 0.99
# What one observation leaves of the evidence before it: about 500 of them are remembered.
FORGETTING = 0.998
# Logarithm of the odds at which a source is taken to have changed, against half the reliability it had before.
ALARM = 11.0
_FALL = 0.5


@dataclass(frozen=True)
class Evidence:
    """Decayed evidence about one source, in observations of USUAL_CREDIT.

    prior: reliability of a source about which nothing is known. positive, negative: evidence for and against.
    alarm, recent_positive, recent_negative: Page's statistic, and the evidence since it was last zero.
    """

    prior: float = 0.5
    positive: float = 0.0
    negative: float = 0.0
    alarm: float = 0.0
    recent_positive: float = 0.0
    recent_negative: float = 0.0

    def __post_init__(self) -> None:
        """Raises InvalidPriorError."""
        if not 0 <= self.prior <= MOST_PRIOR:
            raise InvalidPriorError(self.prior, MOST_PRIOR)

    @property
    def reliability(self) -> float:
        """Mean of the Beta distribution that the evidence and the prior make: above 0, under 1."""
        return (PRIOR_WEIGHT * self.prior + self.positive) / self._weight

    @property
    def standing(self) -> float:
        """The reliability plus its standard deviation: what passages are ordered by.

        Without this optimism a good source that is unlucky once is never shown, and so never judged, again.
        """
        mean = self.reliability
        return mean + sqrt(mean * (1 - mean) / (self._weight + 1))

    def after(self, credit: float) -> "Evidence":
        """The evidence after one more credit, from -1 to 1; a credit of zero says nothing.

        Two hypotheses are compared as in Page, "Continuous Inspection Schemes" (1954): that the source is as reliable
        as before, and that it has become half as reliable. Once the odds of the second pass ALARM, all that was seen
        before the change is forgotten. Raises InvalidCreditError.
        """
        if not isfinite(credit) or abs(credit) > 1:
            raise InvalidCreditError(credit)
        if credit == 0:
            return self
        positive, negative = max(0.0, credit) / USUAL_CREDIT, max(0.0, -credit) / USUAL_CREDIT
        before, fallen = self.reliability, _FALL * self.reliability
        alarm = self.alarm + positive * log(_FALL) + negative * log((1 - fallen) / (1 - before))
        if alarm > ALARM:
            return Evidence(self.prior, self.recent_positive + positive, self.recent_negative + negative)
        kept = replace(
            self, positive=FORGETTING * self.positive + positive, negative=FORGETTING * self.negative + negative
        )
        if alarm <= 0:
            return replace(kept, alarm=0.0, recent_positive=0.0, recent_negative=0.0)
        return replace(
            kept,
            alarm=alarm,
            recent_positive=self.recent_positive + positive,
            recent_negative=self.recent_negative + negative,
        )

    @property
    def _weight(self) -> float:
        return PRIOR_WEIGHT + self.positive + self.negative
