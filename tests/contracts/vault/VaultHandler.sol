// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {Test} from "../Test.sol";

/// @notice Does to the vault, in random order, everything that its users and its court can do, and keeps its own books.
contract VaultHandler is Test {
    IERC20 public immutable token;
    IStakeVault public immutable vault;
    address public immutable court;

    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public donated;
    uint256 public sentToBurnAddress;
    mapping(address account => uint256) public locks;

    /// @notice A draw whose seed is known, and what it gave when it became known.
    uint256 public seedBlock;
    bytes32 public seed;
    address[] private _committee;

    address[] private _actors;

    constructor(IERC20 token_, IStakeVault vault_, address court_) {
        (token, vault, court) = (token_, vault_, court_);
        for (uint256 i = 0; i < 5; ++i) {
            _actors.push(makeAddr(string(abi.encode("actor", i))));
        }
    }

    function actors() external view returns (address[] memory) {
        return _actors;
    }

    function committee() external view returns (address[] memory) {
        return _committee;
    }

    // ------------------------------------------------------------------ stakers

    function deposit(uint256 who, uint256 amount) external {
        address account = _actor(who);
        amount = bound(amount, 1, 500e18);
        require(token.transfer(account, amount));
        vm.startPrank(account);
        token.approve(address(vault), amount);
        vault.deposit(amount);
        vm.stopPrank();
        deposited += amount;
    }

    function beginUnbond(uint256 who, uint256 amount) external {
        address account = _actor(who);
        IStakeVault.Stake memory stake = vault.stakeOf(account);
        if (locks[account] >= stake.active) return;
        amount = bound(amount, 1, stake.active - locks[account]);
        vm.prank(account);
        try vault.beginUnbond(amount) {}
        catch (bytes memory reason) {
            vm.assertEq(bytes32(reason), bytes32(IStakeVault.StakeVaultTooManyUnbondings.selector), "only a full queue");
        }
    }

    function withdraw(uint256 who) external {
        address account = _actor(who);
        IStakeVault.Stake memory stake = vault.stakeOf(account);
        if (stake.matured + stake.credit == 0) return;
        uint256 before = token.balanceOf(account);
        vm.prank(account);
        withdrawn += vault.withdraw();
        vm.assertEq(token.balanceOf(account) - before, stake.matured + stake.credit, "what was due");
    }

    function changeMembership(uint256 who) external {
        address account = _actor(who);
        vm.startPrank(account);
        if (vault.isMember(account)) vault.leaveCommittee();
        else if (vault.stakeOf(account).active >= vault.minimumStake()) vault.joinCommittee();
        vm.stopPrank();
    }

    // ------------------------------------------------------------------ court

    function lock(uint256 who, uint256 amount) external {
        address account = _actor(who);
        uint256 active = vault.stakeOf(account).active;
        if (locks[account] >= active) return;
        amount = bound(amount, 1, active - locks[account]);
        vm.prank(court);
        vault.lock(account, amount);
        locks[account] += amount;
    }

    function release(uint256 who, uint256 amount) external {
        address account = _actor(who);
        amount = bound(amount, 0, locks[account]);
        vm.prank(court);
        vault.release(account, amount);
        locks[account] -= amount;
    }

    function slash(uint256 who, uint256 to, uint256 amount, uint256 lockedAmount, uint256 bounty) external {
        address account = _actor(who);
        IStakeVault.Stake memory stake = vault.stakeOf(account);
        uint256 reach = stake.active + stake.unbonding + stake.matured;
        amount = bound(amount, 0, reach + reach / 10);
        lockedAmount = bound(lockedAmount, 0, locks[account]);
        vm.prank(court);
        uint256 slashed = vault.slash(account, amount, lockedAmount, _actor(to), bound(bounty, 0, amount));
        locks[account] -= lockedAmount;
        vm.assertEq(slashed, amount < reach ? amount : reach, "all that is there, and no more than asked");
    }

    // ------------------------------------------------------------------ anyone

    function burn() external {
        sentToBurnAddress += vault.burn();
    }

    function donate(uint256 amount) external {
        amount = bound(amount, 1, 1e18);
        require(token.transfer(address(vault), amount));
        donated += amount;
    }

    function wait(uint256 blocks) external {
        skip(bound(blocks, 1, 2 * vault.periodBlocks()), 12 hours);
        seedBlock = vm.getBlockNumber() - 1;
        if (seedBlock / vault.periodBlocks() + 1 < vm.getBlockNumber() / vault.periodBlocks()) ++seedBlock;
        seed = keccak256(abi.encode(seedBlock));
        _committee = vault.drawCommittee(seed, seedBlock, 3, _actors[0], address(0));
    }

    function _actor(uint256 who) private view returns (address) {
        return _actors[who % _actors.length];
    }
}
