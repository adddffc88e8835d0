"""RSA keys that can be factored because of how a smartcard made them (ROCA, CVE-2017-15361).

Nemec et al., The Return of Coppersmith's Attack, CCS 2017, section 2.2: the primes of such a key are congruent to a
power of 65537 modulo the product of the first primes, and therefore so is the modulus. A good key has that property by
chance in one of 2^154 cases.
"""

from functools import cache

_GENERATOR = 65537
_PRIMES = tuple(n for n in range(3, 168) if all(n % divisor for divisor in range(2, n)))


def has_roca(modulus: int) -> bool:
    """Whether an RSA modulus has the mark of those keys."""
    return all(modulus % prime in powers for prime, powers in _powers())


@cache
def _powers() -> tuple[tuple[int, frozenset[int]], ...]:
    return tuple((prime, frozenset(pow(_GENERATOR, k, prime) for k in range(prime - 1))) for prime in _PRIMES)
