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

    uint256 public constant CLAIMS_LIMIT = 64;
    uint256 private constant FEE_RATE_LIMIT = 2_000;

    IERC20 public immutable token;
    address public immutable court;
    address public immutable feeCollector;
    uint48 public immutable claimWindow;
    uint16 public immutable feeRate;

    uint16 public detection;
    uint256 public jobCount;
    mapping(uint256 jobId => Job) private _jobs;
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
        Job storage job = _liveJob(jobId);
        job.free += _pull(job, msg.sender, amount);
        emit JobToppedUp(jobId, msg.sender, amount);
    }

    function close(uint256 jobId) external nonReentrant {
        Job storage job = _job(jobId);
        require(!job.closed, JobEscrowClosed(jobId));
        require(msg.sender == job.owner || block.timestamp >= job.terms.expiry, JobEscrowNotOwner(jobId, msg.sender));
        uint256 refund = job.free;
        job.free = 0;
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
        _giveBack(_jobs[pot.jobId], left);
        emit PotReturned(batchId, left);
    }

    // ------------------------------------------------------------------------------------------ court

    function reserve(uint256 jobId, uint256 units)
        external
        onlyCourt
        nonReentrant
        returns (address owner, Kind kind, uint256 slash, uint8 samples, uint8 words)
    {
        Job storage job = _liveJob(jobId);
        Terms storage terms = job.terms;
        uint256 amount = units * terms.price + terms.auditFee;
        uint256 free = job.free;
        require(amount <= free, JobEscrowInsufficientFunds(jobId, free, amount));
        job.free = uint96(free - amount);
        job.reserved += uint96(amount);
        return (job.owner, terms.kind, units * terms.slashPerUnit, terms.samples, terms.words);
    }

    function postBond(uint256 jobId, address from, uint256 amount) external onlyCourt nonReentrant {
        Job storage job = _jobs[jobId];
        job.reserved += _pull(job, from, amount);
        emit BondPosted(jobId, from, amount);
    }

    function payFees(uint256 jobId, address[] calldata verifiers, uint256 pool) external onlyCourt nonReentrant {
        Job storage job = _jobs[jobId];
        bool shared = verifiers.length != 0;
        uint256 fee = shared ? pool * feeRate / Economics.ONE : 0;
        uint256 each = shared ? (pool - fee) / verifiers.length : 0;
        uint256 returned = pool - fee - each * verifiers.length;
        _unreserve(jobId, job, pool);
        creditOf[feeCollector] += fee;
        for (uint256 i = 0; i < verifiers.length; ++i) {
            creditOf[verifiers[i]] += each;
        }
        _giveBack(job, returned);
        emit FeesPaid(jobId, verifiers, each, fee, returned);
    }

    function settle(uint256 jobId, address account, uint256 paid, uint256 returned) external onlyCourt nonReentrant {
        Job storage job = _jobs[jobId];
        _unreserve(jobId, job, paid + returned);
        if (paid != 0) creditOf[account] += paid;
        _giveBack(job, returned);
        emit JobSettled(jobId, account, paid, returned);
    }

    function fillPot(uint256 jobId, bytes32 batchId, bytes32 root, uint256 amount) external onlyCourt nonReentrant {
        _unreserve(jobId, _jobs[jobId], amount);
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
        return _job(jobId);
    }

    function termsOf(uint256 jobId) external view returns (Terms memory terms, address owner) {
        Job storage job = _job(jobId);
        return (job.terms, job.owner);
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
        Job storage job = _jobs[jobId];
        job.terms = terms;
        job.owner = msg.sender;
        job.free = _pull(job, msg.sender, amount);
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
    function _pull(Job storage job, address from, uint256 amount) private returns (uint96) {
        require(amount != 0, JobEscrowZeroAmount());
        uint256 room = type(uint96).max - uint256(job.free) - job.reserved;
        require(amount <= room, JobEscrowAmountTooLarge(amount));
        token.pullFrom(from, amount);
        return uint96(amount);
    }

    function _unreserve(uint256 jobId, Job storage job, uint256 amount) private {
        uint256 reserved = job.reserved;
        require(amount <= reserved, JobEscrowInsufficientFunds(jobId, reserved, amount));
        job.reserved = uint96(reserved - amount);
    }

    function _giveBack(Job storage job, uint256 amount) private {
        if (amount == 0) return;
        if (job.closed) creditOf[job.owner] += amount;
        else job.free += uint96(amount);
    }

    function _job(uint256 jobId) private view returns (Job storage job) {
        job = _jobs[jobId];
        require(job.owner != address(0), JobEscrowUnknownJob(jobId));
    }

    function _liveJob(uint256 jobId) private view returns (Job storage job) {
        job = _job(jobId);
        require(!job.closed, JobEscrowClosed(jobId));
        require(block.timestamp < job.terms.expiry, JobEscrowExpired(jobId, job.terms.expiry));
    }

    function _setDetection(uint16 basisPoints) private {
        require(basisPoints != 0 && basisPoints <= Economics.ONE, JobEscrowInvalidDetection(basisPoints));
        detection = basisPoints;
        emit DetectionSet(basisPoints);
    }
}
