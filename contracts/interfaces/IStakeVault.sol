// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Stake of contributors and verifiers
/// @notice Holds stake, the locks behind batches, unbonding stake and bounties, and draws committees by stake.
///
/// Every token that came in is in exactly one place: active stake (locked or free), unbonding stake (matured or not),
/// credit, or burned. Stake leaves by `beginUnbond`, a delay that is longer than any audit with its appeals, and
/// `withdraw`; until it is withdrawn it can be slashed.
///
/// The draw reads weights as they were at the start of the period (`periodBlocks` blocks) that holds the seed's block.
/// Joining, leaving, raising, unbonding or being slashed changes the weights of later periods only, so nobody can alter
/// a draw whose seed is known. An account that left is still drawn for the periods that it was in, and still slashable.
interface IStakeVault {
    /// @param minimumStake Active stake, in token units, below which a member is not drawn.
    /// @param unbondingDelay Seconds; longer than two periods, an audit, its redraws and its appeals together.
    /// @param periodBlocks Blocks between two snapshots of the weights.
    struct Parameters {
        uint96 minimumStake;
        uint48 unbondingDelay;
        uint32 periodBlocks;
    }

    /// @param active Stake that counts, locked part included.
    /// @param locked The part of `active` that stands behind batches.
    /// @param unbonding On its way out, not yet matured, still slashable.
    /// @param matured Ready for `withdraw`, still slashable.
    /// @param credit Bounties, ready for `withdraw`, not slashable.
    struct Stake {
        uint256 active;
        uint256 locked;
        uint256 unbonding;
        uint256 matured;
        uint256 credit;
    }

    event Deposited(address indexed account, uint256 amount);
    event UnbondingBegun(address indexed account, uint256 amount, uint256 maturesAt);
    event Withdrawn(address indexed account, uint256 stake, uint256 credit);
    event CommitteeJoined(address indexed account);
    event CommitteeLeft(address indexed account);
    event Released(address indexed account, uint256 amount);
    /// @param released The lock that this slash freed.
    /// @param bounty Part of `slashed` credited to the beneficiary; the rest is burned.
    event Slashed(
        address indexed account, address indexed beneficiary, uint256 slashed, uint256 released, uint256 bounty
    );
    event Burned(uint256 amount);

    /// @dev The caller is not the audit court.
    error StakeVaultNotCourt(address caller);
    /// @dev `available` is what the call could use: free stake, or active stake where membership is asked for.
    error StakeVaultInsufficientStake(address account, uint256 available, uint256 needed);
    error StakeVaultZeroAmount();
    /// @dev Withdraw what has matured, or wait for the oldest of `limit` unbondings.
    error StakeVaultTooManyUnbondings(address account, uint256 limit);
    error StakeVaultNothingToWithdraw(address account);
    error StakeVaultAlreadyMember(address account);
    error StakeVaultNotMember(address account);
    error StakeVaultBountyExceedsSlash(uint256 bounty, uint256 amount);
    /// @dev Weights are kept for the period of the current block and the one before; arm a new seed.
    error StakeVaultSnapshotGone(uint256 seedBlock);
    error StakeVaultInvalidParameters();

    // ------------------------------------------------------------------ staking

    /// @notice Adds `amount` of the caller's tokens to its active stake.
    function deposit(uint256 amount) external;

    /// @notice `deposit` with an ERC-2612 permit. A permit that somebody else has already sent does not block it.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Starts taking `amount` of free stake out. It matures after the unbonding delay and is slashable until withdrawn.
    function beginUnbond(uint256 amount) external;

    /// @notice Pays the caller all its matured stake and its credit.
    function withdraw() external returns (uint256 amount);

    /// @notice Sends what was slashed and not given away to the burn address. Anyone may call it.
    function burn() external returns (uint256 amount);

    // ------------------------------------------------------------------ committee

    /// @notice Makes the caller eligible for committees from the next period on, for as long as its active stake is at least the minimum.
    function joinCommittee() external;

    /// @notice Ends the caller's eligibility from the next period on.
    function leaveCommittee() external;

    /// @notice Draws up to `size` distinct members by stake, fewer if fewer are eligible; never the two accounts named.
    /// @param seedBlock A block of the current period or of the one before; its period's opening weights are used.
    function drawCommittee(bytes32 seed, uint256 seedBlock, uint256 size, address contributor, address requester)
        external
        view
        returns (address[] memory committee);

    // ------------------------------------------------------------------ court only

    /// @notice Puts `amount` of free stake behind a batch or a source. The caller's event tells of it: the court's
    /// `Recorded`, the source registry's `Registered`.
    function lock(address account, uint256 amount) external;

    /// @notice Undoes a lock.
    function release(address account, uint256 amount) external;

    /// @notice Undoes a lock of `lockedAmount` and takes up to `amount`: from that lock and other free stake first, then
    /// from unbonding stake (youngest first, so matured stake last), then from stake locked elsewhere.
    /// @param bounty Part of `amount` that is credited to `beneficiary`, pro rata if less than `amount` was found; the
    /// rest is burned.
    /// @return slashed What was found and taken.
    function slash(address account, uint256 amount, uint256 lockedAmount, address beneficiary, uint256 bounty)
        external
        returns (uint256 slashed);

    // ------------------------------------------------------------------ views

    function token() external view returns (IERC20);
    function court() external view returns (address);
    function minimumStake() external view returns (uint256);
    function unbondingDelay() external view returns (uint256);
    function periodBlocks() external view returns (uint256);

    function stakeOf(address account) external view returns (Stake memory);
    function isMember(address account) external view returns (bool);

    /// @notice Weight of `account` in draws whose seed lies in the period of `seedBlock`, in units of 1e9 of the token's smallest.
    function weightOf(address account, uint256 seedBlock) external view returns (uint256);

    /// @notice Sum of all weights, as for `weightOf`.
    function totalWeight(uint256 seedBlock) external view returns (uint256);

    /// @notice All that was ever burned, and the part of it still waiting here for `burn`.
    function burned() external view returns (uint256 total, uint256 pending);
}
