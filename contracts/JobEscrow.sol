// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {Economics} from "./libraries/Economics.sol";
import {Leaf} from "./libraries/Leaf.sol";
import {TokenIntake} from "./libraries/TokenIntake.sol";

/// @title JobEscrow
/// @notice See `IJobEscrow`.
contract JobEscrow is IJobEscrow, AccessManaged, Pausable, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using TokenIntake for IERC20;

    /// @dev A job in storage, slot by slot: `reserve` uses the first three alone, `termsOf` all but the third.
    struct Entry {
        Kind kind;
        uint96 price;
        uint96 auditFee;
        uint48 expiry;
        // the second slot
        address owner;
        uint96 slashPerUnit;
        // the third
        uint192 funds; // `free` in the lower 96 bits, `reserved` in the upper: one store writes both
        bool closed;
        // the fourth
        bytes32 specification;
        // the fifth
        uint16 auditRateFloor;
        uint16 auditRateCeiling;
        uint8 committeeSize;
        uint8 samples;
        uint8 words;
        uint16 tau;
        uint16 soft;
        uint16 hard;
    }

    uint256 public constant CLAIMS_LIMIT = 64;
    uint256 private constant FEE_RATE_LIMIT = 2_000;

    IERC20 public immutable token;
    address public immutable court;
    address public immutable feeCollector;
    uint48 public immutable claimWindow;
    uint16 public immutable feeRate;

    uint16 public detection;
    uint256 public jobCount;
    mapping(uint256 jobId => Entry) private _jobs;
    mapping(bytes32 batchId => Pot) private _pots;
    mapping(bytes32 batchId => mapping(address account => Share)) private _shares;
    mapping(address account => uint256) public creditOf;

    modifier onlyCourt() {
        require(msg.sender == court, JobEscrowUnauthorized(msg.sender));
        _;
    }

    /// @param claimWindow_ seconds in which shares of a pot can be claimed
    /// @param detection_ basis points: how surely an audit finds a faked leaf that it looks at
    /// @param feeRate_ basis points of what each committee shares, for the network; at most 2,000
    constructor(
        IERC20 token_,
        address court_,
        address feeCollector_,
        address manager,
        uint48 claimWindow_,
        uint16 detection_,
        uint16 feeRate_
    ) AccessManaged(manager) {
        require(feeRate_ <= FEE_RATE_LIMIT, JobEscrowInvalidFeeRate(feeRate_));
        (token, court, feeCollector) = (token_, court_, feeCollector_);
        (claimWindow, feeRate) = (claimWindow_, feeRate_);
        _setDetection(detection_);
    }

    // ------------------------------------------------------------------------------------------ requester

    function open(Terms calldata terms, uint256 amount) external nonReentrant whenNotPaused returns (uint256 jobId) {
        return _open(terms, amount);
    }

    function openWithPermit(Terms calldata terms, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        whenNotPaused
        returns (uint256 jobId)
    {
        token.permit(amount, deadline, v, r, s);
        return _open(terms, amount);
    }

    function topUp(uint256 jobId, uint256 amount) external nonReentrant {
        Entry storage job = _jobs[jobId];
        _checkLive(jobId, job.owner, job.closed, job.expiry);
        _pull(job, msg.sender, amount);
        (uint96 free, uint96 reserved) = _split(job.funds);
        job.funds = _joined(free + uint96(amount), reserved);
        emit JobToppedUp(jobId, msg.sender, amount);
    }

    function close(uint256 jobId) external nonReentrant {
        Entry storage job = _job(jobId);
        require(!job.closed, JobEscrowClosed(jobId));
        require(msg.sender == job.owner || block.timestamp >= job.expiry, JobEscrowNotOwner(jobId, msg.sender));
        (uint96 refund, uint96 reserved) = _split(job.funds);
        job.funds = _joined(0, reserved);
        job.closed = true;
        creditOf[job.owner] += refund;
        emit JobClosed(jobId, refund);
    }

    // ------------------------------------------------------------------------------------------ payees

    function withdraw() external nonReentrant returns (uint256 amount) {
        amount = creditOf[msg.sender];
        require(amount != 0, JobEscrowNothingToWithdraw(msg.sender));
        creditOf[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    function claim(bytes32 batchId, address account, uint256 amount, bytes32[] calldata proof) external nonReentrant {
        _claim(batchId, account, amount, proof);
    }

    function claimMany(
        bytes32[] calldata batchIds,
        address account,
        uint256[] calldata amounts,
        bytes32[][] calldata proofs
    ) external nonReentrant {
        require(batchIds.length <= CLAIMS_LIMIT, JobEscrowTooManyClaims(batchIds.length, CLAIMS_LIMIT));
        for (uint256 i = 0; i < batchIds.length; ++i) {
            _claim(batchIds[i], account, amounts[i], proofs[i]);
        }
    }

    function returnPot(bytes32 batchId) external nonReentrant {
        Pot storage pot = _pots[batchId];
        require(block.timestamp >= pot.until, JobEscrowClaimsStillOpen(batchId, pot.until));
        uint256 left = pot.left;
        require(left != 0, JobEscrowZeroAmount());
        pot.left = 0;
        _release(pot.jobId, _jobs[pot.jobId], 0, left);
        emit PotReturned(batchId, left);
    }

    // ------------------------------------------------------------------------------------------ court

    function reserve(uint256 jobId, uint256 units)
        external
        onlyCourt
        nonReentrant
        returns (address owner, Kind kind, uint256 slash)
    {
        Entry storage job = _jobs[jobId];
        (owner, kind, slash) = (job.owner, job.kind, units * job.slashPerUnit);
        _checkLive(jobId, owner, job.closed, job.expiry);
        uint256 amount = units * job.price + job.auditFee;
        (uint96 free, uint96 reserved) = _split(job.funds);
        require(amount <= free, JobEscrowInsufficientFunds(jobId, free, amount));
        job.funds = _joined(free - uint96(amount), reserved + uint96(amount));
    }

    function postBond(uint256 jobId, address from, uint256 amount) external onlyCourt nonReentrant {
        Entry storage job = _jobs[jobId];
        _pull(job, from, amount);
        (uint96 free, uint96 reserved) = _split(job.funds);
        job.funds = _joined(free, reserved + uint96(amount));
        emit BondPosted(jobId, from, amount);
    }

    function payFees(uint256 jobId, address[] calldata verifiers, uint256 pool) external onlyCourt nonReentrant {
        Entry storage job = _jobs[jobId];
        bool shared = verifiers.length != 0;
        uint256 fee = shared ? pool * feeRate / Economics.ONE : 0;
        uint256 each = shared ? (pool - fee) / verifiers.length : 0;
        uint256 returned = pool - fee - each * verifiers.length;
        _release(jobId, job, pool, returned);
        creditOf[feeCollector] += fee;
        for (uint256 i = 0; i < verifiers.length; ++i) {
            creditOf[verifiers[i]] += each;
        }
        emit FeesPaid(jobId, verifiers, each, fee, returned);
    }

    function settle(uint256 jobId, address account, uint256 paid, uint256 returned) external onlyCourt nonReentrant {
        _release(jobId, _jobs[jobId], paid + returned, returned);
        if (paid != 0) creditOf[account] += paid;
        emit JobSettled(jobId, account, paid, returned);
    }

    function fillPot(uint256 jobId, bytes32 batchId, bytes32 root, uint256 amount) external onlyCourt nonReentrant {
        _release(jobId, _jobs[jobId], amount, 0);
        uint48 until = uint48(block.timestamp) + claimWindow;
        _pots[batchId] = Pot(root, uint96(amount), until, uint64(jobId));
        emit PotFilled(jobId, batchId, root, amount, until);
    }

    function endorse(bytes32 batchId, address account)
        external
        onlyCourt
        nonReentrant
        returns (address owner, uint256 amount)
    {
        Share storage share = _shares[batchId][account];
        amount = share.amount;
        require(amount != 0 && !share.endorsed, JobEscrowNothingToEndorse(batchId, account));
        share.endorsed = true;
        owner = _jobs[_pots[batchId].jobId].owner;
    }

    // ------------------------------------------------------------------------------------------ governance

    function setDetection(uint16 basisPoints) external restricted {
        _setDetection(basisPoints);
    }

    function pause() external restricted {
        _pause();
    }

    function unpause() external restricted {
        _unpause();
    }

    // ------------------------------------------------------------------------------------------ views

    function jobOf(uint256 jobId) external view returns (Job memory) {
        Entry storage job = _job(jobId);
        (uint96 free, uint96 reserved) = _split(job.funds);
        return Job(_termsOf(job), free, reserved, job.owner, job.closed);
    }

    function termsOf(uint256 jobId) external view returns (Terms memory terms, address owner) {
        Entry storage job = _job(jobId);
        return (_termsOf(job), job.owner);
    }

    function potOf(bytes32 batchId) external view returns (Pot memory) {
        return _pots[batchId];
    }

    function shareOf(bytes32 batchId, address account) external view returns (Share memory) {
        return _shares[batchId][account];
    }

    // ------------------------------------------------------------------------------------------ internal

    function _open(Terms calldata terms, uint256 amount) private returns (uint256 jobId) {
        _checkTerms(terms);
        jobId = ++jobCount;
        _jobs[jobId] = Entry({
            kind: terms.kind,
            price: terms.price,
            auditFee: terms.auditFee,
            expiry: terms.expiry,
            owner: msg.sender,
            slashPerUnit: terms.slashPerUnit,
            funds: 0,
            closed: false,
            specification: terms.specification,
            auditRateFloor: terms.auditRateFloor,
            auditRateCeiling: terms.auditRateCeiling,
            committeeSize: terms.committeeSize,
            samples: terms.samples,
            words: terms.words,
            tau: terms.tau,
            soft: terms.soft,
            hard: terms.hard
        });
        Entry storage job = _jobs[jobId];
        _pull(job, msg.sender, amount);
        job.funds = _joined(uint96(amount), 0);
        emit JobOpened(jobId, msg.sender, terms, amount);
    }

    function _checkTerms(Terms calldata terms) private view {
        require(terms.price != 0, JobEscrowInvalidTerms("price"));
        require(terms.auditFee != 0, JobEscrowInvalidTerms("auditFee"));
        require(terms.auditRateFloor != 0, JobEscrowInvalidTerms("auditRateFloor"));
        require(
            terms.auditRateFloor <= terms.auditRateCeiling && terms.auditRateCeiling <= Economics.ONE,
            JobEscrowInvalidTerms("auditRateCeiling")
        );
        require(terms.committeeSize >= 3 && terms.committeeSize <= 21, JobEscrowInvalidTerms("committeeSize"));
        require(terms.samples != 0 && terms.samples <= 16, JobEscrowInvalidTerms("samples"));
        // So many words in all keep the largest committee's tally within what a block takes.
        require(
            terms.words != 0 && terms.words <= 4 && uint256(terms.words) * terms.samples <= 24,
            JobEscrowInvalidTerms("words")
        );
        require(terms.soft < terms.hard, JobEscrowInvalidTerms("soft"));
        require(terms.hard < 256 * uint256(terms.words), JobEscrowInvalidTerms("hard"));
        require(terms.tau <= terms.hard, JobEscrowInvalidTerms("tau"));
        require(terms.expiry > block.timestamp, JobEscrowInvalidTerms("expiry"));
        require(terms.specification != 0, JobEscrowInvalidTerms("specification"));
        // A SHARED batch is always audited: without a committee there is no allocation to pay by.
        uint256 rate = terms.kind == Kind.INFERENCE ? terms.auditRateFloor : Economics.ONE;
        uint256 caught = Economics.surelyCaught(rate, detection);
        uint256 needed = Economics.neededCatch(terms.price, terms.slashPerUnit);
        require(caught >= needed, JobEscrowCheatingPays(caught, needed));
    }

    function _claim(bytes32 batchId, address account, uint256 amount, bytes32[] calldata proof) private {
        Pot storage pot = _pots[batchId];
        Share storage share = _shares[batchId][account];
        uint256 left = pot.left;
        require(
            amount != 0 && MerkleProof.verifyCalldata(proof, pot.root, Leaf.share(batchId, account, amount)),
            JobEscrowInvalidProof(batchId, account, amount)
        );
        require(share.amount == 0, JobEscrowAlreadyClaimed(batchId, account));
        require(amount <= left, JobEscrowPotExhausted(batchId, left, amount));
        pot.left = uint96(left - amount);
        share.amount = uint96(amount);
        creditOf[account] += amount;
        emit PotClaimed(batchId, account, amount);
    }

    /// @dev Pulls exactly `amount` and keeps a job's money within 96 bits, so that no later settlement can overflow.
    function _pull(Entry storage job, address from, uint256 amount) private {
        require(amount != 0, JobEscrowZeroAmount());
        (uint96 free, uint96 reserved) = _split(job.funds);
        uint256 room = type(uint96).max - uint256(free) - reserved;
        require(amount <= room, JobEscrowAmountTooLarge(amount));
        token.pullFrom(from, amount);
    }

    /// @dev The money of a job as `Entry` keeps it.
    function _joined(uint96 free, uint96 reserved) private pure returns (uint192 funds) {
        return uint192(reserved) << 96 | free;
    }

    function _split(uint192 funds) private pure returns (uint96 free, uint96 reserved) {
        return (uint96(funds), uint96(funds >> 96));
    }

    /// @dev Takes `amount` from what is reserved and gives `returned` back: to the job or, once it is closed, its owner.
    function _release(uint256 jobId, Entry storage job, uint256 amount, uint256 returned) private {
        (uint96 free, uint96 reserved) = _split(job.funds);
        require(amount <= reserved, JobEscrowInsufficientFunds(jobId, reserved, amount));
        bool toOwner = returned != 0 && job.closed;
        if (toOwner) creditOf[job.owner] += returned;
        job.funds = _joined(toOwner ? free : free + uint96(returned), reserved - uint96(amount));
    }

    function _termsOf(Entry storage job) private view returns (Terms memory) {
        return Terms({
            kind: job.kind,
            price: job.price,
            auditFee: job.auditFee,
            slashPerUnit: job.slashPerUnit,
            auditRateFloor: job.auditRateFloor,
            auditRateCeiling: job.auditRateCeiling,
            committeeSize: job.committeeSize,
            samples: job.samples,
            words: job.words,
            tau: job.tau,
            soft: job.soft,
            hard: job.hard,
            expiry: job.expiry,
            specification: job.specification
        });
    }

    function _job(uint256 jobId) private view returns (Entry storage job) {
        job = _jobs[jobId];
        require(job.owner != address(0), JobEscrowUnknownJob(jobId));
    }

    /// @dev Takes values that the caller has read, so that no slot is read twice.
    function _checkLive(uint256 jobId, address owner, bool closed, uint256 expiry) private view {
        require(owner != address(0), JobEscrowUnknownJob(jobId));
        require(!closed, JobEscrowClosed(jobId));
        require(block.timestamp < expiry, JobEscrowExpired(jobId, expiry));
    }

    function _setDetection(uint16 basisPoints) private {
        require(basisPoints != 0 && basisPoints <= Economics.ONE, JobEscrowInvalidDetection(basisPoints));
        detection = basisPoints;
        emit DetectionSet(basisPoints);
    }
}
