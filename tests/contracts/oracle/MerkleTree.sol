// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The tree that the Python side builds: sorted pairs, an odd node promoted.
library MerkleTree {
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        bytes32[] memory level = leaves;
        while (level.length > 1) {
            level = _next(level);
        }
        return level[0];
    }

    function proof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory siblings) {
        siblings = new bytes32[](32);
        uint256 count = 0;
        for (bytes32[] memory level = leaves; level.length > 1; level = _next(level)) {
            if (index ^ 1 < level.length) siblings[count++] = level[index ^ 1];
            index /= 2;
        }
        assembly {
            mstore(siblings, count)
        }
    }

    function _next(bytes32[] memory level) private pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            if (2 * i + 1 == level.length) {
                next[i] = level[2 * i];
                continue;
            }
            (bytes32 a, bytes32 b) = (level[2 * i], level[2 * i + 1]);
            next[i] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
        }
    }
}
