// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Leaves of the Merkle trees that OpenZeppelin's `MerkleProof` verifies
/// @notice Hashed twice, so that a leaf is never an inner node of another tree.
library Leaf {
    /// @notice One account's share of a SHARED batch.
    function share(bytes32 batchId, address account, uint256 amount) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(batchId, account, amount))));
    }
}
