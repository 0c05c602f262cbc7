// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {SortitionTree} from "./libraries/SortitionTree.sol";
import {TokenIntake} from "./libraries/TokenIntake.sol";

/// @title StakeVault
contract StakeVault is IStakeVault, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;
    using SortitionTree for SortitionTree.Tree;
    using TokenIntake for IERC20;

    /// @dev One slot.
    /// @param locked Sum of the locks. Above `active` only after a slash that had to take what is locked elsewhere.
    /// @param seat Leaf in the tree plus one; zero for an account that never joined. Kept for good.
    /// @param oldest Place of the oldest unbonding in the account's ring.
    struct Account {
        uint96 active;
        uint96 locked;
        uint32 seat;
        bool member;
        uint8 oldest;
        uint8 unbondings;
    }

    /// @dev One slot.
    struct Unbonding {
        uint96 amount;
        uint48 maturesAt;
    }

    /// @dev One slot.
    struct BurnLedger {
        uint128 total;
        uint128 sent;
    }

    /// @notice Unbondings that an account can have at a time, so that a slash and a withdrawal stay cheap.
    uint256 public constant MAX_UNBONDINGS = 16;

    /// @notice Where burned tokens go: not every token has a burn function.
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    /// @dev Weights are counted in this many of the token's smallest units, so that three of them share a slot.
    uint256 private constant WEIGHT_UNIT = 1e9;

    IERC20 public immutable token;
    address public immutable court;
    uint256 public immutable minimumStake;
    uint256 public immutable unbondingDelay;
    uint256 public immutable periodBlocks;

    mapping(address account => Account) private _accounts;
    mapping(address account => Unbonding[MAX_UNBONDINGS]) private _unbondings;
    mapping(address account => uint256) private _credits;
    mapping(uint256 seat => address) private _accountOfSeat;
    SortitionTree.Tree private _tree;
    BurnLedger private _burned;

    modifier onlyCourt() {
        if (msg.sender != court) revert StakeVaultNotCourt(msg.sender);
        _;
    }

    constructor(IERC20 token_, address court_, Parameters memory parameters) {
        // A member without weight could not be drawn, and a period without blocks has no start.
        bool valid = address(token_).code.length > 0 && court_ != address(0) && parameters.minimumStake >= WEIGHT_UNIT
            && parameters.unbondingDelay > 0 && parameters.periodBlocks > 0;
        if (!valid) revert StakeVaultInvalidParameters();
        token = token_;
        court = court_;
        minimumStake = parameters.minimumStake;
        unbondingDelay = parameters.unbondingDelay;
        periodBlocks = parameters.periodBlocks;
    }

    // ------------------------------------------------------------------ staking

    /// @inheritdoc IStakeVault
    function deposit(uint256 amount) external nonReentrant {
        _deposit(amount);
    }

    /// @inheritdoc IStakeVault
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external nonReentrant {
        token.permit(amount, deadline, v, r, s);
        _deposit(amount);
    }

    /// @inheritdoc IStakeVault
    function beginUnbond(uint256 amount) external {
        if (amount == 0) revert StakeVaultZeroAmount();
        Account memory account = _accounts[msg.sender];
        uint256 free = _free(account);
        if (amount > free) revert StakeVaultInsufficientStake(msg.sender, free, amount);
        if (account.unbondings == MAX_UNBONDINGS) revert StakeVaultTooManyUnbondings(msg.sender, MAX_UNBONDINGS);

        uint256 maturesAt = block.timestamp + unbondingDelay;
        uint256 place = (account.oldest + account.unbondings) % MAX_UNBONDINGS;
        _unbondings[msg.sender][place] = Unbonding(uint96(amount), maturesAt.toUint48()); // At most the free stake.
        uint256 weight = _weight(account);
        account.active -= uint96(amount);
        ++account.unbondings;
        _store(msg.sender, account, weight);
        emit UnbondingBegun(msg.sender, amount, maturesAt);
    }

    /// @inheritdoc IStakeVault
    function withdraw() external nonReentrant returns (uint256 amount) {
        Account storage account = _accounts[msg.sender];
        (uint256 matured, uint256 count) = _matured(msg.sender);
        uint256 credit = _credits[msg.sender];
        amount = matured + credit;
        if (amount == 0) revert StakeVaultNothingToWithdraw(msg.sender);

        (account.oldest, account.unbondings) =
            (uint8((account.oldest + count) % MAX_UNBONDINGS), account.unbondings - uint8(count));
        if (credit > 0) _credits[msg.sender] = 0;
        emit Withdrawn(msg.sender, matured, credit);
        token.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function burn() external nonReentrant returns (uint256 amount) {
        amount = _burned.total - _burned.sent;
        _burned.sent = _burned.total;
        emit Burned(amount);
        token.safeTransfer(BURN_ADDRESS, amount);
    }

    // ------------------------------------------------------------------ committee

    /// @inheritdoc IStakeVault
    function joinCommittee() external {
        Account memory account = _accounts[msg.sender];
        if (account.member) revert StakeVaultAlreadyMember(msg.sender);
        if (account.active < minimumStake) revert StakeVaultInsufficientStake(msg.sender, account.active, minimumStake);
        if (account.seat == 0) {
            account.seat = _tree.append() + 1;
            _accountOfSeat[account.seat] = msg.sender;
        }
        account.member = true;
        _store(msg.sender, account, 0);
        emit CommitteeJoined(msg.sender);
    }

    /// @inheritdoc IStakeVault
    function leaveCommittee() external {
        Account memory account = _accounts[msg.sender];
        if (!account.member) revert StakeVaultNotMember(msg.sender);
        uint256 weight = _weight(account);
        account.member = false;
        _store(msg.sender, account, weight);
        emit CommitteeLeft(msg.sender);
    }

    /// @inheritdoc IStakeVault
    function drawCommittee(bytes32 seed, uint256 seedBlock, uint256 size, address contributor, address requester)
        external
        view
        returns (address[] memory committee)
    {
        uint256 period = _snapshot(seedBlock);
        uint256[] memory leaves = _tree.draw(period, seed, size, _leavesOf(contributor, requester));
        committee = new address[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            committee[i] = _accountOfSeat[leaves[i] + 1];
        }
    }

    // ------------------------------------------------------------------ court only

    /// @inheritdoc IStakeVault
    function lock(address account, uint256 amount) external onlyCourt {
        Account storage stake = _accounts[account];
        (uint256 active, uint256 locked) = (stake.active, stake.locked);
        uint256 free = Math.saturatingSub(active, locked);
        if (amount > free) revert StakeVaultInsufficientStake(account, free, amount);
        stake.locked = uint96(locked + amount); // At most the active stake.
    }

    /// @inheritdoc IStakeVault
    function release(address account, uint256 amount) external onlyCourt {
        _accounts[account].locked -= amount.toUint96();
        emit Released(account, amount);
    }

    /// @inheritdoc IStakeVault
    function slash(address account, uint256 amount, uint256 lockedAmount, address beneficiary, uint256 bounty)
        external
        onlyCourt
        returns (uint256 slashed)
    {
        if (bounty > amount) revert StakeVaultBountyExceedsSlash(bounty, amount);
        Account memory stake = _accounts[account];
        uint256 weight = _weight(stake);
        stake.locked -= lockedAmount.toUint96();

        uint256 missing = amount - _take(stake, Math.min(amount, _free(stake)));
        missing -= _takeUnbonding(account, stake, missing);
        missing -= _take(stake, Math.min(missing, stake.active));
        _store(account, stake, weight);

        slashed = amount - missing;
        if (missing > 0) bounty = bounty * slashed / amount; // Below 2^192, so the product fits.
        if (bounty > 0) _credits[beneficiary] += bounty;
        _burned.total += (slashed - bounty).toUint128();
        emit Slashed(account, beneficiary, slashed, lockedAmount, bounty);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IStakeVault
    function stakeOf(address account) external view returns (Stake memory stake) {
        Account memory stored = _accounts[account];
        (stake.matured,) = _matured(account);
        for (uint256 i = 0; i < stored.unbondings; ++i) {
            stake.unbonding += _unbondings[account][(stored.oldest + i) % MAX_UNBONDINGS].amount;
        }
        stake.unbonding -= stake.matured;
        stake.active = stored.active;
        stake.locked = Math.min(stored.locked, stored.active);
        stake.credit = _credits[account];
    }

    /// @inheritdoc IStakeVault
    function isMember(address account) external view returns (bool) {
        return _accounts[account].member;
    }

    /// @inheritdoc IStakeVault
    function weightOf(address account, uint256 seedBlock) external view returns (uint256 weight) {
        uint256 seat = _accounts[account].seat;
        if (seat > 0) (, weight) = _tree.locate(_snapshot(seedBlock), seat - 1);
    }

    /// @inheritdoc IStakeVault
    function totalWeight(uint256 seedBlock) external view returns (uint256) {
        return _tree.total(_snapshot(seedBlock));
    }

    /// @inheritdoc IStakeVault
    function burned() external view returns (uint256 total, uint256 pending) {
        return (_burned.total, _burned.total - _burned.sent);
    }

    // ------------------------------------------------------------------ private

    function _deposit(uint256 amount) private {
        if (amount == 0) revert StakeVaultZeroAmount();
        token.pull(amount);
        Account memory account = _accounts[msg.sender];
        uint256 weight = _weight(account);
        account.active = (account.active + amount).toUint96();
        _store(msg.sender, account, weight);
        emit Deposited(msg.sender, amount);
    }

    /// @dev Writes an account and moves its leaf from `weight` to what it weighs now.
    function _store(address owner, Account memory account, uint256 weight) private {
        _accounts[owner] = account;
        uint256 newWeight = _weight(account);
        if (newWeight != weight) _tree.update(account.seat - 1, weight, newWeight, block.number / periodBlocks);
    }

    function _take(Account memory account, uint256 amount) private pure returns (uint256) {
        account.active -= uint96(amount); // The callers ask for no more than that.
        return amount;
    }

    /// @dev Takes up to `amount` of an account's unbonding stake, youngest first, so that matured stake goes last.
    function _takeUnbonding(address owner, Account memory account, uint256 amount) private returns (uint256 taken) {
        while (taken < amount && account.unbondings > 0) {
            uint256 place = (account.oldest + account.unbondings - 1) % MAX_UNBONDINGS;
            Unbonding storage youngest = _unbondings[owner][place];
            uint96 part = uint96(Math.min(amount - taken, youngest.amount));
            taken += part;
            if (part == youngest.amount) --account.unbondings;
            else youngest.amount -= part;
        }
    }

    function _free(Account memory account) private pure returns (uint256) {
        return Math.saturatingSub(account.active, account.locked);
    }

    function _weight(Account memory account) private view returns (uint256) {
        return account.member && account.active >= minimumStake ? account.active / WEIGHT_UNIT : 0;
    }

    /// @dev Sum and number of the unbondings that have matured.
    function _matured(address owner) private view returns (uint256 amount, uint256 count) {
        Account storage account = _accounts[owner];
        (uint256 oldest, uint256 unbondings) = (account.oldest, account.unbondings);
        for (; count < unbondings; ++count) {
            Unbonding storage unbonding = _unbondings[owner][(oldest + count) % MAX_UNBONDINGS];
            if (unbonding.maturesAt > block.timestamp) break;
            amount += unbonding.amount;
        }
    }

    /// @dev The period of `seedBlock`, whose opening weights must still be known.
    function _snapshot(uint256 seedBlock) private view returns (uint256 period) {
        period = seedBlock / periodBlocks;
        uint256 current = block.number / periodBlocks;
        if (period != current && period + 1 != current) revert StakeVaultSnapshotGone(seedBlock);
    }

    /// @dev The leaves of two accounts, as far as they have any; one if it is the same account.
    function _leavesOf(address first, address second) private view returns (uint256[] memory leaves) {
        uint256 firstSeat = _accounts[first].seat;
        uint256 secondSeat = second == first ? 0 : _accounts[second].seat;
        leaves = new uint256[]((firstSeat > 0 ? 1 : 0) + (secondSeat > 0 ? 1 : 0));
        if (firstSeat > 0) leaves[0] = firstSeat - 1;
        if (secondSeat > 0) leaves[leaves.length - 1] = secondSeat - 1;
    }
}
