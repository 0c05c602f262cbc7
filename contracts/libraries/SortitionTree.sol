// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice Weighted draw without replacement from the weights at the start of a period.
///
/// The leaves lie side by side on a line, each as long as its weight; a ticket is a point on that line. The tree is
/// binary and holds sums. Going down needs the sum of each left child only, so only those (and the root) are stored:
/// half of a leaf's ancestors on average. A leaf, once appended, stays; the tree grows by a level when it is full.
///
/// Each sum is kept as it is now, as it was at the start of the period of its last change, and of the period before
/// that. So the sums at the start of the current period and of the one before can always be told.
library SortitionTree {
    using SafeCast for uint256;

    /// @dev One slot.
    struct Node {
        uint72 current;
        uint72 opening;
        uint72 previousOpening;
        uint40 period;
    }

    struct Tree {
        uint32 leaves;
        uint8 height;
        mapping(uint256 key => Node) nodes;
    }

    /// @dev Stretches of the line that are out of the draw, in the order of their starts.
    struct Gaps {
        uint256 count;
        uint256 length;
        uint256[] starts;
        uint256[] lengths;
    }

    // ------------------------------------------------------------------ writing

    /// @notice Adds a leaf of weight zero.
    function append(Tree storage tree) internal returns (uint32 leaf) {
        leaf = tree.leaves;
        uint8 height = tree.height;
        if (leaf == uint256(1) << height) {
            // The old root becomes the left child of the new one, whose right child has been zero until now.
            tree.nodes[_key(height + 1, 0)] = tree.nodes[_key(height, 0)];
            tree.height = height + 1;
        }
        tree.leaves = leaf + 1;
    }

    /// @notice Changes the weight of `leaf` from `from`, which must be what it is, to `to`.
    function update(Tree storage tree, uint256 leaf, uint256 from, uint256 to, uint256 period) internal {
        uint256 height = tree.height;
        for (uint256 level = 0; level <= height; ++level) {
            uint256 index = leaf >> level;
            if (index & 1 == 1) continue;
            Node storage node = tree.nodes[_key(level, index)];
            Node memory old = node;
            if (old.period != period) {
                old.previousOpening = _at(old, period - 1);
                old.opening = old.current;
                old.period = uint40(period); // A block number fits.
            }
            old.current = (old.current + to - from).toUint72();
            (node.current, node.opening, node.previousOpening, node.period) =
                (old.current, old.opening, old.previousOpening, old.period);
        }
    }

    // ------------------------------------------------------------------ reading

    /// @notice Sum of all weights at the start of `period`, which must be the current one or the one before.
    function total(Tree storage tree, uint256 period) internal view returns (uint256) {
        return _at(tree.nodes[_key(tree.height, 0)], period);
    }

    /// @notice Where the stretch of `leaf` began on the line, and its weight, at the start of `period`.
    function locate(Tree storage tree, uint256 period, uint256 leaf)
        internal
        view
        returns (uint256 start, uint256 weight)
    {
        weight = total(tree, period);
        for (uint256 level = tree.height; level > 0; --level) {
            uint256 child = leaf >> (level - 1);
            uint256 left = _at(tree.nodes[_key(level - 1, child & ~uint256(1))], period);
            if (child & 1 == 0) {
                weight = left;
            } else {
                start += left;
                weight -= left;
            }
        }
    }

    /// @notice The leaf on whose stretch `point` lay at the start of `period`; `point` must be below the total.
    function find(Tree storage tree, uint256 period, uint256 point)
        internal
        view
        returns (uint256 leaf, uint256 start, uint256 weight)
    {
        weight = total(tree, period);
        for (uint256 level = tree.height; level > 0; --level) {
            leaf <<= 1;
            uint256 left = _at(tree.nodes[_key(level - 1, leaf)], period);
            if (point < start + left) {
                weight = left;
            } else {
                start += left;
                weight -= left;
                ++leaf;
            }
        }
    }

    /// @notice Draws up to `size` leaves by their weights at the start of `period`, without replacement; fewer if fewer have any weight.
    /// @param excluded Leaves that must not be drawn.
    function draw(Tree storage tree, uint256 period, bytes32 seed, uint256 size, uint256[] memory excluded)
        internal
        view
        returns (uint256[] memory drawn)
    {
        Gaps memory gaps;
        gaps.starts = new uint256[](size + excluded.length);
        gaps.lengths = new uint256[](size + excluded.length);
        for (uint256 i = 0; i < excluded.length; ++i) {
            (uint256 start, uint256 weight) = locate(tree, period, excluded[i]);
            _cut(gaps, start, weight);
        }

        uint256 length = total(tree, period);
        drawn = new uint256[](size);
        uint256 count = 0;
        while (count < size && gaps.length < length) {
            uint256 ticket = uint256(keccak256(abi.encode(seed, "committee", count))) % (length - gaps.length);
            (uint256 leaf, uint256 start, uint256 weight) = find(tree, period, _skip(gaps, ticket));
            _cut(gaps, start, weight);
            drawn[count++] = leaf;
        }
        assembly ("memory-safe") {
            mstore(drawn, count) // Shrinks the array, never grows it.
        }
    }

    // ------------------------------------------------------------------ private

    /// @dev The point on the whole line that is the `ticket`-th outside the gaps.
    function _skip(Gaps memory gaps, uint256 ticket) private pure returns (uint256 point) {
        point = ticket;
        for (uint256 i = 0; i < gaps.count && point >= gaps.starts[i]; ++i) {
            point += gaps.lengths[i];
        }
    }

    /// @dev Inserts a gap in order.
    function _cut(Gaps memory gaps, uint256 start, uint256 length) private pure {
        if (length == 0) return;
        uint256 i = gaps.count++;
        for (; i > 0 && gaps.starts[i - 1] > start; --i) {
            gaps.starts[i] = gaps.starts[i - 1];
            gaps.lengths[i] = gaps.lengths[i - 1];
        }
        gaps.starts[i] = start;
        gaps.lengths[i] = length;
        gaps.length += length;
    }

    /// @dev The sum at the start of `period`, which is the current period or the one before.
    function _at(Node memory node, uint256 period) private pure returns (uint72) {
        if (node.period < period) return node.current;
        return node.period == period ? node.opening : node.previousOpening;
    }

    function _key(uint256 level, uint256 index) private pure returns (uint256) {
        return level << 32 | index;
    }
}
