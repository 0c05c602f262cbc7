// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

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
    /// @notice 1.0 in the unit of visits and probabilities.
    uint256 internal constant ONE = 1 << 44;

    /// @notice Leaf of a row in its epoch's tree; hashed twice, so that no inner node can pass for one.
    function leaf(uint256 epoch, Row memory row) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(epoch, row))));
    }

    /// @notice Whether `row` is in the tree of `count` rows with `root`, and the proof has the shape that its index asks for.
    function verify(uint256 epoch, Row memory row, bytes32[] calldata proof, bytes32 root, uint256 count)
        internal
        pure
        returns (bool)
    {
        uint256 index = row.index;
        if (index >= count) return false;
        bytes32 node = leaf(epoch, row);
        uint256 used = 0;
        for (uint256 last = count - 1; last > 0; last >>= 1) {
            // The last node of an odd level has no sibling and is promoted unchanged.
            if (index ^ 1 <= last) {
                if (used == proof.length) return false;
                node = Hashes.commutativeKeccak256(node, proof[used++]);
            }
            index >>= 1;
        }
        return used == proof.length && node == root;
    }
}
