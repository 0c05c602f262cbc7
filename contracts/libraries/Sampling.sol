// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Leaves of a batch that an audit looks at
library Sampling {
    /// @notice `min(samples, count)` distinct positions below `count`, every subset equally likely (R. W. Floyd 1987).
    function positions(bytes32 seed, uint256 count, uint256 samples) internal pure returns (uint256[] memory chosen) {
        uint256 size = samples < count ? samples : count;
        chosen = new uint256[](size);
        for (uint256 i = 0; i < size; ++i) {
            uint256 last = count - size + i;
            uint256 position = uint256(keccak256(abi.encode(seed, "leaf", i))) % (last + 1);
            for (uint256 j = 0; j < i; ++j) {
                if (chosen[j] == position) {
                    position = last;
                    break;
                }
            }
            chosen[i] = position;
        }
    }
}
