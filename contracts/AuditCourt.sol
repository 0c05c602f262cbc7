// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {AuditClock} from "./AuditClock.sol";
import {AuditTally} from "./AuditTally.sol";
import {IFeedbackGraph} from "./interfaces/IFeedbackGraph.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {IReputationOracle} from "./interfaces/IReputationOracle.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Economics} from "./libraries/Economics.sol";
import {Sampling} from "./libraries/Sampling.sol";

/// @title AuditCourt
/// @notice See `IAuditCourt`.
contract AuditCourt is AuditTally, AccessManaged, Pausable, ReentrancyGuardTransient {
    uint256 public constant BATCHES_LIMIT = 32;
    uint256 public constant COMMITTEE_LIMIT = 23;
    uint256 public constant REDRAWS_LIMIT = 2;
    uint256 public constant APPEALS_LIMIT = 2;

    IStakeVault public immutable vault;
    IJobEscrow public immutable escrow;
    IFeedbackGraph public immutable graph;
    IReputationOracle public immutable oracle;

    Penalties private _penalties;
    mapping(bytes32 batchId => bytes32) private _sampleSeeds;
    /// @dev Allocation root that the standing decision adopted.
    mapping(bytes32 batchId => bytes32) private _payloads;
    mapping(uint256 jobId => mapping(address contributor => uint256)) public nextLeaf;
    /// @dev Block of the announcement.
    mapping(bytes32 commitment => uint256) private _canaries;

    constructor(
        IStakeVault vault_,
        IJobEscrow escrow_,
        IFeedbackGraph graph_,
        IReputationOracle oracle_,
        address manager,
        Windows memory windows_,
        Penalties memory penalties_
    ) AuditClock(windows_) AccessManaged(manager) {
        (vault, escrow, graph, oracle) = (vault_, escrow_, graph_, oracle_);
        // Whoever is drawn must still have a stake to lose when the last appeal is over.
        uint256 round = uint256(windows_.commit) + windows_.disclose + windows_.reveal;
        uint256 longest = (1 + REDRAWS_LIMIT + APPEALS_LIMIT) * round + (1 + APPEALS_LIMIT) * windows_.appeal;
        require(vault_.unbondingDelay() > longest, AuditCourtInvalidWindows());
        _setPenalties(penalties_);
    }

    // ------------------------------------------------------------------------------------------ record

    function record(Batch[] calldata batches, bytes[] calldata signatures) external nonReentrant whenNotPaused {
        require(batches.length <= BATCHES_LIMIT, AuditCourtTooManyBatches(batches.length, BATCHES_LIMIT));
        require(batches.length == signatures.length, AuditCourtLengthMismatch(signatures.length, batches.length));
        for (uint256 i = 0; i < batches.length; ++i) {
            _record(batches[i], signatures[i]);
        }
    }

    function _record(Batch memory batch, bytes calldata signature) private {
        (uint256 jobId, address contributor) = (batch.jobId, batch.contributor);
        require(batch.count != 0 && batch.units != 0, AuditCourtEmptyBatch());
        require(block.timestamp <= batch.deadline, AuditCourtSignatureExpired(batch.deadline));
        uint256 expected = nextLeaf[jobId][contributor];
        require(batch.first == expected, AuditCourtUnexpectedFirst(jobId, contributor, expected, batch.first));
        nextLeaf[jobId][contributor] = expected + batch.count;

        bytes32 batchId = _hashBatch(batch);
        _checkSignature(batchId, contributor, signature);
        (address requester, IJobEscrow.Kind kind, uint256 slash) = escrow.reserve(jobId, batch.units);
        require(contributor != requester, AuditCourtSelfDealing(contributor));
        vault.lock(contributor, slash);

        Audit memory audit;
        audit.phase = Phase.RECORDED;
        audit.shared = kind != IJobEscrow.Kind.INFERENCE;
        audit.certain = audit.shared; // Only a committee can say how a shared batch is paid.
        audit.recordedBlock = uint48(block.number);
        audit.seedBlock = uint48(block.number) + _seedDelay;
        audit.since = uint48(block.timestamp);
        _save(batchId, audit);
        emit Recorded(batchId, requester, batch, audit.seedBlock);
    }

    /// @dev By the account's key; if not, the account is asked (ERC-1271).
    function _checkSignature(bytes32 batchId, address contributor, bytes calldata signature) private view {
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(batchId, signature);
        if (failure == ECDSA.RecoverError.NoError && signer == contributor) return;
        require(
            SignatureChecker.isValidERC1271SignatureNowCalldata(contributor, batchId, signature),
            AuditCourtInvalidSignature(batchId, contributor)
        );
    }

    // ------------------------------------------------------------------------------------------ draw

    function draw(Batch calldata batch) external nonReentrant {
        (bytes32 batchId, Audit memory audit) = _load(batch, Phase.RECORDED);
        require(block.number > audit.seedBlock, AuditCourtSeedNotReady(batchId, audit.seedBlock));
        bytes32 entropy = Blockhash.blockHash(audit.seedBlock);
        if (entropy == 0) return _rearm(batchId, audit);
        bytes32 seed = keccak256(abi.encode(entropy, block.chainid, address(this), batchId, audit.round));

        (IJobEscrow.Terms memory terms, address requester) = _termsOf(batch.jobId);
        if (!audit.certain) {
            uint256 lot = uint256(keccak256(abi.encode(seed, "audited"))) % Economics.ONE;
            if (lot >= _auditRate(terms, batch.contributor)) {
                (audit.phase, audit.outcome) = (Phase.DECIDED, Outcome.UNSAMPLED);
                audit.since = uint48(block.timestamp);
                _save(batchId, audit);
                emit Unsampled(batchId, seed, block.timestamp + _unsampledDelay);
                return;
            }
            audit.certain = true;
        }

        bool first = audit.committeeSize == 0;
        if (first) {
            audit.samples = terms.samples < batch.count ? terms.samples : uint8(batch.count);
            audit.words = terms.words;
        }
        uint256 size = first ? terms.committeeSize : _larger(audit.committeeSize);
        address[] memory committee;
        try vault.drawCommittee(seed, audit.seedBlock, size, batch.contributor, requester) returns (
            address[] memory drawn
        ) {
            committee = drawn;
        } catch (bytes memory reason) {
            // Any other failure, such as too little gas given by the caller, must not buy a new seed.
            if (bytes4(reason) != IStakeVault.StakeVaultSnapshotGone.selector) _bubble(reason);
            return _rearm(batchId, audit);
        }
        if (first ? committee.length < size : committee.length <= audit.committeeSize) {
            return _leaveUndecided(batch, batchId, audit, terms);
        }
        _seat(batchId, audit, seed, committee);
    }

    function _seat(bytes32 batchId, Audit memory audit, bytes32 seed, address[] memory committee) private {
        (uint256 round, uint256 size) = (audit.round, committee.length);
        for (uint256 i = 0; i < size; ++i) {
            _seats[batchId][round][committee[i]] = bytes32(DRAWN);
        }
        if (audit.committeeSize == 0) _sampleSeeds[batchId] = seed;
        _rounds[batchId][round] = keccak256(abi.encode(seed, committee));
        audit.committeeSize = uint8(size);
        audit.phase = Phase.COMMIT;
        audit.since = uint48(block.timestamp);
        _save(batchId, audit);
        emit Drawn(batchId, round, seed, _sampleSeeds[batchId], committee, block.timestamp + _commitWindow);
    }

    function _rearm(bytes32 batchId, Audit memory audit) private {
        audit.seedBlock = uint48(block.number) + _seedDelay;
        _save(batchId, audit);
        emit SeedRearmed(batchId, audit.round, audit.seedBlock);
    }

    // ------------------------------------------------------------------------------------------ commit, disclose, reveal

    function commit(bytes32 batchId, bytes32 commitment) external {
        Audit memory audit = _load(batchId, Phase.COMMIT);
        bytes32 seat = _seats[batchId][audit.round][msg.sender];
        require(seat != 0, AuditCourtNotSeated(batchId, audit.round, msg.sender));
        require(_tag(seat) == DRAWN, AuditCourtAlreadyCommitted(batchId, msg.sender));
        _seats[batchId][audit.round][msg.sender] = _tagged(commitment, COMMITTED);
        emit Committed(batchId, audit.round, msg.sender, commitment);
        ++audit.committed;
        if (audit.committed == audit.committeeSize) {
            _begin(batchId, audit, audit.shared ? Phase.REVEAL : Phase.DISCLOSE);
        }
        _save(batchId, audit);
    }

    function disclose(Batch calldata batch, uint256[] calldata digests, bytes32 openingsHash) external {
        (bytes32 batchId, Audit memory audit) = _load(batch, Phase.DISCLOSE);
        require(msg.sender == batch.contributor, AuditCourtNotContributor(batchId, msg.sender));
        _checkLength(digests.length, uint256(audit.samples) * audit.words);
        bytes32 round = _rounds[batchId][audit.round];
        _rounds[batchId][audit.round] = keccak256(abi.encode(round, digests));
        audit.disclosed = true;
        emit Disclosed(batchId, audit.round, digests, openingsHash);
        _begin(batchId, audit, Phase.REVEAL);
        _save(batchId, audit);
    }

    function reveal(
        bytes32 batchId,
        uint256[] calldata digests,
        uint8[] calldata verdicts,
        uint256 opened,
        bytes32 payload,
        bytes32 salt
    ) external {
        Audit memory audit = _load(batchId, Phase.REVEAL);
        _checkLength(digests.length, uint256(audit.samples) * audit.words);
        _checkLength(verdicts.length, audit.samples);
        for (uint256 i = 0; i < verdicts.length; ++i) {
            require(verdicts[i] != 0 && verdicts[i] <= UNAVAILABLE, AuditCourtInvalidVerdict(verdicts[i]));
        }
        require(opened < 1 << audit.samples, AuditCourtInvalidOpened(opened));

        bytes32 seat = _seats[batchId][audit.round][msg.sender];
        require(_tag(seat) == COMMITTED, AuditCourtNotCommitted(batchId, msg.sender));
        bytes32 commitment = commitmentOf(batchId, audit.round, msg.sender, digests, verdicts, payload, salt);
        require(seat == _tagged(commitment, COMMITTED), AuditCourtCommitmentMismatch(batchId, msg.sender));
        _seats[batchId][audit.round][msg.sender] = _revealHash(digests, verdicts, opened, payload);
        emit Revealed(batchId, audit.round, msg.sender, digests, verdicts, opened, payload);
        ++audit.revealed;
        if (audit.revealed == audit.committed) _begin(batchId, audit, Phase.TALLY);
        _save(batchId, audit);
    }

    // ------------------------------------------------------------------------------------------ finalize

    function finalize(
        Batch calldata batch,
        bytes32 seed,
        address[] calldata committee,
        Reveal[] calldata reveals,
        uint256[] calldata disclosed
    ) external nonReentrant {
        (bytes32 batchId, Audit memory audit) = _load(batch, Phase.TALLY);
        (IJobEscrow.Terms memory terms,) = _termsOf(batch.jobId);
        uint256 round = audit.round;
        Tally memory tally = _tally(batchId, round, audit, terms, seed, committee, reveals, disclosed);
        address[] memory payees = _judgeVerifiers(batchId, round, committee, tally.agreed);

        if (tally.outcome == Outcome.NONE) {
            if (audit.redraws == REDRAWS_LIMIT) return _leaveUndecided(batch, batchId, audit, terms);
            ++audit.redraws;
            _nextRound(audit);
            _save(batchId, audit);
            emit NoQuorum(batchId, round, audit.seedBlock);
            return;
        }
        audit.phase = Phase.DECIDED;
        audit.since = uint48(block.timestamp);
        (audit.outcome, audit.proven) = (tally.outcome, tally.proven);
        _save(batchId, audit);
        if (audit.shared && tally.outcome == Outcome.PASS) _payloads[batchId] = tally.payload;
        emit Decided(batchId, round, tally.outcome, tally.agreed, tally.payload, _settleableAt(audit));

        uint256 pool = audit.appeals == 0 ? terms.auditFee : _bond(terms, audit.appeals);
        escrow.payFees(batch.jobId, payees, pool);
    }

    /// @dev Penalizes each seat that did not do its part; returns those that did.
    function _judgeVerifiers(bytes32 batchId, uint256 round, address[] calldata committee, uint256 agreed)
        private
        returns (address[] memory payees)
    {
        payees = new address[](committee.length);
        uint256 paid;
        for (uint256 i = 0; i < committee.length; ++i) {
            address verifier = committee[i];
            uint256 tag = _tag(_seats[batchId][round][verifier]);
            if (tag == DRAWN) _penalize(batchId, round, verifier, Fault.ABSENT, _penalties.absent);
            else if (tag == COMMITTED) _penalize(batchId, round, verifier, Fault.WITHHELD, _penalties.withheld);
            else if (agreed >> i & 1 == 0) _penalize(batchId, round, verifier, Fault.OUTLIER, _penalties.outlier);
            else payees[paid++] = verifier;
        }
        assembly ("memory-safe") {
            mstore(payees, paid)
        }
    }

    /// @dev All of it is burned: if anyone were paid for a verifier's lateness, someone would see to it that it is late.
    function _penalize(bytes32 batchId, uint256 round, address verifier, Fault fault, uint256 amount) private {
        emit VerifierPenalized(
            batchId, round, verifier, fault, vault.slash(verifier, amount, 0, address(0), 0)
        );
    }

    /// @dev A decision that is under appeal stands, and the bond goes back; without one, the batch is refunded.
    function _leaveUndecided(
        Batch calldata batch,
        bytes32 batchId,
        Audit memory audit,
        IJobEscrow.Terms memory terms
    ) private {
        audit.phase = Phase.DECIDED;
        audit.since = uint48(block.timestamp);
        bool appealed = audit.appeals != 0;
        if (!appealed) audit.outcome = Outcome.REFUNDED;
        _save(batchId, audit);
        emit Decided(batchId, audit.round, audit.outcome, 0, _payloads[batchId], _settleableAt(audit));
        if (appealed) {
            (, address requester) = _termsOf(batch.jobId);
            address appellant = audit.outcome == Outcome.FRAUD ? batch.contributor : requester;
            escrow.settle(batch.jobId, appellant, _bond(terms, audit.appeals), 0);
        }
    }

    // ------------------------------------------------------------------------------------------ settle

    function settle(Batch calldata batch) external nonReentrant {
        (bytes32 batchId, Audit memory audit) = _load(batch, Phase.DECIDED);
        require(block.timestamp >= _settleableAt(audit), AuditCourtTooEarly(batchId, _settleableAt(audit)));
        audit.phase = Phase.SETTLED;
        _save(batchId, audit);

        (IJobEscrow.Terms memory terms, address requester) = _termsOf(batch.jobId);
        (uint256 jobId, address contributor) = (batch.jobId, batch.contributor);
        uint256 pay = uint256(batch.units) * terms.price;
        uint256 slash = uint256(batch.units) * terms.slashPerUnit;
        Outcome outcome = audit.outcome;

        if (outcome == Outcome.FRAUD) {
            slash = vault.slash(contributor, slash, slash, requester, slash / 2);
            escrow.settle(jobId, contributor, 0, pay);
            graph.recordDistrust(requester, contributor, pay);
            emit Settled(batchId, outcome, contributor, 0, slash);
            return;
        }
        vault.release(contributor, slash);
        bool paid = outcome == Outcome.PASS || outcome == Outcome.UNSAMPLED;
        if (paid && audit.shared) {
            escrow.fillPot(jobId, batchId, _payloads[batchId], pay);
        } else {
            // Without a decision by a committee, its fee was not spent.
            bool feeLeft = outcome == Outcome.UNSAMPLED || outcome == Outcome.REFUNDED;
            escrow.settle(jobId, contributor, paid ? pay : 0, (paid ? 0 : pay) + (feeLeft ? terms.auditFee : 0));
            if (paid) graph.recordTrust(requester, contributor, pay);
        }
        emit Settled(batchId, outcome, contributor, paid ? pay : 0, 0);
    }

    function endorse(bytes32 batchId, address account) external nonReentrant {
        (address requester, uint256 amount) = escrow.endorse(batchId, account);
        require(account != requester, AuditCourtSelfDealing(account));
        graph.recordTrust(requester, account, amount);
        emit ShareEndorsed(batchId, account, amount);
    }

    // ------------------------------------------------------------------------------------------ disputes

    function appeal(Batch calldata batch) external nonReentrant {
        (bytes32 batchId, Audit memory audit) = _load(batch, Phase.DECIDED);
        (IJobEscrow.Terms memory terms, address requester) = _termsOf(batch.jobId);
        if (audit.outcome == Outcome.FRAUD) {
            require(msg.sender == batch.contributor, AuditCourtNotContributor(batchId, msg.sender));
        } else {
            require(audit.outcome == Outcome.PASS, AuditCourtNotAppealable(batchId, audit.outcome));
            require(msg.sender == requester, AuditCourtNotRequester(batchId, msg.sender));
        }
        require(block.timestamp < _settleableAt(audit), AuditCourtTooLate(batchId, _settleableAt(audit)));
        require(
            audit.appeals < APPEALS_LIMIT && audit.committeeSize < COMMITTEE_LIMIT,
            AuditCourtAppealsExhausted(batchId)
        );
        ++audit.appeals;
        _nextRound(audit);
        _save(batchId, audit);
        uint256 bond = _bond(terms, audit.appeals);
        emit Appealed(batchId, msg.sender, bond, audit.seedBlock);
        escrow.postBond(batch.jobId, msg.sender, bond);
    }

    function punish(
        Batch calldata batch,
        uint256 round,
        bytes32 seed,
        address[] calldata committee,
        Reveal[] calldata reveals,
        uint256[] calldata disclosed
    ) external nonReentrant {
        (bytes32 batchId, Audit memory audit) = _load(batch, Phase.SETTLED);
        (IJobEscrow.Terms memory terms, address requester) = _termsOf(batch.jobId);
        Tally memory tally = _tally(batchId, round, audit, terms, seed, committee, reveals, disclosed);
        delete _rounds[batchId][round];

        // Only what was recorded counts: what the contributor disclosed, it may have changed between the rounds to
        // make honest verifiers look wrong.
        bool passedFraud = tally.outcome == Outcome.PASS && audit.proven
            && (audit.outcome == Outcome.FRAUD || audit.outcome == Outcome.CANARY);
        bool failedWork = tally.outcome == Outcome.FRAUD && tally.proven && audit.outcome == Outcome.PASS;
        require(passedFraud || failedWork, AuditCourtNotOverturned(batchId, round));
        address wronged = passedFraud ? requester : batch.contributor;
        uint256 amount = _penalties.overturned;
        for (uint256 i = 0; i < committee.length; ++i) {
            if (tally.agreed >> i & 1 == 0) continue;
            uint256 slashed = vault.slash(committee[i], amount, 0, wronged, amount / 2);
            emit VerifierPenalized(batchId, round, committee[i], Fault.OVERTURNED, slashed);
        }
    }

    function commitCanary(bytes32 commitment) external {
        require(_canaries[commitment] == 0, AuditCourtCanaryExists(commitment));
        _canaries[commitment] = block.number;
        emit CanaryCommitted(commitment);
    }

    function revealCanary(Batch calldata batch, bytes32 salt) external {
        (bytes32 batchId, Audit memory audit) = _load(batch, Phase.DECIDED);
        (, address requester) = _termsOf(batch.jobId);
        require(msg.sender == requester, AuditCourtNotRequester(batchId, msg.sender));
        require(audit.outcome == Outcome.FRAUD, AuditCourtNotAppealable(batchId, audit.outcome));
        bytes32 commitment = keccak256(abi.encode(requester, batchId, salt));
        uint256 announced = _canaries[commitment];
        // Announced after the batch, a waiver could be sold to a contributor that was caught.
        require(announced != 0 && announced <= audit.recordedBlock, AuditCourtUnknownCanary(commitment));
        audit.outcome = Outcome.CANARY;
        _save(batchId, audit);
        emit CanaryRevealed(batchId);
    }

    // ------------------------------------------------------------------------------------------ governance

    function setPenalties(Penalties calldata penalties_) external restricted {
        _setPenalties(penalties_);
    }

    function pause() external restricted {
        _pause();
    }

    function unpause() external restricted {
        _unpause();
    }

    function _setPenalties(Penalties memory amounts) private {
        // To withhold a reveal must be the dearest of the three: it is the only one that is chosen with knowledge.
        require(
            amounts.absent != 0 && amounts.absent <= amounts.outlier && amounts.outlier < amounts.withheld
                && amounts.overturned != 0,
            AuditCourtInvalidPenalties()
        );
        _penalties = amounts;
        emit PenaltiesSet(amounts);
    }

    // ------------------------------------------------------------------------------------------ views

    function auditRate(uint256 jobId, address contributor) external view returns (uint256) {
        (IJobEscrow.Terms memory terms,) = _termsOf(jobId);
        return terms.kind == IJobEscrow.Kind.INFERENCE ? _auditRate(terms, contributor) : Economics.ONE;
    }

    function sampledLeaves(bytes32 sampleSeed, uint256 count, uint256 samples)
        external
        pure
        returns (uint256[] memory)
    {
        return Sampling.positions(sampleSeed, count, samples);
    }

    function fingerprintKey(bytes32 seed) external pure returns (bytes32) {
        return keccak256(abi.encode(seed, "key"));
    }

    function appealBond(Batch calldata batch) external view returns (uint256) {
        (IJobEscrow.Terms memory terms,) = _termsOf(batch.jobId);
        return _bond(terms, _audits[hashBatch(batch)].appeals + 1);
    }

    function penalties() external view returns (Penalties memory) {
        return _penalties;
    }

    // ------------------------------------------------------------------------------------------ internal

    function _termsOf(uint256 jobId) private view returns (IJobEscrow.Terms memory terms, address requester) {
        return escrow.termsOf(jobId);
    }

    function _auditRate(IJobEscrow.Terms memory terms, address contributor) private view returns (uint256) {
        return Economics.auditRate(terms.auditRateFloor, terms.auditRateCeiling, oracle.reputationOf(contributor));
    }

    /// @dev Fee of the committee that the n-th appeal asks for, at the price per seat of the first.
    function _bond(IJobEscrow.Terms memory terms, uint256 appeals) private pure returns (uint256) {
        uint256 size = terms.committeeSize;
        uint256 larger = ((size + 1) << appeals) - 1;
        return (terms.auditFee * larger + size - 1) / size;
    }

    function _larger(uint256 size) private pure returns (uint256) {
        return 2 * size + 1 < COMMITTEE_LIMIT ? 2 * size + 1 : COMMITTEE_LIMIT;
    }

    function _bubble(bytes memory reason) private pure {
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
