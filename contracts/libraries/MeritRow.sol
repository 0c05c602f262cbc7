// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice One account's entry in a score vector, with everything needed to check it.
/// @param index Position among the rows, which are sorted by account.
/// @param visits Expected visits of the account by a walk, in units of 2^-44.
/// @param diagonal Expected visits of the account by a walk that begins there, in units of 2^-24.
/// @param bridge The first account after the root that every walk to this one passes, the account itself where there is
/// none; the root is the seed if there is one, else a virtual account before the seeds.
/// @param score 1e18 = 1.0.
struct Row {
    uint32 index;
    address account;
    uint64 visits;
    uint64 diagonal;
    address bridge;
    uint64 score;
}

/// @notice What MeritRank says of one row, given the rows of its in-neighbours. Pure, in integers.
///
/// Visits x solve x(j) = seed(j) + (1 - stop) sum over u of w(u,j) / W(u) x(u). An honest proposer rounds each x to the
/// nearest unit, which moves a row's residual by half a unit and half a unit for each in-neighbour; the tolerance of
/// `degree + 1` units covers that and what is lost by the divisions here. Conversely, since each column of the matrix
/// sums to at most 1 - stop, a vector whose every row passes is within the sum of all tolerances / stop of the solution.
library MeritRow {
    /// @notice 1.0 in the unit of visits and probabilities.
    uint256 internal constant ONE = 1 << VISITS_BITS;

    /// @notice 1.0 in the unit of diagonals.
    uint256 internal constant DIAGONAL_ONE = 1 << DIAGONAL_BITS;

    uint256 internal constant VISITS_BITS = 44;
    uint256 internal constant DIAGONAL_BITS = 24;

    /// @dev An inflow carries this many more bits than visits: the divisions of 65,536 in-neighbours lose one unit together.
    uint256 private constant GUARD_BITS = 16;

    /// @notice Leaf of a row in the tree of an epoch's scores; hashed twice, so that no inner node can pass for one.
    /// @param subject Zero for the scores; for the visits by walks that begin at an account, that account.
    function leaf(uint256 epoch, address subject, Row memory row) internal pure returns (bytes32) {
        bytes memory encoded = subject == address(0) ? abi.encode(epoch, row) : abi.encode(epoch, subject, row);
        return keccak256(bytes.concat(keccak256(encoded)));
    }

    /// @notice Whether `node` is the leaf at `index` of `count` leaves under `root`: the proof must have the shape that
    /// the index asks for.
    function isInTree(bytes32 node, uint256 index, bytes32[] calldata proof, bytes32 root, uint256 count)
        internal
        pure
        returns (bool)
    {
        if (index >= count) return false;
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

    /// @notice What one in-edge brings: (1 - stop) x weight / strength x visits of the neighbour, with guard bits.
    /// @param weight Below 2^112, as `strength`, which is not zero.
    function inflow(uint256 stop, uint256 weight, uint256 strength, uint256 visits) internal pure returns (uint256) {
        // Below 2^(44 + 112 + 64 + 16), so the product fits.
        return (((ONE - stop) * weight * visits) << GUARD_BITS) / (strength << VISITS_BITS);
    }

    /// @notice Whether `visits` are what begins here and flows in, within `degree + 1` units.
    /// @param inflows Sum of the inflows of all `degree` in-edges.
    function isBalanced(uint256 visits, uint256 seedWeight, uint256 inflows, uint256 degree)
        internal
        pure
        returns (bool)
    {
        uint256 left = visits << GUARD_BITS;
        uint256 right = (seedWeight << GUARD_BITS) + inflows;
        return (left > right ? left - right : right - left) <= (degree + 1) << GUARD_BITS;
    }

    /// @notice The part of `probability`, in units of 2^-44, that goes on over an edge, rounded down.
    function follow(uint256 stop, uint256 weight, uint256 strength, uint256 probability)
        internal
        pure
        returns (uint256)
    {
        return inflow(stop, weight, strength, probability) >> GUARD_BITS;
    }

    /// @notice Whether a diagonal is below 1 + `probability`, the probability to come back, by more than its rounding.
    function isDiagonalBelow(uint256 diagonal, uint256 probability) internal pure returns (bool) {
        return diagonal + 1 < DIAGONAL_ONE + (probability >> (VISITS_BITS - DIAGONAL_BITS));
    }

    /// @notice Whether a diagonal is the rounding of `visits`.
    function isSameDiagonal(uint256 diagonal, uint256 visits) internal pure returns (bool) {
        uint256 scaled = diagonal << (VISITS_BITS - DIAGONAL_BITS);
        return (scaled > visits ? scaled - visits : visits - scaled) <= 1 << (VISITS_BITS - DIAGONAL_BITS);
    }

    /// @notice Score before distrust: the probability that a walk ever reaches the account, less the decay where every
    /// such walk passes one bridge. 1e18 = 1.0.
    function trustScore(Row memory row, uint256 bridgeDecay) internal pure returns (uint256) {
        // A row with a diagonal below 1 is wrong; its neighbours' checks must not fail on it.
        uint256 diagonal = Math.max(row.diagonal, DIAGONAL_ONE);
        uint256 kept = row.bridge == row.account ? ONE : ONE - bridgeDecay;
        return uint256(row.visits) * DIAGONAL_ONE * 1e18 * kept / (diagonal * ONE * ONE);
    }

    /// @notice What one account's distrust takes: its own score before distrust, by the weight of the edge among all of its distrust.
    function penalty(uint256 score, uint256 weight, uint256 strength) internal pure returns (uint256) {
        return score * weight / strength;
    }
}
