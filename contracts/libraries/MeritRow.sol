// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One account's entry in a score vector, with everything needed to check it.
/// @param index Position among the rows, which are sorted by account.
/// @param visits Expected visits of the account by a walk, in units of 2^-44.
/// @param diagonal Expected visits of the account by a walk that begins there, in units of 2^-24.
/// @param bridge The account next to the seeds that every walk to this one passes; the account itself where there is none.
/// @param score 1e18 = 1.0.
struct Row {
    uint32 index;
    address account;
    uint64 visits;
    uint64 diagonal;
    address bridge;
    uint64 score;
}

/// @notice Pure arithmetic of MeritRank rows.
library MeritRow {
    /// @notice Leaf of a row in its epoch's tree; hashed twice, so that no inner node can pass for one.
    function leaf(uint256 epoch, Row memory row) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(epoch, row))));
    }
}
