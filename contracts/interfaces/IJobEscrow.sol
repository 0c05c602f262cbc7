// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Jobs, the money behind them, and what each account may withdraw
/// @notice Every payment is pulled: the court only moves amounts between a job's free part, its reserved part, pots and
/// credit. Tokens held = free + reserved of all jobs + unclaimed pots + credit of all accounts.
interface IJobEscrow {
    /// @dev INFERENCE is settled with its one contributor; TRAINING and RETRIEVAL by the round's allocation root.
    enum Kind {
        INFERENCE,
        TRAINING,
        RETRIEVAL
    }

    struct Terms {
        Kind kind;
        uint96 price; // per unit of work
        uint96 auditFee; // per batch, shared by the verifiers who agree
        uint96 slashPerUnit; // of the contributor's stake, locked while the batch is open
        uint16 auditRateFloor; // basis points, at reputation 1.0
        uint16 auditRateCeiling; // basis points, at reputation 0
        uint8 committeeSize;
        uint8 samples; // leaves that an audit looks at, at most 16
        uint8 words; // 256-bit words in a digest, at most 4, and at most 24 in all samples
        uint16 tau; // bits; verifiers at most this far apart agree
        uint16 soft; // bits; a contributor at most this far from the medoid is paid
        uint16 hard; // bits; a contributor farther than this is slashed
        uint48 expiry; // timestamp; nothing is recorded from then on
        bytes32 specification; // SHA-256 of the specification's bytes
    }

    struct Job {
        Terms terms;
        uint96 free;
        uint96 reserved;
        address owner;
        bool closed;
    }

    /// @dev What an allocation root may still pay out.
    struct Pot {
        bytes32 root;
        uint96 left;
        uint48 until; // timestamp from which the rest goes back to the job
        uint64 jobId;
    }

    /// @dev `endorsed`: the trust edge of this share has been recorded.
    struct Share {
        uint96 amount;
        bool endorsed;
    }

    event JobOpened(uint256 indexed jobId, address indexed owner, Terms terms, uint256 amount);
    event JobToppedUp(uint256 indexed jobId, address indexed from, uint256 amount);
    event JobClosed(uint256 indexed jobId, uint256 refund);
    event BondPosted(uint256 indexed jobId, address indexed from, uint256 amount);
    event FeesPaid(uint256 indexed jobId, address[] verifiers, uint256 each, uint256 networkFee, uint256 returned);
    event JobSettled(uint256 indexed jobId, address indexed account, uint256 paid, uint256 returned);
    event PotFilled(uint256 indexed jobId, bytes32 indexed batchId, bytes32 root, uint256 amount, uint256 until);
    event PotClaimed(bytes32 indexed batchId, address indexed account, uint256 amount);
    event PotReturned(bytes32 indexed batchId, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event DetectionSet(uint16 basisPoints);

    error JobEscrowUnauthorized(address caller);
    error JobEscrowUnknownJob(uint256 jobId);
    error JobEscrowNotOwner(uint256 jobId, address caller);
    error JobEscrowClosed(uint256 jobId);
    error JobEscrowExpired(uint256 jobId, uint256 expiry);
    error JobEscrowZeroAmount();
    error JobEscrowAmountTooLarge(uint256 amount);
    error JobEscrowInsufficientFunds(uint256 jobId, uint256 available, uint256 needed);
    error JobEscrowNothingToWithdraw(address account);
    /// @dev `field` names the first member of `Terms` that is out of its range.
    error JobEscrowInvalidTerms(bytes32 field);
    /// @dev Full reputation's audit rate times the detection rate must reach `needed` basis points.
    error JobEscrowCheatingPays(uint256 caught, uint256 needed);
    error JobEscrowInvalidDetection(uint256 basisPoints);
    error JobEscrowInvalidFeeRate(uint256 basisPoints);
    error JobEscrowInvalidProof(bytes32 batchId, address account, uint256 amount);
    error JobEscrowAlreadyClaimed(bytes32 batchId, address account);
    error JobEscrowPotExhausted(bytes32 batchId, uint256 available, uint256 needed);
    error JobEscrowClaimsStillOpen(bytes32 batchId, uint256 until);
    error JobEscrowTooManyClaims(uint256 given, uint256 limit);
    error JobEscrowNothingToEndorse(bytes32 batchId, address account);

    // ---------------------------------------------------------------- requester

    /// @notice Opens a job with `amount` tokens, pulled from the caller. Refused while paused, and when its terms leave
    /// cheating profitable at full reputation.
    function open(Terms calldata terms, uint256 amount) external returns (uint256 jobId);

    /// @notice `open` after an ERC-2612 permit for `amount`. A permit that was already used is no error if the allowance stands.
    function openWithPermit(Terms calldata terms, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256 jobId);

    /// @notice Adds `amount` tokens of the caller to an open job.
    function topUp(uint256 jobId, uint256 amount) external;

    /// @notice Stops new work and credits what is not reserved to the owner. The owner at any time, anyone after expiry.
    /// What later settlements return is credited to the owner at once.
    function close(uint256 jobId) external;

    // ---------------------------------------------------------------- payees

    /// @notice Sends the caller's whole credit to the caller.
    function withdraw() external returns (uint256 amount);

    /// @notice Credits `account` its share of a SHARED batch. Leaf: `Leaf.share(batchId, account, amount)`. Anyone may call.
    function claim(bytes32 batchId, address account, uint256 amount, bytes32[] calldata proof) external;

    /// @notice `claim` for one account over at most 64 batches.
    function claimMany(
        bytes32[] calldata batchIds,
        address account,
        uint256[] calldata amounts,
        bytes32[][] calldata proofs
    ) external;

    /// @notice After the claim window: gives what nobody claimed back to the job. Anyone may call.
    function returnPot(bytes32 batchId) external;

    // ---------------------------------------------------------------- court

    /// @notice Reserves `units x price + auditFee` of an open, unexpired job. The court's `Recorded` is the event of it.
    function reserve(uint256 jobId, uint256 units)
        external
        returns (address owner, Kind kind, uint256 slash);

    /// @notice Pulls an appeal's bond from `from` into the job's reserved part.
    function postBond(uint256 jobId, address from, uint256 amount) external;

    /// @notice Takes `pool` from the reserved part: credits `feeRate` of it to `feeCollector` and an equal share of the rest
    /// to every verifier, returns what is left to the job; all of it where there are no verifiers.
    function payFees(uint256 jobId, address[] calldata verifiers, uint256 pool) external;

    /// @notice Takes `paid + returned` from the reserved part: credits `paid` to `account`, returns the rest to the job.
    function settle(uint256 jobId, address account, uint256 paid, uint256 returned) external;

    /// @notice Moves `amount` from the reserved part into a pot that `claim` pays out under `root`.
    function fillPot(uint256 jobId, bytes32 batchId, bytes32 root, uint256 amount) external;

    /// @notice Marks a claimed share as endorsed, once, and returns whose money it was.
    function endorse(bytes32 batchId, address account) external returns (address owner, uint256 amount);

    // ---------------------------------------------------------------- governance

    function setDetection(uint16 basisPoints) external;
    function pause() external;
    function unpause() external;

    // ---------------------------------------------------------------- views

    function jobOf(uint256 jobId) external view returns (Job memory);
    function termsOf(uint256 jobId) external view returns (Terms memory terms, address owner);
    function potOf(bytes32 batchId) external view returns (Pot memory);
    function shareOf(bytes32 batchId, address account) external view returns (Share memory);
    function creditOf(address account) external view returns (uint256);
    function jobCount() external view returns (uint256);
    function detection() external view returns (uint16 basisPoints);

    /// @notice The network's fee: basis points of what each committee shares.
    function feeRate() external view returns (uint16 basisPoints);

    /// @notice Whom the network's fees are credited to: the reputation oracle, for the proposers of its scores.
    function feeCollector() external view returns (address);
}
