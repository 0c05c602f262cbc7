// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {VaultTest} from "./VaultTest.sol";

/// joinCommittee
/// ├── below the minimum, or a member already: it reverts
/// └── otherwise: the account is drawn from the next period on
/// leaveCommittee
/// ├── not a member: it reverts
/// └── otherwise: the account is not drawn from the next period on
/// weight
/// ├── follows the active stake, locked part included
/// └── is zero while the stake is below the minimum, and comes back with it
/// drawCommittee
/// ├── never has the contributor or the requester, nobody twice, and fewer seats if fewer are eligible
/// ├── does not change when somebody joins, raises, leaves, unbonds or is slashed after the seed's period began
/// └── reverts when the period of the seed is more than one back, or has not begun
contract CommitteeTest is VaultTest {
    bytes32 private constant SEED = "seed";

    // ------------------------------------------------------------------ membership

    function test_Join_BelowTheMinimum_Reverts() external {
        stake(alice, MINIMUM - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.StakeVaultInsufficientStake.selector, alice, MINIMUM - 1, MINIMUM)
        );
        vm.prank(alice);
        vault.joinCommittee();
    }

    function test_Join_Twice_Reverts() external {
        stakeAndJoin(alice, MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultAlreadyMember.selector, alice));
        vm.prank(alice);
        vault.joinCommittee();
    }

    function test_Join_IsDrawnFromTheNextPeriodOn() external {
        stake(alice, MINIMUM);
        vm.expectEmit(address(vault));
        emit IStakeVault.CommitteeJoined(alice);
        vm.prank(alice);
        vault.joinCommittee();
        vm.assertTrue(vault.isMember(alice), "member");
        uint256 joined = vm.getBlockNumber();
        vm.assertEq(_draw(joined, 1).length, 0, "in the period of joining");
        nextPeriod();
        vm.assertEq(_draw(vm.getBlockNumber(), 1)[0], alice, "in the next period");
        vm.assertEq(_draw(joined, 1).length, 0, "in the period of joining, asked later");
    }

    function test_Leave_WhenNotAMember_Reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultNotMember.selector, alice));
        vm.prank(alice);
        vault.leaveCommittee();
    }

    function test_Leave_IsNotDrawnFromTheNextPeriodOn() external {
        stakeAndJoin(alice, MINIMUM);
        nextPeriod();
        vm.expectEmit(address(vault));
        emit IStakeVault.CommitteeLeft(alice);
        vm.prank(alice);
        vault.leaveCommittee();
        uint256 left = vm.getBlockNumber();
        vm.assertEq(_draw(left, 1)[0], alice, "in the period of leaving");
        nextPeriod();
        vm.assertEq(_draw(left, 1)[0], alice, "in the period of leaving, asked later");
        vm.assertEq(_draw(vm.getBlockNumber(), 1).length, 0, "in the next period");
        vm.prank(alice);
        vault.joinCommittee();
        nextPeriod();
        vm.assertEq(_draw(vm.getBlockNumber(), 1)[0], alice, "after joining again");
    }

    // ------------------------------------------------------------------ weight

    function test_Weight_FollowsTheActiveStake() external {
        stakeAndJoin(alice, 3 * MINIMUM);
        _assertWeight(3 * MINIMUM);
        stake(alice, MINIMUM);
        _assertWeight(4 * MINIMUM);
        lock(alice, 4 * MINIMUM);
        _assertWeight(4 * MINIMUM);
        slash(alice, MINIMUM, 4 * MINIMUM, bob, 0);
        _assertWeight(3 * MINIMUM);
        unbond(alice, MINIMUM);
        _assertWeight(2 * MINIMUM);
        unbond(alice, MINIMUM + 1);
        _assertWeight(0);
        vm.assertTrue(vault.isMember(alice), "still a member");
        stake(alice, 1);
        _assertWeight(MINIMUM);
        vm.prank(alice);
        vault.leaveCommittee();
        _assertWeight(0);
    }

    // ------------------------------------------------------------------ draw

    function testFuzz_Draw_IsDistinctAndLeavesOutTheParties(bytes32 seed, uint256 members, uint256 size) external {
        members = bound(members, 0, 12);
        size = bound(size, 0, 15);
        address[] memory accounts = new address[](members);
        for (uint256 i = 0; i < members; ++i) {
            accounts[i] = makeAddr(string(abi.encode("member", i)));
            stakeAndJoin(accounts[i], MINIMUM * (i + 1));
        }
        nextPeriod();
        address contributor = members > 0 ? accounts[0] : alice;
        address requester = members > 1 ? accounts[members - 1] : bob;
        address[] memory drawn = vault.drawCommittee(seed, vm.getBlockNumber(), size, contributor, requester);
        uint256 eligible = members > 2 ? members - 2 : 0;
        vm.assertEq(drawn.length, size < eligible ? size : eligible, "size");
        for (uint256 i = 0; i < drawn.length; ++i) {
            vm.assertTrue(drawn[i] != contributor && drawn[i] != requester, "not a party");
            vm.assertTrue(vault.isMember(drawn[i]), "a member");
            for (uint256 j = 0; j < i; ++j) {
                vm.assertTrue(drawn[i] != drawn[j], "distinct");
            }
        }
    }

    function test_Draw_WhenContributorIsRequester_LeavesItOutOnce() external {
        stakeAndJoin(alice, MINIMUM);
        stakeAndJoin(bob, MINIMUM);
        nextPeriod();
        address[] memory drawn = vault.drawCommittee(SEED, vm.getBlockNumber(), 2, alice, alice);
        vm.assertEq(drawn.length, 1, "size");
        vm.assertEq(drawn[0], bob, "the other");
    }

    /// Whoever knows the seed can try to move into the draw, or to move others out of it, by any change of stake or
    /// membership, in the seed's period or the next: the committee stays.
    function testFuzz_Threat04_NobodyCanStepIntoADrawWhoseSeedIsKnown(bytes32 seed, uint8[6] memory moves, bool late)
        external
    {
        _assembleCommittee();
        uint256 seedBlock = vm.getBlockNumber();
        address[] memory before = _drawWith(seed, seedBlock, 5);
        if (late) nextPeriod();
        for (uint256 i = 0; i < moves.length; ++i) {
            _move(moves[i]);
        }
        vm.assertEq(_drawWith(seed, seedBlock, 5), before, "committee");
    }

    /// The same moves do change the draws of the period after: the test above is not empty.
    function test_Threat04_MovesChangeTheNextPeriodsDraw() external {
        _assembleCommittee();
        uint256 total = vault.totalWeight(vm.getBlockNumber());
        for (uint8 move = 0; move < 5; ++move) {
            _move(move);
        }
        nextPeriod();
        vm.assertNotEq(vault.totalWeight(vm.getBlockNumber()), total, "total weight");
    }

    function test_Draw_WhenTheSnapshotIsGone_Reverts() external {
        stakeAndJoin(alice, MINIMUM);
        nextPeriod();
        uint256 seedBlock = vm.getBlockNumber() + PERIOD - 1; // The last block of this period.
        vm.roll(seedBlock + PERIOD); // The last block of the next one.
        vm.assertEq(_draw(seedBlock, 1)[0], alice, "drawn");
        vm.roll(seedBlock + PERIOD + 1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultSnapshotGone.selector, seedBlock));
        vault.drawCommittee(SEED, seedBlock, 1, address(0), address(0));
        uint256 future = seedBlock + 2 * PERIOD + 1; // The first block of the period to come.
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultSnapshotGone.selector, future));
        vault.drawCommittee(SEED, future, 1, address(0), address(0));
    }

    // ------------------------------------------------------------------ private

    /// @dev Eight members, of which carol, the attacker, is not one.
    function _assembleCommittee() private {
        for (uint256 i = 0; i < 6; ++i) {
            stakeAndJoin(makeAddr(string(abi.encode("member", i))), MINIMUM * (i + 1));
        }
        stakeAndJoin(alice, 4 * MINIMUM);
        stakeAndJoin(bob, 4 * MINIMUM);
        stake(carol, 20 * MINIMUM);
        nextPeriod();
    }

    function _move(uint8 move) private {
        if (move % 5 == 0) stake(alice, MINIMUM);
        if (move % 5 == 1 && vault.stakeOf(alice).unbonding == 0) unbond(alice, MINIMUM);
        if (move % 5 == 2 && !vault.isMember(carol)) {
            vm.prank(carol);
            vault.joinCommittee();
        }
        if (move % 5 == 3 && vault.isMember(bob)) {
            vm.prank(bob);
            vault.leaveCommittee();
        }
        if (move % 5 == 4) slash(bob, MINIMUM / 3, 0, carol, MINIMUM / 6);
    }

    function _assertWeight(uint256 stakeBehind) private {
        nextPeriod();
        vm.assertEq(vault.weightOf(alice, vm.getBlockNumber()), stakeBehind / 1e9, "weight");
        vm.assertEq(vault.totalWeight(vm.getBlockNumber()), stakeBehind / 1e9, "total");
    }

    function _draw(uint256 seedBlock, uint256 size) private view returns (address[] memory) {
        return _drawWith(SEED, seedBlock, size);
    }

    function _drawWith(bytes32 seed, uint256 seedBlock, uint256 size) private view returns (address[] memory) {
        return vault.drawCommittee(seed, seedBlock, size, address(0), address(0));
    }
}
