// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A sum as it was when the last epoch closed and as it is now, in one slot.
/// @param epoch The open epoch at the last change.
struct EpochValue {
    uint112 closed;
    uint112 current;
    uint32 epoch;
}

using EpochValues for EpochValue global;

library EpochValues {
    /// @notice The value at the close of the epoch before `open`, the epoch that is open now.
    function atBoundary(EpochValue memory value, uint256 open) internal pure returns (uint256) {
        return value.epoch == open ? value.closed : value.current;
    }

    /// @notice Whether `amount` more can be counted.
    function fits(EpochValue memory value, uint256 amount) internal pure returns (bool) {
        return amount <= type(uint112).max - value.current;
    }

    /// @notice Adds `amount`, which fits, in the `open` epoch.
    function add(EpochValue storage value, uint256 amount, uint256 open) internal {
        EpochValue memory old = value;
        (value.closed, value.current, value.epoch) =
            (uint112(atBoundary(old, open)), old.current + uint112(amount), uint32(open));
    }
}
