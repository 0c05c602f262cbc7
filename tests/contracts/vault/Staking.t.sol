// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {IConstants} from "../Interfaces.sol";
import {VaultTest} from "./VaultTest.sol";

/// constructor
/// └── it refuses an address without code as token, no court, and parameters that make no sense
/// deposit
/// ├── when the amount is zero: it reverts
/// ├── when the allowance is missing: it reverts
/// └── otherwise: it adds to the active stake and takes exactly the amount
/// depositWithPermit
/// ├── when the permit is good: it deposits without an approval
/// ├── when somebody has sent the permit first: it deposits
/// └── when the permit is not the caller's and there is no allowance: it reverts
/// beginUnbond
/// ├── when the amount is zero, above the stake or above what is not locked: it reverts
/// ├── when the queue is full: it reverts, until the oldest was withdrawn
/// └── otherwise: it moves stake from active to unbonding
/// withdraw
/// ├── one second before maturity: it reverts
/// ├── at maturity: it pays what matured, and only that
/// └── twice: it reverts
contract StakingTest is VaultTest {
    // ------------------------------------------------------------------ constructor

    function test_Constructor_RefusesParametersThatMakeNoSense() external {
        IStakeVault.Parameters memory good = IStakeVault.Parameters(MINIMUM, DELAY, PERIOD);
        _assertRefused(IERC20(alice), court, good);
        _assertRefused(token, address(0), good);
        _assertRefused(token, court, IStakeVault.Parameters(1e9 - 1, DELAY, PERIOD));
        _assertRefused(token, court, IStakeVault.Parameters(MINIMUM, 0, PERIOD));
        _assertRefused(token, court, IStakeVault.Parameters(MINIMUM, DELAY, 0));
    }

    function _assertRefused(IERC20 asset, address court_, IStakeVault.Parameters memory parameters) private {
        vm.expectRevert(IStakeVault.StakeVaultInvalidParameters.selector);
        newVault(asset, court_, parameters);
    }

    // ------------------------------------------------------------------ deposit

    function test_Deposit_WhenAmountIsZero_Reverts() external {
        vm.expectRevert(IStakeVault.StakeVaultZeroAmount.selector);
        vm.prank(alice);
        vault.deposit(0);
    }

    function test_Deposit_WhenAllowanceIsMissing_Reverts() external {
        require(token.transfer(alice, 1));
        vm.expectRevert();
        vm.prank(alice);
        vault.deposit(1);
    }

    function testFuzz_Deposit_AddsToActiveStake(uint96 first, uint96 second) external {
        first = uint96(bound(first, 1, type(uint96).max - 1));
        second = uint96(bound(second, 1, type(uint96).max - first));
        stake(alice, first);
        stake(alice, second);
        assertStake(alice, uint256(first) + second, 0, 0, 0);
        vm.assertEq(token.balanceOf(address(vault)), uint256(first) + second, "held");
    }

    function test_Deposit_EmitsDeposited() external {
        require(token.transfer(alice, 5));
        vm.startPrank(alice);
        token.approve(address(vault), 5);
        vm.expectEmit(address(vault));
        emit IStakeVault.Deposited(alice, 5);
        vault.deposit(5);
    }

    function test_DepositWithPermit_DepositsWithoutApproval() external {
        (address dave, uint8 v, bytes32 r, bytes32 s) = _permit(5e18);
        vm.prank(dave);
        vault.depositWithPermit(5e18, block.timestamp, v, r, s);
        assertStake(dave, 5e18, 0, 0, 0);
    }

    function test_DepositWithPermit_WhenPermitWasSentFirst_Deposits() external {
        (address dave, uint8 v, bytes32 r, bytes32 s) = _permit(5e18);
        token.permit(dave, address(vault), 5e18, block.timestamp, v, r, s);
        vm.prank(dave);
        vault.depositWithPermit(5e18, block.timestamp, v, r, s);
        assertStake(dave, 5e18, 0, 0, 0);
    }

    function test_DepositWithPermit_WhenPermitIsAnothersAndNoAllowance_Reverts() external {
        (, uint8 v, bytes32 r, bytes32 s) = _permit(5e18);
        require(token.transfer(alice, 5e18));
        vm.expectRevert();
        vm.prank(alice);
        vault.depositWithPermit(5e18, block.timestamp, v, r, s);
    }

    // ------------------------------------------------------------------ beginUnbond

    function test_BeginUnbond_WhenAmountIsZero_Reverts() external {
        stake(alice, 10);
        vm.expectRevert(IStakeVault.StakeVaultZeroAmount.selector);
        unbond(alice, 0);
    }

    function test_BeginUnbond_AboveFreeStake_Reverts() external {
        stake(alice, 10);
        lock(alice, 4);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultInsufficientStake.selector, alice, 6, 7));
        unbond(alice, 7);
        unbond(alice, 6);
        assertStake(alice, 4, 4, 6, 0);
    }

    function test_BeginUnbond_MovesStakeToUnbonding() external {
        stake(alice, 10);
        vm.expectEmit(address(vault));
        emit IStakeVault.UnbondingBegun(alice, 3, block.timestamp + DELAY);
        unbond(alice, 3);
        assertStake(alice, 7, 0, 3, 0);
    }

    function test_BeginUnbond_WhenQueueIsFull_RevertsUntilTheOldestIsWithdrawn() external {
        uint256 limit = IConstants(address(vault)).MAX_UNBONDINGS();
        stake(alice, 100);
        for (uint256 i = 0; i < limit; ++i) {
            unbond(alice, 1);
            skip(1, 1);
        }
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultTooManyUnbondings.selector, alice, limit));
        unbond(alice, 1);
        vm.warp(vm.getBlockTimestamp() + DELAY - limit); // Only the oldest has matured.
        vm.prank(alice);
        vm.assertEq(vault.withdraw(), 1, "withdrawn");
        unbond(alice, 2);
        assertStake(alice, 100 - limit - 2, 0, limit + 1, 0);
    }

    // ------------------------------------------------------------------ withdraw

    function test_Withdraw_OneSecondBeforeMaturity_Reverts() external {
        stake(alice, 10);
        unbond(alice, 10);
        vm.warp(vm.getBlockTimestamp() + DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultNothingToWithdraw.selector, alice));
        vm.prank(alice);
        vault.withdraw();
    }

    function test_Withdraw_AtMaturity_PaysWhatMaturedOnly() external {
        uint256 start = vm.getBlockTimestamp();
        stake(alice, 10);
        unbond(alice, 3);
        vm.warp(start + 1);
        unbond(alice, 4);
        vm.warp(start + DELAY);
        assertStake(alice, 3, 0, 4, 3);
        vm.expectEmit(address(vault));
        emit IStakeVault.Withdrawn(alice, 3, 0);
        vm.prank(alice);
        vm.assertEq(vault.withdraw(), 3, "withdrawn");
        vm.assertEq(token.balanceOf(alice), 3, "paid");
        assertStake(alice, 3, 0, 4, 0);
    }

    function test_Withdraw_Twice_Reverts() external {
        stake(alice, 10);
        unbond(alice, 10);
        vm.warp(vm.getBlockTimestamp() + DELAY);
        vm.startPrank(alice);
        vault.withdraw();
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeVaultNothingToWithdraw.selector, alice));
        vault.withdraw();
    }

    /// Donated tokens belong to nobody: no formula reads the vault's balance.
    function testFuzz_Threat08_DonationChangesNoShare(uint96 amount, uint96 donation) external {
        amount = uint96(bound(amount, 1, type(uint96).max - 1));
        donation = uint96(bound(donation, 1, type(uint96).max - amount));
        require(token.transfer(address(vault), donation));
        stake(alice, amount);
        assertStake(alice, amount, 0, 0, 0);
        unbond(alice, amount);
        vm.warp(vm.getBlockTimestamp() + DELAY);
        vm.prank(alice);
        vm.assertEq(vault.withdraw(), amount, "withdrawn");
        vm.assertEq(token.balanceOf(address(vault)), donation, "left");
    }

    function _permit(uint256 amount) private returns (address owner, uint8 v, bytes32 r, bytes32 s) {
        uint256 key;
        (owner, key) = makeAddrAndKey("dave");
        require(token.transfer(owner, amount));
        bytes32 permit = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                owner,
                address(vault),
                amount,
                token.nonces(owner),
                block.timestamp
            )
        );
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", IERC20Permit(address(token)).DOMAIN_SEPARATOR(), permit));
        (v, r, s) = vm.sign(key, digest);
    }
}
