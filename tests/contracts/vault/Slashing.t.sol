// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {IConstants} from "../Interfaces.sol";
import {Panics} from "../Test.sol";
import {VaultTest} from "./VaultTest.sol";

/// lock
/// ├── above what is free: it reverts
/// └── otherwise: locks add up
/// release
/// ├── more than is locked: it reverts
/// └── otherwise: it frees that much
/// slash
/// ├── when the bounty is above the amount: it reverts
/// ├── takes the lock first, then free stake, unbonding stake, matured stake, and stake locked elsewhere
/// ├── when less than the amount is there: it takes what there is, and the bounty shrinks in proportion
/// ├── when less than the lock is taken: it frees all of the lock
/// └── when stake locked elsewhere was taken: nothing is free until the locks are covered again
/// burn
/// └── it sends what was burned to the burn address, once
contract SlashingTest is VaultTest {
    // ------------------------------------------------------------------ lock and release

    function test_Lock_AboveFreeStake_Reverts() external {
        stake(alice, 10);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultInsufficientStake.selector, alice, 10, 11));
        lock(alice, 11);
    }

    /// One stake cannot stand behind many jobs.
    function test_Threat06_LocksAddUp() external {
        stake(alice, 10);
        lock(alice, 6);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultInsufficientStake.selector, alice, 4, 5));
        lock(alice, 5);
        lock(alice, 4);
        assertStake(alice, 10, 10, 0, 0);
    }

    function test_Threat06_UnbondingStakeBacksNothing() external {
        stake(bob, 10);
        unbond(bob, 10);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultInsufficientStake.selector, bob, 0, 1));
        lock(bob, 1);
    }

    function test_Release_MoreThanLocked_Reverts() external {
        stake(alice, 10);
        lock(alice, 6);
        vm.expectRevert(Panics.ARITHMETIC);
        vm.prank(court);
        vault.release(alice, 7);
    }

    function test_Release_FreesStake() external {
        stake(alice, 10);
        lock(alice, 6);
        vm.prank(court);
        vault.release(alice, 2);
        assertStake(alice, 10, 4, 0, 0);
    }

    // ------------------------------------------------------------------ slash

    function test_Slash_WhenBountyExceedsAmount_Reverts() external {
        stake(alice, 10);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultBountyExceedsSlash.selector, 6, 5));
        slash(alice, 5, 0, bob, 6);
    }

    function test_Slash_CreditsBountyAndBurnsTheRest() external {
        stake(alice, 10);
        lock(alice, 6);
        vm.expectEmit(address(vault));
        emit IStakeVault.Slashed(alice, bob, 6, 6, 2);
        vm.assertEq(slash(alice, 6, 6, bob, 2), 6, "slashed");
        assertStake(alice, 4, 0, 0, 0);
        vm.assertEq(creditOf(bob), 2, "bounty");
        (uint256 total, uint256 pending) = vault.burned();
        vm.assertEq(total, 4, "burned");
        vm.assertEq(pending, 4, "pending");
        vm.prank(bob);
        vm.assertEq(vault.withdraw(), 2, "withdrawn");
        vm.assertEq(token.balanceOf(bob), 2, "paid");
    }

    /// The account holds 10 in each place: lock of this batch, free, unbonding, matured, lock of another batch.
    function test_Slash_TakesInTheOrderOfFairness() external {
        uint256[6] memory amounts = [uint256(10), 15, 25, 35, 45, 50];
        uint256[6] memory active = [uint256(20), 15, 10, 10, 5, 0];
        uint256[6] memory unbonding = [uint256(10), 10, 5, 0, 0, 0];
        uint256[6] memory matured = [uint256(10), 10, 10, 5, 0, 0];
        _stakeEverywhere();
        uint256 state = vm.snapshotState();
        for (uint256 i = 0; i < amounts.length; ++i) {
            vm.assertEq(slash(alice, amounts[i], 10, bob, 0), amounts[i], "slashed");
            assertStake(alice, active[i], active[i] < 10 ? active[i] : 10, unbonding[i], matured[i]);
            vm.revertToState(state);
        }
    }

    function test_Slash_WhenLessIsThere_TakesItAllAndSharesInProportion() external {
        stake(alice, 30);
        vm.assertEq(slash(alice, 40, 0, bob, 20), 30, "slashed");
        vm.assertEq(creditOf(bob), 15, "bounty");
        (uint256 total,) = vault.burned();
        vm.assertEq(total, 15, "burned");
        assertStake(alice, 0, 0, 0, 0);
        vm.assertEq(slash(alice, 1, 0, bob, 1), 0, "nothing left");
        vm.assertEq(creditOf(bob), 15, "no bounty from nothing");
    }

    function test_Slash_WhenLessThanTheLockIsTaken_FreesAllOfIt() external {
        stake(alice, 10);
        lock(alice, 10);
        slash(alice, 3, 10, bob, 0);
        assertStake(alice, 7, 0, 0, 0);
    }

    function test_Slash_WhenStakeLockedElsewhereWasTaken_NothingIsFreeUntilLocksAreCovered() external {
        stake(alice, 10);
        lock(alice, 10);
        slash(alice, 4, 0, bob, 0);
        assertStake(alice, 6, 6, 0, 0);
        stake(alice, 3);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultInsufficientStake.selector, alice, 0, 1));
        unbond(alice, 1);
        stake(alice, 2);
        unbond(alice, 1);
        vm.prank(court);
        vault.release(alice, 10);
        assertStake(alice, 10, 0, 1, 0);
    }

    /// Neither unbonding nor letting it mature takes stake out of reach; only the withdrawal does.
    function test_Threat05_StakeIsSlashableUntilWithdrawn() external {
        stake(alice, 10);
        unbond(alice, 6);
        vm.warp(vm.getBlockTimestamp() + DELAY);
        unbond(alice, 4);
        assertStake(alice, 0, 0, 4, 6);
        vm.assertEq(slash(alice, 9, 0, bob, 0), 9, "slashed");
        assertStake(alice, 0, 0, 0, 1);
        vm.prank(alice);
        vm.assertEq(vault.withdraw(), 1, "withdrawn");
    }

    function test_Threat05_LockedStakeCannotLeave() external {
        stake(alice, 10);
        lock(alice, 10);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultInsufficientStake.selector, alice, 0, 1));
        unbond(alice, 1);
    }

    /// Slashing a part of a queue leaves a queue that goes on working, across the ring's end.
    function testFuzz_Slash_LeavesAWorkingQueue(uint8 begun, uint8 withdrawn, uint256 amount) external {
        uint256 limit = IConstants(address(vault)).MAX_UNBONDINGS();
        stake(alice, 1_000);
        uint256 first = bound(withdrawn, 0, limit);
        for (uint256 i = 0; i < first; ++i) {
            unbond(alice, 1);
        }
        vm.warp(vm.getBlockTimestamp() + DELAY);
        if (first > 0) {
            vm.prank(alice);
            vault.withdraw();
        }
        uint256 second = bound(begun, 1, limit);
        for (uint256 i = 0; i < second; ++i) {
            unbond(alice, 10);
        }
        uint256 active = 1_000 - first - 10 * second;
        amount = bound(amount, active, active + 10 * second);
        slash(alice, amount, 0, bob, 0);
        assertStake(alice, 0, 0, active + 10 * second - amount, 0);
        vm.warp(vm.getBlockTimestamp() + DELAY);
        uint256 left = active + 10 * second - amount;
        assertStake(alice, 0, 0, 0, left);
        if (left > 0) {
            vm.prank(alice);
            vm.assertEq(vault.withdraw(), left, "withdrawn");
        }
        stake(alice, 1);
        unbond(alice, 1);
        assertStake(alice, 0, 0, 1, 0);
    }

    // ------------------------------------------------------------------ burn

    function test_Burn_SendsWhatWasBurnedOnce() external {
        stake(alice, 10);
        slash(alice, 10, 0, bob, 3);
        vm.assertEq(vault.burn(), 7, "burned");
        vm.assertEq(token.balanceOf(IConstants(address(vault)).BURN_ADDRESS()), 7, "at the burn address");
        vm.assertEq(vault.burn(), 0, "burned again");
        (uint256 total, uint256 pending) = vault.burned();
        vm.assertEq(total, 7, "total");
        vm.assertEq(pending, 0, "pending");
        vm.assertEq(token.balanceOf(address(vault)), 3, "the bounty is left");
    }

    // ------------------------------------------------------------------ private

    function _stakeEverywhere() private {
        stake(alice, 50);
        unbond(alice, 10);
        vm.warp(vm.getBlockTimestamp() + DELAY);
        unbond(alice, 10);
        lock(alice, 10);
        lock(alice, 10);
        assertStake(alice, 30, 20, 10, 10);
    }
}
