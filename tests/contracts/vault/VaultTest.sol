// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {IPermitToken} from "../Interfaces.sol";
import {Test} from "../Test.sol";

/// @notice A vault with one court and accounts that hold tokens.
abstract contract VaultTest is Test {
    uint96 internal constant MINIMUM = 100e18;
    uint48 internal constant DELAY = 7 days;
    uint32 internal constant PERIOD = 8;

    IPermitToken internal token;
    IStakeVault internal vault;
    address internal court = makeAddr("court");
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");
    address internal carol = makeAddr("carol");

    function setUp() public virtual {
        vm.roll(10 * PERIOD); // Away from the chain's first blocks.
        token = IPermitToken(deployed("MeritToken", abi.encode(address(this), type(uint96).max)));
        vault = newVault(token);
    }

    function newVault(IERC20 asset) internal returns (IStakeVault) {
        return newVault(
            asset,
            court,
            IStakeVault.Parameters({minimumStake: MINIMUM, unbondingDelay: DELAY, periodBlocks: PERIOD})
        );
    }

    function newVault(IERC20 asset, address court_, IStakeVault.Parameters memory parameters)
        internal
        returns (IStakeVault)
    {
        return IStakeVault(deployed("StakeVault", abi.encode(asset, court_, parameters)));
    }

    /// @dev Gives `account` tokens and deposits them.
    function stake(address account, uint256 amount) internal {
        require(token.transfer(account, amount));
        vm.startPrank(account);
        token.approve(address(vault), amount);
        vault.deposit(amount);
        vm.stopPrank();
    }

    function stakeAndJoin(address account, uint256 amount) internal {
        stake(account, amount);
        vm.prank(account);
        vault.joinCommittee();
    }

    function unbond(address account, uint256 amount) internal {
        vm.prank(account);
        vault.beginUnbond(amount);
    }

    function lock(address account, uint256 amount) internal {
        vm.prank(court);
        vault.lock(account, amount);
    }

    function slash(address account, uint256 amount, uint256 lockedAmount, address beneficiary, uint256 bounty)
        internal
        returns (uint256)
    {
        vm.prank(court);
        return vault.slash(account, amount, lockedAmount, beneficiary, bounty);
    }

    function nextPeriod() internal {
        vm.roll((vm.getBlockNumber() / PERIOD + 1) * PERIOD);
    }

    function assertStake(address account, uint256 active, uint256 locked, uint256 unbonding, uint256 matured)
        internal
        view
    {
        IStakeVault.Stake memory found = vault.stakeOf(account);
        vm.assertEq(found.active, active, "active");
        vm.assertEq(found.locked, locked, "locked");
        vm.assertEq(found.unbonding, unbonding, "unbonding");
        vm.assertEq(found.matured, matured, "matured");
    }

    function creditOf(address account) internal view returns (uint256) {
        return vault.stakeOf(account).credit;
    }
}
