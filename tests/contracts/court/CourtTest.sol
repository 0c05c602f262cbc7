// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {IFeedbackGraph} from "../../../contracts/interfaces/IFeedbackGraph.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {IReputationOracle} from "../../../contracts/interfaces/IReputationOracle.sol";
import {IStakeVault} from "../../../contracts/interfaces/IStakeVault.sol";
import {IConstants} from "../Interfaces.sol";
import {Test} from "../Test.sol";

/// @notice All contracts, wired as in a deployment, with a requester, a contributor and verifiers.
abstract contract CourtTest is Test {
    uint96 internal constant PRICE = 1e18;
    uint96 internal constant FEE = 50e18;
    /// @dev What the verifiers have of it: the network takes a twentieth.
    uint96 internal constant SHARED_FEE = 47.5e18;
    uint96 internal constant SLASH = 5e18;
    uint96 internal constant STAKE = 1_000e18;
    uint16 internal constant TAU = 40;
    uint16 internal constant SOFT = 60;
    uint16 internal constant HARD = 90;
    uint32 internal constant PERIOD = 8;
    uint32 internal constant SEED_DELAY = 2;
    uint32 internal constant COMMIT = 100;
    uint32 internal constant DISCLOSE = 50;
    uint32 internal constant REVEAL = 80;
    uint32 internal constant APPEAL = 500;
    uint32 internal constant UNSAMPLED = 30;
    uint48 internal constant CLAIM_WINDOW = 30 days;

    uint8 internal constant CONSISTENT = 1;
    uint8 internal constant INCONSISTENT = 2;
    uint8 internal constant UNAVAILABLE = 3;

    IERC20 internal token;
    AccessManager internal manager;
    IStakeVault internal vault;
    IJobEscrow internal escrow;
    IFeedbackGraph internal graph;
    IReputationOracle internal oracle;
    IAuditCourt internal court;

    address internal requester = makeAddr("requester");
    address internal contributor;
    uint256 internal contributorKey;
    address internal stranger = makeAddr("stranger");
    address[] internal verifiers;
    uint256 internal job;

    /// @dev What one seat does in a round.
    struct Play {
        bool commits;
        bool reveals;
        IAuditCourt.Reveal given;
    }

    /// @dev A drawn round: what `finalize` needs beside the reveals.
    struct Round {
        uint256 number;
        bytes32 seed;
        address[] committee;
    }

    function setUp() public virtual {
        vm.roll(10 * PERIOD);
        vm.warp(1_000_000);
        (contributor, contributorKey) = makeAddrAndKey("contributor");
        deploy(IERC20(deployed("MeritToken", abi.encode(address(this), 1e30))));
        addVerifiers(8);
        stake(contributor, STAKE);
        fund(requester, 100_000e18);
        job = openJob(terms(), 10_000e18);
    }

    // ------------------------------------------------------------------ deployment and accounts

    function deploy(IERC20 token_) internal {
        token = token_;
        manager = AccessManager(deployed("AccessManager", abi.encode(address(this))));
        uint256 nonce = vm.getNonce(address(this));
        address court_ = vm.computeCreateAddress(address(this), nonce + 4);
        address predictedOracle = vm.computeCreateAddress(address(this), nonce + 3);
        vault = IStakeVault(
            deployed(
                "StakeVault",
                abi.encode(
                    token,
                    court_,
                    IStakeVault.Parameters({minimumStake: 100e18, unbondingDelay: 7 days, periodBlocks: PERIOD})
                )
            )
        );
        escrow = IJobEscrow(
            deployed("JobEscrow", abi.encode(token, court_, predictedOracle, address(manager), CLAIM_WINDOW, 9_000, 500))
        );
        graph = IFeedbackGraph(deployed("FeedbackGraph", abi.encode(court_, predictedOracle, 7 days)));
        address[] memory seeds = new address[](1);
        seeds[0] = requester;
        uint64[] memory weights = new uint64[](1);
        weights[0] = 1 << 44;
        oracle = IReputationOracle(
            deployed(
                "ReputationOracle",
                abi.encode(
                    graph,
                    token,
                    escrow,
                    address(manager),
                    IReputationOracle.Settings({bond: 1e18, challengeWindow: 1 days, proposalWindow: 2 days}),
                    IReputationOracle.Parameters({stop: 1 << 42, bridgeDecay: 1 << 43, seeds: seeds, seedWeights: weights})
                )
            )
        );
        court = IAuditCourt(
            deployed(
                "AuditCourt", abi.encode(vault, escrow, graph, oracle, address(manager), windows(), penalties())
            )
        );
        require(address(court) == court_, "the court is not where the others expect it");
    }

    function windows() internal pure returns (IAuditCourt.Windows memory) {
        return IAuditCourt.Windows(SEED_DELAY, COMMIT, DISCLOSE, REVEAL, APPEAL, UNSAMPLED);
    }

    function penalties() internal pure virtual returns (IAuditCourt.Penalties memory) {
        return IAuditCourt.Penalties({absent: 1e18, outlier: 2e18, withheld: 4e18, overturned: 10e18});
    }

    function addVerifiers(uint256 number) internal {
        for (uint256 i = 0; i < number; ++i) {
            address verifier = makeAddr(string(abi.encodePacked("verifier", verifiers.length)));
            verifiers.push(verifier);
            stake(verifier, STAKE);
            vm.prank(verifier);
            vault.joinCommittee();
        }
        vm.roll((vm.getBlockNumber() / PERIOD + 1) * PERIOD);
    }

    function fund(address account, uint256 amount) internal {
        require(token.transfer(account, amount), "transfer");
        vm.prank(account);
        token.approve(address(escrow), type(uint256).max);
    }

    function stake(address account, uint256 amount) internal {
        require(token.transfer(account, amount), "transfer");
        vm.startPrank(account);
        token.approve(address(vault), amount);
        vault.deposit(amount);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------ jobs and batches

    /// @dev Always audited, two leaves of one word, a committee of five.
    function terms() internal view virtual returns (IJobEscrow.Terms memory) {
        return IJobEscrow.Terms({
            kind: IJobEscrow.Kind.INFERENCE,
            price: PRICE,
            auditFee: FEE,
            slashPerUnit: SLASH,
            auditRateFloor: 10_000,
            auditRateCeiling: 10_000,
            committeeSize: 5,
            samples: 2,
            words: 1,
            tau: TAU,
            soft: SOFT,
            hard: HARD,
            expiry: uint48(vm.getBlockTimestamp() + 365 days),
            specification: sha256("specification")
        });
    }

    function openJob(IJobEscrow.Terms memory terms_, uint256 amount) internal returns (uint256) {
        vm.prank(requester);
        return escrow.open(terms_, amount);
    }

    /// @dev Ten leaves of one unit each.
    function nextBatch() internal view returns (IAuditCourt.Batch memory) {
        return nextBatch(job);
    }

    function nextBatch(uint256 jobId) internal view returns (IAuditCourt.Batch memory) {
        return IAuditCourt.Batch({
            jobId: jobId,
            contributor: contributor,
            first: uint64(court.nextLeaf(jobId, contributor)),
            count: 10,
            units: 10,
            leavesRoot: keccak256("leaves"),
            dataHash: sha256("data"),
            deadline: uint48(vm.getBlockTimestamp() + 1 days)
        });
    }

    function signature(IAuditCourt.Batch memory batch) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(contributorKey, court.hashBatch(batch));
        return abi.encodePacked(r, s, v);
    }

    function record(IAuditCourt.Batch memory batch) internal returns (bytes32 batchId) {
        IAuditCourt.Batch[] memory batches = new IAuditCourt.Batch[](1);
        bytes[] memory signatures = new bytes[](1);
        (batches[0], signatures[0]) = (batch, signature(batch));
        court.record(batches, signatures);
        return court.hashBatch(batch);
    }

    function recordNext() internal returns (IAuditCourt.Batch memory batch, bytes32 batchId) {
        batch = nextBatch();
        batchId = record(batch);
    }

    // ------------------------------------------------------------------ rounds

    /// @dev Moves past the seed block and draws; works out what the draw will say.
    function draw(IAuditCourt.Batch memory batch) internal returns (Round memory round) {
        bytes32 batchId = court.hashBatch(batch);
        IAuditCourt.Audit memory audit = court.auditOf(batchId);
        if (vm.getBlockNumber() <= audit.seedBlock) vm.roll(audit.seedBlock + 1);
        round.number = audit.round;
        round.seed = keccak256(
            abi.encode(blockhash(audit.seedBlock), block.chainid, address(court), batchId, uint256(audit.round))
        );
        (IJobEscrow.Terms memory terms_, address owner) = escrow.termsOf(batch.jobId);
        uint256 size = audit.committeeSize == 0 ? terms_.committeeSize : 2 * uint256(audit.committeeSize) + 1;
        if (size > IConstants(address(court)).COMMITTEE_LIMIT()) size = IConstants(address(court)).COMMITTEE_LIMIT();
        round.committee = vault.drawCommittee(round.seed, audit.seedBlock, size, batch.contributor, owner);
        court.draw(batch);
    }

    /// @dev Every seat commits and reveals: both leaves consistent, opened, digest zero.
    function honest(Round memory round, uint256 digestCount, uint256 samples)
        internal
        pure
        returns (Play[] memory plays)
    {
        plays = new Play[](round.committee.length);
        for (uint256 i = 0; i < plays.length; ++i) {
            plays[i].commits = true;
            plays[i].reveals = true;
            plays[i].given.digests = new uint256[](digestCount);
            plays[i].given.verdicts = new uint8[](samples);
            for (uint256 leaf = 0; leaf < samples; ++leaf) {
                plays[i].given.verdicts[leaf] = CONSISTENT;
            }
            plays[i].given.opened = (1 << samples) - 1;
        }
    }

    function honest(Round memory round) internal pure returns (Play[] memory) {
        return honest(round, 2, 2);
    }

    /// @dev All seats give the same verdict on the first leaf.
    function unanimous(Round memory round, uint8 verdict) internal pure returns (Play[] memory plays) {
        plays = honest(round);
        for (uint256 i = 0; i < plays.length; ++i) {
            plays[i].given.verdicts[0] = verdict;
        }
    }

    function commitAll(bytes32 batchId, Round memory round, Play[] memory plays) internal {
        for (uint256 i = 0; i < plays.length; ++i) {
            if (plays[i].commits) commit(batchId, round, i, plays[i].given);
        }
    }

    function commit(bytes32 batchId, Round memory round, uint256 seat, IAuditCourt.Reveal memory given) internal {
        bytes32 commitment = court.commitmentOf(
            batchId, round.number, round.committee[seat], given.digests, given.verdicts, given.payload, salt(seat)
        );
        vm.prank(round.committee[seat]);
        court.commit(batchId, commitment);
    }

    function revealAll(bytes32 batchId, Round memory round, Play[] memory plays) internal {
        for (uint256 i = 0; i < plays.length; ++i) {
            if (plays[i].reveals) reveal(batchId, round, i, plays[i].given);
        }
    }

    function reveal(bytes32 batchId, Round memory round, uint256 seat, IAuditCourt.Reveal memory given) internal {
        vm.prank(round.committee[seat]);
        court.reveal(batchId, given.digests, given.verdicts, given.opened, given.payload, salt(seat));
    }

    function disclose(IAuditCourt.Batch memory batch, uint256[] memory digests) internal {
        bytes32 openingsHash = sha256("openings"); // A call of its own, which a prank would hit.
        vm.prank(contributor);
        court.disclose(batch, digests, openingsHash);
    }

    function salt(uint256 seat) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt", seat));
    }

    function revealsOf(Play[] memory plays) internal pure returns (IAuditCourt.Reveal[] memory reveals) {
        reveals = new IAuditCourt.Reveal[](plays.length);
        for (uint256 i = 0; i < plays.length; ++i) {
            if (plays[i].reveals) reveals[i] = plays[i].given;
        }
    }

    /// @dev Commits to reveals, letting deadlines pass where somebody is late; nothing is disclosed if `digests` is empty.
    function play(IAuditCourt.Batch memory batch, Round memory round, Play[] memory plays, uint256[] memory digests)
        internal
    {
        bytes32 batchId = court.hashBatch(batch);
        commitAll(batchId, round, plays);
        awaitPhase(batchId, IAuditCourt.Phase.DISCLOSE);
        if (digests.length != 0) disclose(batch, digests);
        awaitPhase(batchId, IAuditCourt.Phase.REVEAL);
        revealAll(batchId, round, plays);
        awaitPhase(batchId, IAuditCourt.Phase.TALLY);
    }

    /// @dev Lets deadlines pass until the audit is at least in `phase`.
    function awaitPhase(bytes32 batchId, IAuditCourt.Phase phase) internal {
        while (court.auditOf(batchId).phase < phase) vm.warp(court.deadlineOf(batchId));
    }

    /// @dev Draws and plays a round to its decision.
    function runRound(IAuditCourt.Batch memory batch, Round memory round, Play[] memory plays, uint256[] memory digests)
        internal
    {
        play(batch, round, plays, digests);
        court.finalize(batch, round.seed, round.committee, revealsOf(plays), digests);
    }

    function runHonestRound(IAuditCourt.Batch memory batch) internal returns (Round memory round) {
        round = draw(batch);
        runRound(batch, round, honest(round), new uint256[](2));
    }

    /// @dev A round in which all seats call the first leaf inconsistent.
    function runFraudRound(IAuditCourt.Batch memory batch) internal returns (Round memory round) {
        round = draw(batch);
        runRound(batch, round, unanimous(round, INCONSISTENT), new uint256[](2));
    }

    function settle(IAuditCourt.Batch memory batch) internal {
        vm.warp(vm.getBlockTimestamp() + APPEAL);
        court.settle(batch);
    }

    // ------------------------------------------------------------------ what is where

    function outcomeOf(bytes32 batchId) internal view returns (uint256) {
        return uint256(court.auditOf(batchId).outcome);
    }

    function assertOutcome(bytes32 batchId, IAuditCourt.Outcome expected) internal view {
        vm.assertEq(outcomeOf(batchId), uint256(expected), "outcome");
    }

    function assertPhase(bytes32 batchId, IAuditCourt.Phase expected) internal view {
        vm.assertEq(uint256(court.auditOf(batchId).phase), uint256(expected), "phase");
    }

    function activeStake(address account) internal view returns (uint256) {
        return vault.stakeOf(account).active;
    }

    function lockedStake(address account) internal view returns (uint256) {
        return vault.stakeOf(account).locked;
    }

    function trust(address from, address to) internal view returns (uint256 current) {
        (, current) = graph.edgeAt(IFeedbackGraph.Feedback.TRUST, from, to);
    }

    function distrust(address from, address to) internal view returns (uint256 current) {
        (, current) = graph.edgeAt(IFeedbackGraph.Feedback.DISTRUST, from, to);
    }

    /// @dev `digest` with its `bits` lowest bits flipped.
    function flipped(uint256 digest, uint256 bits) internal pure returns (uint256) {
        return bits == 256 ? ~digest : digest ^ ((1 << bits) - 1);
    }
}
