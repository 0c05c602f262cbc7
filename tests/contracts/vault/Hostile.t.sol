// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {TokenIntake} from "../../../contracts/libraries/TokenIntake.sol";
import {IConstants} from "../Interfaces.sol";
import {
    BlocklistToken,
    FailingToken,
    FeeToken,
    HookToken,
    ITokenListener,
    PlainToken,
    SilentToken
} from "../mocks/Tokens.sol";
import {VaultTest} from "./VaultTest.sol";

/// @notice A staker that calls the vault again whenever its tokens move, and notes how that ended.
contract ReentrantStaker is ITokenListener {
    IStakeVault public immutable vault;
    bytes public call;
    bool public entered;
    bytes public answer;

    constructor(IStakeVault vault_, HookToken token) {
        vault = vault_;
        token.approve(address(vault_), type(uint256).max);
    }

    function listen(bytes calldata call_) external {
        call = call_;
        HookToken(address(vault.token())).listen();
    }

    function execute(bytes calldata data) external {
        (bool success, bytes memory returned) = address(vault).call(data);
        require(success, string(returned));
    }

    function tokensMoved() external {
        (entered, answer) = address(vault).call(call);
    }
}

/// Tokens that misbehave, and stakers that are contracts
/// ├── takes a fee: the deposit is refused
/// ├── returns nothing: everything works
/// ├── returns false, or reverts: the call reverts
/// ├── has no permit: depositWithPermit falls back on the allowance
/// ├── blocks an account: that account cannot withdraw; it can be slashed, and everybody else goes on
/// ├── blocks the burn address: slashes go on, the burn waits
/// └── calls back: no entry point that moves tokens can be entered again, the others see finished bookkeeping
contract HostileTest is VaultTest {
    function test_Threat13_TokenThatTakesAFee_IsRefused() external {
        FeeToken fee = new FeeToken();
        vault = newVault(fee);
        fee.mint(alice, 200);
        vm.startPrank(alice);
        fee.approve(address(vault), 200);
        vm.expectRevert(
            abi.encodeWithSelector(TokenIntake.TokenIntakeUnsupportedToken.selector, address(fee), 200, 198)
        );
        vault.deposit(200);
    }

    function test_Threat13_TokenThatReturnsNothing_Works() external {
        SilentToken silent = new SilentToken();
        vault = newVault(IERC20(address(silent)));
        silent.mint(alice, 10);
        vm.startPrank(alice);
        silent.approve(address(vault), 10);
        vault.deposit(10);
        vault.beginUnbond(10);
        skip(1, DELAY);
        vm.assertEq(vault.withdraw(), 10, "withdrawn");
        vm.assertEq(silent.balanceOf(alice), 10, "paid");
    }

    function test_Threat13_TokenThatReturnsFalse_IsRefused() external {
        FailingToken failing = new FailingToken();
        vault = newVault(IERC20(address(failing)));
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(failing)));
        vault.deposit(10);
    }

    function test_Threat13_TokenWithoutPermit_FallsBackOnTheAllowance() external {
        PlainToken plain = new PlainToken();
        vault = newVault(plain);
        plain.mint(alice, 10);
        vm.startPrank(alice);
        plain.approve(address(vault), 10);
        vault.depositWithPermit(10, block.timestamp, 27, 0, 0);
        assertStake(alice, 10, 0, 0, 0);
    }

    function test_Threat13_BlockedAccount_BlocksNobodyElse() external {
        BlocklistToken blocklist = _blocklistVault();
        blocklist.setBlocked(alice, true);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(BlocklistToken.Blocked.selector, alice));
        vault.withdraw();
        vm.prank(bob);
        vm.assertEq(vault.withdraw(), 10, "the other is paid");
        vm.assertEq(slash(alice, 10, 0, bob, 5), 10, "slashed");
        vm.prank(bob);
        vm.assertEq(vault.withdraw(), 5, "bounty");
    }

    /// Payments are pulled: a payee that cannot be paid holds up nobody but itself.
    function test_Threat16_BlockedBeneficiary_DoesNotHoldUpASlash() external {
        BlocklistToken blocklist = _blocklistVault();
        blocklist.setBlocked(bob, true);
        vm.assertEq(slash(alice, 10, 0, bob, 5), 10, "slashed");
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(BlocklistToken.Blocked.selector, bob));
        vault.withdraw();
        blocklist.setBlocked(bob, false);
        vm.prank(bob);
        vm.assertEq(vault.withdraw(), 15, "stake and bounty");
    }

    function test_Threat16_BlockedBurnAddress_DoesNotHoldUpASlash() external {
        BlocklistToken blocklist = _blocklistVault();
        address burnAddress = IConstants(address(vault)).BURN_ADDRESS();
        blocklist.setBlocked(burnAddress, true);
        vm.assertEq(slash(alice, 10, 0, bob, 5), 10, "slashed");
        vm.expectRevert(abi.encodeWithSelector(BlocklistToken.Blocked.selector, burnAddress));
        vault.burn();
        blocklist.setBlocked(burnAddress, false);
        vm.assertEq(vault.burn(), 5, "burned");
    }

    /// Each guarded entry point, from inside each call that moves tokens.
    function test_Threat12_EntryPointsThatMoveTokens_CannotBeEnteredAgain() external {
        bytes[4] memory guarded = [
            abi.encodeCall(IStakeVault.deposit, (1)),
            abi.encodeCall(IStakeVault.depositWithPermit, (1, 0, 0, 0, 0)),
            abi.encodeCall(IStakeVault.withdraw, ()),
            abi.encodeCall(IStakeVault.burn, ())
        ];
        for (uint256 i = 0; i < guarded.length; ++i) {
            for (uint256 outer = 0; outer < 2; ++outer) {
                ReentrantStaker staker = _reentrantStaker(guarded[i]);
                staker.execute(guarded[outer == 0 ? 0 : 2]);
                vm.assertTrue(!staker.entered(), "entered");
                vm.assertEq(
                    staker.answer(),
                    abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
                    "refused by the guard"
                );
            }
        }
    }

    /// The entry points that move no tokens may be entered, and find the books closed: nothing is counted twice.
    function test_Threat12_OtherEntryPoints_SeeFinishedBooks() external {
        ReentrantStaker staker = _reentrantStaker(abi.encodeCall(IStakeVault.beginUnbond, (10)));
        staker.execute(abi.encodeCall(IStakeVault.withdraw, ()));
        vm.assertTrue(staker.entered(), "entered");
        assertStake(address(staker), 0, 0, 10, 0);
        skip(1, DELAY);
        staker.execute(abi.encodeCall(IStakeVault.withdraw, ()));
        assertStake(address(staker), 0, 0, 0, 0);
        vm.assertEq(vault.token().balanceOf(address(vault)), 0, "all paid, once");
    }

    /// @dev 10 active and 10 matured for alice; 10 matured for bob.
    function _blocklistVault() private returns (BlocklistToken blocklist) {
        blocklist = new BlocklistToken();
        vault = newVault(blocklist);
        for (uint256 i = 0; i < 2; ++i) {
            address account = i == 0 ? alice : bob;
            blocklist.mint(account, 20);
            vm.startPrank(account);
            blocklist.approve(address(vault), 20);
            vault.deposit(i == 0 ? 20 : 10);
            vault.beginUnbond(10);
            vm.stopPrank();
        }
        skip(1, DELAY);
    }

    /// @dev A contract with 10 active and 10 matured, whose hook calls the vault with `call`.
    function _reentrantStaker(bytes memory call) private returns (ReentrantStaker staker) {
        HookToken hook = new HookToken();
        vault = newVault(hook);
        staker = new ReentrantStaker(vault, hook);
        hook.mint(address(staker), 30);
        staker.execute(abi.encodeCall(IStakeVault.deposit, (20)));
        staker.execute(abi.encodeCall(IStakeVault.beginUnbond, (10)));
        skip(1, DELAY);
        staker.listen(call);
    }
}
