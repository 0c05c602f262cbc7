// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SortitionTree} from "../../../contracts/libraries/SortitionTree.sol";
import {Test} from "../Test.sol";

/// @notice The same as the tree, one leaf after the other, with all weights of all periods written down.
contract SlowSortition {
    uint256[] private _current;
    mapping(uint256 period => uint256[]) private _openings;
    uint256 private _period;

    function append() external {
        _current.push(0);
    }

    function set(uint256 leaf, uint256 weight) external {
        _current[leaf] = weight;
    }

    /// @dev Periods are entered one by one.
    function enter(uint256 period) external {
        require(period == _period + 1);
        _period = period;
        _openings[period] = _current;
    }

    function weightAt(uint256 leaf, uint256 period) public view returns (uint256) {
        return leaf < _openings[period].length ? _openings[period][leaf] : 0;
    }

    function draw(uint256 period, bytes32 seed, uint256 size, uint256[] memory excluded)
        external
        view
        returns (uint256[] memory drawn)
    {
        uint256[] memory left = _openings[period];
        for (uint256 i = 0; i < excluded.length; ++i) {
            if (excluded[i] < left.length) left[excluded[i]] = 0;
        }
        drawn = new uint256[](size);
        for (uint256 count = 0; count < size; ++count) {
            uint256 sum = 0;
            for (uint256 leaf = 0; leaf < left.length; ++leaf) {
                sum += left[leaf];
            }
            if (sum == 0) {
                assembly {
                    mstore(drawn, count)
                }
                break;
            }
            uint256 ticket = uint256(keccak256(abi.encode(seed, "committee", count))) % sum;
            uint256 found = 0;
            for (; ticket >= left[found]; ++found) {
                ticket -= left[found];
            }
            drawn[count] = found;
            left[found] = 0;
        }
    }
}

contract SortitionTreeTest is Test {
    using SortitionTree for SortitionTree.Tree;

    uint256 private constant FIRST_PERIOD = 1;

    SortitionTree.Tree private _tree;
    SlowSortition private _slow = new SlowSortition();
    uint256[] private _weights;
    uint256 private _period = FIRST_PERIOD;

    function setUp() external {
        _slow.enter(FIRST_PERIOD);
    }

    /// Random appends, changes and steps of the clock: every weight, every sum and every draw is what the slow reference
    /// says, in the current period and in the one before.
    function testFuzz_EqualsTheSlowReference(bytes32 entropy) external {
        for (uint256 step = 0; step < 60; ++step) {
            uint256 dice = uint256(keccak256(abi.encode(entropy, step)));
            if (_weights.length == 0 || dice % 4 == 0) {
                _append();
            } else if (dice % 4 == 1) {
                _slow.enter(++_period);
            } else {
                _set((dice >> 8) % _weights.length, (dice >> 40) % 5 == 0 ? 0 : uint72(dice >> 64) >> ((dice >> 48) % 72) >> 6);
            }
            if (step % 6 != 5) continue;
            _assertSame(_period, entropy);
            if (_period > FIRST_PERIOD) _assertSame(_period - 1, entropy);
        }
    }

    function test_Append_KeepsTheSumsOfBothPeriodsWhenTheTreeGrows() external {
        for (uint256 leaf = 0; leaf < 4; ++leaf) {
            _append();
            _set(leaf, 10 + leaf);
        }
        _slow.enter(++_period);
        _set(0, 20);
        _slow.enter(++_period);
        _set(1, 30);
        _append(); // The fifth leaf adds a level.
        _set(4, 40);
        vm.assertEq(_tree.height, 3, "height");
        vm.assertEq(_tree.total(_period - 1), 46, "opening of the period before");
        vm.assertEq(_tree.total(_period), 56, "opening of this period");
        vm.assertEq(_tree.total(_period + 1), 115, "now");
    }

    function test_Draw_FromAnEmptyTree_IsEmpty() external view {
        vm.assertEq(_tree.draw(_period, "seed", 5, new uint256[](0)).length, 0, "drawn");
    }

    /// Draws of two from eight: the first and the second seat have the frequencies that the weights ask for. The sum of
    /// the squared deviations is below the 99.9 % quantile of its distribution with seven degrees of freedom.
    function test_Threat04_DrawsFollowTheWeights() external {
        uint256 draws = 4_000;
        uint256[8] memory weights = [uint256(1), 2, 3, 5, 8, 13, 21, 47];
        for (uint256 leaf = 0; leaf < 8; ++leaf) {
            _append();
            _set(leaf, weights[leaf] * 1e9);
        }
        _slow.enter(++_period);

        uint256[8] memory first;
        uint256[8] memory second;
        for (uint256 i = 0; i < draws; ++i) {
            uint256[] memory drawn = _tree.draw(_period, keccak256(abi.encode("chi-square", i)), 2, new uint256[](0));
            ++first[drawn[0]];
            ++second[drawn[1]];
        }
        uint256 firstDeviation = 0;
        uint256 secondDeviation = 0;
        for (uint256 j = 0; j < 8; ++j) {
            uint256 chance = 0; // Of the second seat, in units of 1e-18: the sum of w_i / 100 x w_j / (100 - w_i).
            for (uint256 i = 0; i < 8; ++i) {
                if (i != j) chance += weights[i] * weights[j] * 1e18 / (100 * (100 - weights[i]));
            }
            firstDeviation += _deviation(first[j], draws * weights[j] * 1e16);
            secondDeviation += _deviation(second[j], draws * chance);
        }
        vm.assertLt(firstDeviation, 24.322e18, "first seat");
        vm.assertLt(secondDeviation, 24.322e18, "second seat");
    }

    /// @dev Squared deviation over the expectation, both in units of 1e-18.
    function _deviation(uint256 observed, uint256 expected) private pure returns (uint256) {
        uint256 distance = observed * 1e18 > expected ? observed * 1e18 - expected : expected - observed * 1e18;
        return distance * distance / expected;
    }

    function _append() private {
        vm.assertEq(_tree.append(), _weights.length, "leaf");
        _weights.push(0);
        _slow.append();
    }

    function _set(uint256 leaf, uint256 weight) private {
        _tree.update(leaf, _weights[leaf], weight, _period);
        _weights[leaf] = weight;
        _slow.set(leaf, weight);
    }

    function _assertSame(uint256 period, bytes32 entropy) private view {
        uint256 sum = 0;
        for (uint256 leaf = 0; leaf < _weights.length; ++leaf) {
            (uint256 start, uint256 weight) = _tree.locate(period, leaf);
            vm.assertEq(start, sum, "start");
            vm.assertEq(weight, _slow.weightAt(leaf, period), "weight");
            sum += weight;
        }
        vm.assertEq(_tree.total(period), sum, "total");

        uint256[] memory excluded = new uint256[](_weights.length > 2 ? 2 : 0);
        if (excluded.length == 2) (excluded[0], excluded[1]) = (_weights.length - 1, _weights.length / 2);
        bytes32 seed = keccak256(abi.encode(entropy, period));
        vm.assertEq(_tree.draw(period, seed, 6, excluded), _slow.draw(period, seed, 6, excluded), "drawn");
    }
}
