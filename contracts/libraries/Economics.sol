// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title When cheating pays
/// @notice The same integers as `scoring/economics.py`. Rates are basis points.
library Economics {
    uint256 internal constant ONE = 10_000;

    /// @notice Audit rate of a contributor: from `ceiling` at reputation 0 down to `floor` at reputation 1e18 and above.
    function auditRate(uint256 floor, uint256 ceiling, uint256 reputation) internal pure returns (uint256) {
        if (reputation >= 1e18) return floor;
        return ceiling - (ceiling - floor) * reputation / 1e18;
    }

    /// @notice Probability in basis points that one faked leaf must be caught with, so that no cheat pays; rounded up.
    /// @dev A cheat that fakes a fraction f of n leaves saves at most n f price, caught or not, and loses
    /// n (slash + price) when it is caught: no profit if P(f) >= f price / (slash + price). P is concave in f and grows
    /// with the number of leaves, so the case to check is a batch of one faked leaf, P = rate x detection.
    function neededCatch(uint256 price, uint256 slash) internal pure returns (uint256) {
        return price == 0 ? 0 : (price * ONE + slash + price - 1) / (slash + price);
    }

    /// @notice Probability in basis points that one faked leaf is audited and found; rounded down.
    function surelyCaught(uint256 rate, uint256 detection) internal pure returns (uint256) {
        return rate * detection / ONE;
    }
}
