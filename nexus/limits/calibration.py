"""Predicts a vendor's input token counts from our estimates: a factor for text, one for media, and an overhead.

Pure and bounded, whatever vendors report. It is a Bayesian linear regression: what was not observed yet, such as a new
model or prompts ten times as long, gets a wide bound, and a narrow one after a few answers. One answer moves the
prediction by a few standard deviations at most. Old answers are forgotten only as far as new ones inform about the same
kind of prompt (Cao and Schwartz 2000, directional forgetting), so that a thousand short prompts do not erase what is
known about long ones.
"""

from __future__ import annotations

from math import hypot, sqrt

from nexus.conversation.estimate import Estimate
from nexus.dataclasses import dataclass

Vector = tuple[float, float, float]
Matrix = tuple[float, float, float, float, float, float]
"""A symmetric matrix: xx, xy, xz, yy, yz, zz."""

LEAST_FACTOR, LEAST_OF_MEDIA = 0.25, 0.02
"""Lower limits of the factors for text and media, whatever was observed."""

MOST_FACTOR, MOST_OVERHEAD = 4.0, 4000
"""Upper limits of the factors and of the overhead in tokens."""

LARGEST = 100_000
"""Answers with more tokens are scaled down to this many."""

_FACTOR_SPREAD, _OVERHEAD_SPREAD = 1.5, 250.0
"""Standard deviations of the prior: of the factors, and of the overhead (tokens that vendors add on their own)."""

_NOISE, _LEAST_NOISE = 0.1, 4.0
"""Standard deviation between similar calls: as a fraction of their tokens, and at least this many tokens."""

_SURE = 2.0
"""How many standard deviations of the uncertainty the bound lies above the guess."""

_OUTLIER = 10.0
"""The error of one answer counts for at most this many standard deviations."""

_MEMORY = 0.9
"""How much of what is known about a kind of prompt is kept per answer about it: half after seven answers."""

_PRIOR: Matrix = (_FACTOR_SPREAD**-2, 0.0, 0.0, _FACTOR_SPREAD**-2, 0.0, _OVERHEAD_SPREAD**-2)

_PRIOR_SHARE = 0.001
"""Share of the prior that is added back with every answer, which keeps the arithmetic stable."""

_KEPT = 1 - _PRIOR_SHARE
_RETURNING = tuple(_PRIOR_SHARE * part for part in _PRIOR)

_ENDLESS = 10**12
"""Counts are capped here: larger numbers are not token counts, and may be too large for a float."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Tokens of one prompt: the best ``guess``, and a ``bound`` that they are unlikely to exceed."""

    guess: int
    bound: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known about one model: the factors and the overhead (``weights``), and how precisely. ``covariance`` is
    the inverse of ``precision``.
    """

    weights: Vector
    precision: Matrix
    covariance: Matrix

    def expect(self, estimate: Estimate) -> Expected:
        features = _features(estimate)
        guess = _sane(_dot(self.weights, features), features)
        bound = guess + _SURE * sqrt(self._variance(features))
        return Expected(max(1, round(guess)), max(1, round(min(bound, _most(features)))))

    def after(self, estimate: Estimate, reported: int) -> Calibration:
        """Updated with what the vendor reported for an estimate."""
        largest = max(estimate.text, estimate.media, reported)
        scale = 1.0 if largest <= LARGEST else LARGEST / min(largest, _ENDLESS)
        features, seen = _scaled(_features(estimate), scale), min(reported, _ENDLESS) * scale
        predicted = _dot(self.weights, features)
        guess = _sane(predicted, features)
        noise = _noise(guess)
        unusual = _OUTLIER * sqrt(noise * noise + self._variance(features))
        error = min(unusual, max(-unusual, seen - predicted))
        # A guess that is far off says nothing about the noise, so move it to within a factor of three of the answer.
        believed = max(0.0, guess + error)
        noise = _noise(min(3 * believed, max(believed / 3, guess)))
        precision = self._renewed(features, noise)
        covariance = _inverse(precision)
        step = _times(covariance, _scaled(features, error / (noise * noise)))
        return Calibration(_sum(self.weights, step), precision, covariance)

    def _variance(self, features: Vector) -> float:
        xx, xy, xz, yy, yz, zz = self.covariance
        x, y, z = features
        return max(0.0, x * (xx * x + 2 * (xy * y + xz * z)) + y * (yy * y + 2 * yz * z) + zz * z * z)

    def _renewed(self, features: Vector, noise: float) -> Matrix:
        """The precision after forgetting, with a little of the prior added, and the new answer's share."""
        along = _times(self.precision, features)
        forgotten = _KEPT * (1 - _MEMORY) / _dot(features, along)
        a, b, c = along
        x, y, z = _scaled(features, 1 / noise)
        xx, xy, xz, yy, yz, zz = self.precision
        return (
            _KEPT * xx - forgotten * a * a + x * x + _RETURNING[0],
            _KEPT * xy - forgotten * a * b + x * y + _RETURNING[1],
            _KEPT * xz - forgotten * a * c + x * z + _RETURNING[2],
            _KEPT * yy - forgotten * b * b + y * y + _RETURNING[3],
            _KEPT * yz - forgotten * b * c + y * z + _RETURNING[4],
            _KEPT * zz - forgotten * c * c + z * z + _RETURNING[5],
        )


def _features(estimate: Estimate) -> Vector:
    return (float(min(estimate.text, _ENDLESS)), float(min(estimate.media, _ENDLESS)), 1.0)


def _sane(tokens: float, features: Vector) -> float:
    """``tokens`` limited to the plausible range."""
    return max(LEAST_FACTOR * features[0] + LEAST_OF_MEDIA * features[1], min(_most(features), tokens))


def _most(features: Vector) -> float:
    return MOST_FACTOR * (features[0] + features[1]) + MOST_OVERHEAD


def _noise(tokens: float) -> float:
    return hypot(_NOISE * tokens, _LEAST_NOISE)


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _sum(a: Vector, b: Vector) -> Vector:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _scaled(a: Vector, scale: float) -> Vector:
    return (a[0] * scale, a[1] * scale, a[2] * scale)


def _times(a: Matrix, b: Vector) -> Vector:
    xx, xy, xz, yy, yz, zz = a
    x, y, z = b
    return (xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z)


def _inverse(a: Matrix) -> Matrix:
    """By Cramer's rule; ``a`` is positive definite."""
    xx, xy, xz, yy, yz, zz = a
    first = (yy * zz - yz * yz, yz * xz - xy * zz, xy * yz - yy * xz)
    whole = xx * first[0] + xy * first[1] + xz * first[2]
    rest = ((zz * xx - xz * xz) / whole, (xz * xy - yz * xx) / whole, (xx * yy - xy * xy) / whole)
    return (*_scaled(first, 1 / whole), *rest)


UNKNOWN = Calibration((1.0, 1.0, 0.0), _PRIOR, _inverse(_PRIOR))
"""For a model without answers yet."""
