// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {IConstants} from "../Interfaces.sol";
import {VaultTest} from "./VaultTest.sol";

/// The largest sizes that the vault admits, and the calls that only the court may make
contract LimitsTest is VaultTest {
    uint256 private constant GAS_LIMIT = 5_000_000;

    /// Each restricted call, tried by everybody but the court.
    function testFuzz_Threat19_RestrictedCalls_RefuseStrangers(address stranger) external {
        vm.assume(stranger != court);
        stake(alice, 10);
        bytes[3] memory restrictedCalls = [
            abi.encodeCall(IStakeVault.lock, (alice, 1)),
            abi.encodeCall(IStakeVault.release, (alice, 0)),
            abi.encodeCall(IStakeVault.slash, (alice, 1, 0, stranger, 1))
        ];
        for (uint256 i = 0; i < restrictedCalls.length; ++i) {
            vm.prank(stranger);
            (bool success, bytes memory answer) = address(vault).call(restrictedCalls[i]);
            vm.assertTrue(!success, "refused");
            vm.assertEq(answer, abi.encodeWithSelector(IStakeVault.StakeVaultNotCourt.selector, stranger), "reason");
        }
    }

    function test_Threat15_SlashAndWithdrawOfAFullQueue_StayUnderTheLimit() external {
        stake(alice, 100 * MINIMUM);
        for (uint256 i = 0; i < IConstants(address(vault)).MAX_UNBONDINGS(); ++i) {
            unbond(alice, MINIMUM);
        }
        skip(1, DELAY);
        uint256 state = vm.snapshotState();
        uint256 gas = gasleft();
        slash(alice, 100 * MINIMUM, 0, bob, MINIMUM);
        vm.assertLt(gas - gasleft(), GAS_LIMIT / 10, "slash");
        vm.revertToState(state);
        vm.prank(alice);
        gas = gasleft();
        vault.withdraw();
        vm.assertLt(gas - gasleft(), GAS_LIMIT / 10, "withdraw");
    }

    /// A committee of 23 from 1,024 members, both parties among them. Storage is warm here; reading each of at most 25 x 11
    /// sums for the first time adds less than 600,000.
    function test_Threat15_DrawOfTheLargestCommittee_StaysUnderTheLimit() external {
        for (uint256 i = 0; i < 1_024; ++i) {
            stakeAndJoin(_member(i), MINIMUM);
        }
        nextPeriod();
        _measureDraw();
    }

    function _measureDraw() private view {
        uint256 block_ = vm.getBlockNumber();
        (address first, address second) = (_member(0), _member(1_023));
        uint256 gas = gasleft();
        address[] memory drawn = vault.drawCommittee("seed", block_, 23, first, second);
        vm.assertLt(gas - gasleft(), GAS_LIMIT / 2, "draw");
        vm.assertEq(drawn.length, 23, "size");
    }

    function _member(uint256 i) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("member", i)))));
    }
}
