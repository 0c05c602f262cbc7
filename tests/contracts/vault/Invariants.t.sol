// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {IConstants} from "../Interfaces.sol";
import {VaultHandler} from "./VaultHandler.sol";
import {VaultTest} from "./VaultTest.sol";

/// What holds after any sequence of calls by five stakers, the court and passers-by
contract VaultInvariants is VaultTest {
    VaultHandler private _handler;

    function setUp() public override {
        super.setUp();
        _handler = new VaultHandler(token, vault, court);
        require(token.transfer(address(_handler), token.balanceOf(address(this))));
        targetContract(address(_handler));
    }

    /// 1. Tokens in = stake + unbonding + matured + credit + burned + paid out; and the vault holds what it owes.
    function invariant_Threat07_TokensAreNeitherLostNorCreated() external view {
        uint256 owed = 0;
        address[] memory actors = _handler.actors();
        for (uint256 i = 0; i < actors.length; ++i) {
            IStakeVault.Stake memory stake = vault.stakeOf(actors[i]);
            owed += stake.active + stake.unbonding + stake.matured + stake.credit;
        }
        (uint256 burned, uint256 pending) = vault.burned();
        vm.assertEq(owed + burned + _handler.withdrawn(), _handler.deposited(), "tokens in");
        vm.assertEq(burned - pending, _handler.sentToBurnAddress(), "burned and sent");
        vm.assertEq(token.balanceOf(IConstants(address(vault)).BURN_ADDRESS()), _handler.sentToBurnAddress(), "at the burn address");
        vm.assertEq(token.balanceOf(address(vault)), owed + pending + _handler.donated(), "held");
    }

    /// 2. An account's locked stake is the sum of its locks, as far as its stake goes.
    function invariant_Threat06_LocksAddUpAndStayWithinTheStake() external view {
        address[] memory actors = _handler.actors();
        for (uint256 i = 0; i < actors.length; ++i) {
            IStakeVault.Stake memory stake = vault.stakeOf(actors[i]);
            uint256 locks = _handler.locks(actors[i]);
            vm.assertLe(stake.locked, stake.active, "within the stake");
            vm.assertEq(stake.locked, locks < stake.active ? locks : stake.active, "sum of the locks");
        }
    }

    /// 3. The tree's sum is the sum of the members' weights, and a weight is the stake of a member above the minimum.
    function invariant_TreeHoldsTheWeightsOfTheMembers() external {
        uint256 state = vm.snapshotState();
        nextPeriod();
        uint256 seedBlock = vm.getBlockNumber();
        address[] memory actors = _handler.actors();
        uint256 sum = 0;
        for (uint256 i = 0; i < actors.length; ++i) {
            uint256 active = vault.stakeOf(actors[i]).active;
            uint256 expected = vault.isMember(actors[i]) && active >= MINIMUM ? active / 1e9 : 0;
            vm.assertEq(vault.weightOf(actors[i], seedBlock), expected, "weight");
            sum += expected;
        }
        vm.assertEq(vault.totalWeight(seedBlock), sum, "total");
        vm.revertToState(state);
    }

    /// 4. A committee whose seed is known stays what it is.
    function invariant_Threat04_KnownDrawsDoNotChange() external view {
        uint256 seedBlock = _handler.seedBlock();
        if (seedBlock == 0) return;
        vm.assertEq(
            vault.drawCommittee(_handler.seed(), seedBlock, 3, _handler.actors()[0], address(0)),
            _handler.committee(),
            "committee"
        );
    }
}
