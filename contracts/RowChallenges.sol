// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IFeedbackGraph} from "./interfaces/IFeedbackGraph.sol";
import {IReputationOracle} from "./interfaces/IReputationOracle.sol";
import {MeritRow, Row} from "./libraries/MeritRow.sol";
import {TokenIntake} from "./libraries/TokenIntake.sol";

/// @title The part of the reputation oracle that voids wrong proposals
abstract contract RowChallenges is IReputationOracle, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using TokenIntake for IERC20;

    /// @dev How far a challenge of a row has come. One slot.
    /// @param inflows Sum of the inflows so far; below 2^80 each.
    /// @param penalty Sum of the penalties so far; at most 1e18 each.
    struct Progress {
        uint112 inflows;
        uint80 penalty;
        uint32 trusting;
        uint32 distrusting;
    }

    /// @dev How far a challenge of a hidden bridge has come. One slot.
    /// @param members Accounts of the region with all of their in-edges.
    /// @param edges In-edges of the next one.
    struct Passed {
        uint128 members;
        uint128 edges;
    }

    /// @notice Where the burned parts of bonds go.
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    /// @notice A proposer's bond in bonds of the first question that is put to it.
    uint256 public constant DISPUTE_SHARE = 64;

    /// @notice Challenge windows by which answers can put off the end of a proposal's own.
    uint256 public constant MAX_EXTENSIONS = 4;

    /// @notice Edges of a cycle that a challenge can show.
    uint256 public constant MAX_CYCLE = 64;

    /// @dev In place of a row's index in the identity of a question for a diagonal.
    uint256 private constant DIAGONAL = type(uint256).max;

    IFeedbackGraph public immutable graph;
    IERC20 public immutable token;
    uint256 public immutable bond;
    uint256 public immutable disputeBond;
    uint256 public immutable challengeWindow;
    uint256 public immutable proposalWindow;

    uint256 public stop;
    uint256 public bridgeDecay;
    mapping(address account => uint256) public seedWeightOf;

    mapping(uint256 epoch => Proposal) internal _proposals;
    mapping(bytes32 dispute => Dispute) private _disputes;
    mapping(bytes32 challenge => Progress) private _progress;
    mapping(bytes32 challenge => Passed) private _passed;
    mapping(address account => uint256) public creditOf;

    constructor(IFeedbackGraph graph_, IERC20 token_, Settings memory settings) {
        bool valid = address(graph_).code.length > 0 && address(token_).code.length > 0
            && settings.bond >= DISPUTE_SHARE && settings.challengeWindow > 0 && settings.proposalWindow > 0;
        if (!valid) revert ReputationOracleInvalidSettings();
        graph = graph_;
        token = token_;
        bond = settings.bond;
        disputeBond = settings.bond / DISPUTE_SHARE;
        challengeWindow = settings.challengeWindow;
        proposalWindow = settings.proposalWindow;
    }

    // ------------------------------------------------------------------ challenges decided at once

    /// @inheritdoc IReputationOracle
    function challengeRow(
        uint256 epoch,
        address subject,
        ProvenRow calldata proven,
        ProvenRow[] calldata trusting,
        ProvenRow[] calldata distrusting
    ) external {
        Proposal storage proposal = _live(epoch);
        bytes32 leaf = _prove(proposal, epoch, subject, proven);
        Row calldata row = proven.row;
        bool isScore = subject == address(0);
        if (isScore && row.diagonal < MeritRow.DIAGONAL_ONE) return _void(epoch, msg.sender, Fault.ROW);

        bytes32 challenge = keccak256(abi.encode(leaf, proposal.attempt, msg.sender));
        Progress memory progress = _progress[challenge];
        uint256 trusted = _addTrusting(proposal, epoch, subject, row.account, trusting, progress);
        // Distrust changes scores only: the visits behind a diagonal know none.
        uint256 distrusted = isScore ? _addDistrusting(proposal, epoch, row.account, distrusting, progress) : 0;
        if (progress.trusting < trusted || progress.distrusting < distrusted) {
            _progress[challenge] = progress;
            emit RowChallengeAdvanced(epoch, msg.sender, leaf, progress.trusting, progress.distrusting);
            return;
        }

        uint256 begins = isScore ? seedWeightOf[row.account] : row.account == subject ? MeritRow.ONE : 0;
        bool right = MeritRow.isBalanced(row.visits, begins, progress.inflows, trusted)
            && (!isScore || row.score == Math.saturatingSub(MeritRow.trustScore(row, bridgeDecay), progress.penalty));
        if (right) revert ReputationOracleNoFault();
        _void(epoch, msg.sender, Fault.ROW);
    }

    /// @inheritdoc IReputationOracle
    function challengeBridge(uint256 epoch, ProvenRow calldata proven, ProvenRow calldata neighbor) external {
        Proposal storage proposal = _live(epoch);
        _prove(proposal, epoch, address(0), proven);
        _prove(proposal, epoch, address(0), neighbor);
        Row calldata row = proven.row;
        Row calldata from = neighbor.row;
        (uint256 weight,) = graph.edgeAt(IFeedbackGraph.Feedback.TRUST, from.account, row.account);
        // Walks come from there that did not pass the bridge: from the root itself, or from behind another bridge.
        bool passesElsewhere = weight > 0 && from.visits > 0
            && (seedWeightOf[from.account] == MeritRow.ONE || from.bridge != row.bridge);
        // Walks that begin at a seed pass nothing before it.
        bool beginsHere = seedWeightOf[row.account] > 0;
        if (row.bridge == row.account || !(passesElsewhere || beginsHere)) revert ReputationOracleNoFault();
        _void(epoch, msg.sender, Fault.BRIDGE);
    }

    /// @inheritdoc IReputationOracle
    function challengeHiddenBridge(
        uint256 epoch,
        ProvenRow calldata proven,
        address bridge,
        address[] calldata region,
        ProvenRow[] calldata entries,
        uint256 count
    ) external {
        Proposal storage proposal = _live(epoch);
        bytes32 leaf = _prove(proposal, epoch, address(0), proven);
        Row calldata row = proven.row;
        // What no walk reaches lies behind nothing, and the root is no bridge.
        bool hides = row.visits > 0 && row.bridge != bridge && seedWeightOf[bridge] < MeritRow.ONE
            && _isAmong(region, row.account);
        if (!hides) revert ReputationOracleNoFault();

        bytes32 challenge = keccak256(abi.encode(leaf, bridge, region, proposal.attempt, msg.sender));
        Passed memory passed = _passed[challenge];
        uint256 used = 0;
        while (count > 0 && passed.members < region.length) {
            uint256 seen;
            (seen, used) = _passEntries(proposal, epoch, bridge, region, entries, count, passed, used);
            count -= seen;
        }
        if (used < entries.length) revert ReputationOracleTooManyNeighbors();
        if (passed.members == region.length) return _void(epoch, msg.sender, Fault.BRIDGE);
        _passed[challenge] = passed;
        emit RegionChallengeAdvanced(epoch, msg.sender, challenge, passed.members, passed.edges);
    }

    /// @inheritdoc IReputationOracle
    function challengeCycle(uint256 epoch, ProvenRow calldata proven, address[] calldata cycle) external {
        Proposal storage proposal = _live(epoch);
        _prove(proposal, epoch, address(0), proven);
        if (cycle.length > MAX_CYCLE) revert ReputationOracleTooManyNeighbors();

        // The probability to come back by this cycle, rounded down: the diagonal is at least 1 + that.
        uint256 probability = MeritRow.ONE;
        address from = proven.row.account;
        for (uint256 i = 0; i <= cycle.length; ++i) {
            address to = i < cycle.length ? cycle[i] : proven.row.account;
            (uint256 weight,) = graph.edgeAt(IFeedbackGraph.Feedback.TRUST, from, to);
            if (weight == 0) revert ReputationOracleNoFault();
            (uint256 strength,) = graph.outStrengthAt(IFeedbackGraph.Feedback.TRUST, from);
            probability = MeritRow.follow(stop, weight, strength, probability);
            from = to;
        }
        if (!MeritRow.isDiagonalBelow(proven.row.diagonal, probability)) revert ReputationOracleNoFault();
        _void(epoch, msg.sender, Fault.DIAGONAL);
    }

    /// @inheritdoc IReputationOracle
    function challengeOrder(uint256 epoch, address subject, ProvenRow calldata first, ProvenRow calldata second)
        external
    {
        Proposal storage proposal = _live(epoch);
        bytes32 firstLeaf = _prove(proposal, epoch, subject, first);
        bytes32 secondLeaf = _prove(proposal, epoch, subject, second);
        (uint256 here, uint256 there) = (first.row.index, second.row.index);
        bool twice = here == there && firstLeaf != secondLeaf;
        bool descends = here + 1 == there && first.row.account >= second.row.account;
        if (!twice && !descends) revert ReputationOracleNoFault();
        _void(epoch, msg.sender, Fault.ORDER);
    }

    /// @inheritdoc IReputationOracle
    function challengeMissing(uint256 epoch, address subject, address account, ProvenRow[] calldata around) external {
        Proposal storage proposal = _live(epoch);
        (bool isNode,) = graph.isNode(account);
        if (!isNode || around.length == 0 || around.length > 2) revert ReputationOracleNoFault();
        for (uint256 i = 0; i < around.length; ++i) {
            _prove(proposal, epoch, subject, around[i]);
        }
        Row calldata first = around[0].row;
        Row calldata last = around[around.length - 1].row;
        bool missing;
        if (around.length == 2) {
            missing = first.index + 1 == last.index && first.account < account && account < last.account;
        } else {
            missing = (first.index == 0 && account < first.account)
                || (first.index + 1 == proposal.rowCount && first.account < account);
        }
        if (!missing) revert ReputationOracleNoFault();
        _void(epoch, msg.sender, Fault.MISSING);
    }

    // ------------------------------------------------------------------ challenges that the proposer must answer

    /// @inheritdoc IReputationOracle
    function demandRow(uint256 epoch, address subject, uint256 index) external nonReentrant {
        Proposal storage proposal = _live(epoch);
        if (index >= proposal.rowCount) revert ReputationOracleInvalidProof(epoch, index);
        _rootOf(proposal, epoch, subject); // There must be a tree to have the row.
        uint256 deadline = _openDispute(proposal, epoch, subject, index);
        emit RowDemanded(epoch, subject, index, msg.sender, deadline);
    }

    /// @inheritdoc IReputationOracle
    function answerRow(uint256 epoch, address subject, ProvenRow calldata proven) external {
        Proposal storage proposal = _live(epoch);
        _prove(proposal, epoch, subject, proven);
        _answer(proposal, disputeId(epoch, proposal.attempt, subject, proven.row.index));
        emit RowAnswered(epoch, subject, proven.row);
    }

    /// @inheritdoc IReputationOracle
    function challengeDiagonal(uint256 epoch, address account) external nonReentrant {
        Proposal storage proposal = _live(epoch);
        (bool isNode,) = graph.isNode(account);
        if (!isNode) revert ReputationOracleNoFault(); // It has no row, and need not have one.
        uint256 deadline = _openDispute(proposal, epoch, account, DIAGONAL);
        emit DiagonalChallenged(epoch, account, msg.sender, deadline);
    }

    /// @inheritdoc IReputationOracle
    function answerDiagonal(
        uint256 epoch,
        bytes32 root,
        bytes32 rowsCid,
        ProvenRow calldata proven,
        ProvenRow calldata entry
    ) external {
        Proposal storage proposal = _live(epoch);
        if (msg.sender != proposal.proposer) revert ReputationOracleNotProposer(msg.sender);
        address account = proven.row.account;
        _prove(proposal, epoch, address(0), proven);
        Dispute storage dispute = _answer(proposal, disputeId(epoch, proposal.attempt, account, DIAGONAL));
        dispute.root = root;
        _prove(proposal, epoch, account, entry);
        if (entry.row.account != account || !MeritRow.isSameDiagonal(proven.row.diagonal, entry.row.visits)) {
            revert ReputationOracleWrongAnswer();
        }
        emit DiagonalAnswered(epoch, account, root, rowsCid);
    }

    /// @inheritdoc IReputationOracle
    function expireDispute(bytes32 id) external {
        Dispute storage dispute = _disputes[id];
        if (dispute.status != DisputeStatus.OPEN) revert ReputationOracleNotDisputed(id);
        Proposal storage proposal = _live(dispute.epoch);
        if (proposal.attempt != dispute.attempt) revert ReputationOracleNotLive(dispute.epoch);
        if (block.timestamp <= dispute.deadline) revert ReputationOracleStillAnswerable(dispute.deadline);
        _void(dispute.epoch, dispute.challenger, Fault.UNANSWERED);
    }

    /// @inheritdoc IReputationOracle
    function settleDispute(bytes32 id) external {
        Dispute storage dispute = _disputes[id];
        if (dispute.status != DisputeStatus.OPEN && dispute.status != DisputeStatus.ANSWERED) {
            revert ReputationOracleNotDisputed(id);
        }
        Proposal storage proposal = _proposals[dispute.epoch];
        bool voided = proposal.attempt > dispute.attempt || proposal.status == Status.VOID;
        if (!voided && proposal.status != Status.FINAL) revert ReputationOracleProposalLive(dispute.epoch);

        dispute.status = DisputeStatus.SETTLED;
        if (voided) {
            creditOf[dispute.challenger] += dispute.bond;
        } else {
            creditOf[proposal.proposer] += dispute.bond / 2;
            creditOf[BURN_ADDRESS] += dispute.bond - dispute.bond / 2;
        }
        emit DisputeSettled(id, dispute.challenger, voided);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IReputationOracle
    function proposalOf(uint256 epoch) external view returns (Proposal memory) {
        return _proposals[epoch];
    }

    /// @inheritdoc IReputationOracle
    function disputeOf(bytes32 id) external view returns (Dispute memory) {
        return _disputes[id];
    }

    /// @inheritdoc IReputationOracle
    function disputeId(uint256 epoch, uint256 attempt, address subject, uint256 index) public pure returns (bytes32) {
        return keccak256(abi.encode(epoch, attempt, subject, index));
    }

    // ------------------------------------------------------------------ private

    function _live(uint256 epoch) internal view returns (Proposal storage proposal) {
        proposal = _proposals[epoch];
        if (proposal.status != Status.LIVE) revert ReputationOracleNotLive(epoch);
    }

    /// @dev When nothing more can be disputed.
    function _closesAt(Proposal storage proposal) internal view returns (uint256) {
        return Math.max(proposal.finalizableAt, proposal.extendedUntil);
    }

    /// @dev Root of the scores, or of the visits that answer the question for the diagonal of `subject`.
    function _rootOf(Proposal storage proposal, uint256 epoch, address subject) private view returns (bytes32) {
        if (subject == address(0)) return proposal.rowsRoot;
        bytes32 id = disputeId(epoch, proposal.attempt, subject, DIAGONAL);
        if (_disputes[id].status != DisputeStatus.ANSWERED) revert ReputationOracleNotDisputed(id);
        return _disputes[id].root;
    }

    /// @dev The leaf of a row that must be in the tree.
    function _prove(Proposal storage proposal, uint256 epoch, address subject, ProvenRow calldata proven)
        private
        view
        returns (bytes32 leaf)
    {
        leaf = MeritRow.leaf(epoch, subject, proven.row);
        bytes32 root = _rootOf(proposal, epoch, subject);
        if (!MeritRow.isInTree(leaf, proven.row.index, proven.proof, root, proposal.rowCount)) {
            revert ReputationOracleInvalidProof(epoch, proven.row.index);
        }
    }

    /// @return degree All accounts that trust `account`.
    function _addTrusting(
        Proposal storage proposal,
        uint256 epoch,
        address subject,
        address account,
        ProvenRow[] calldata neighbors,
        Progress memory progress
    ) private view returns (uint256 degree) {
        IFeedbackGraph.InEdge[] memory edges;
        (edges, degree) = _nextInEdges(IFeedbackGraph.Feedback.TRUST, account, progress.trusting, neighbors.length);
        uint256 inflows = progress.inflows;
        for (uint256 i = 0; i < edges.length; ++i) {
            Row calldata row = _proveNeighbor(proposal, epoch, subject, neighbors[i], edges[i].from);
            inflows += MeritRow.inflow(stop, edges[i].weight, edges[i].strength, row.visits);
        }
        (progress.inflows, progress.trusting) =
            (inflows.toUint112(), (progress.trusting + edges.length).toUint32());
    }

    /// @return degree All accounts that distrust `account`.
    function _addDistrusting(
        Proposal storage proposal,
        uint256 epoch,
        address account,
        ProvenRow[] calldata neighbors,
        Progress memory progress
    ) private view returns (uint256 degree) {
        IFeedbackGraph.InEdge[] memory edges;
        (edges, degree) =
            _nextInEdges(IFeedbackGraph.Feedback.DISTRUST, account, progress.distrusting, neighbors.length);
        uint256 penalty = progress.penalty;
        for (uint256 i = 0; i < edges.length; ++i) {
            Row calldata row = _proveNeighbor(proposal, epoch, address(0), neighbors[i], edges[i].from);
            penalty += MeritRow.penalty(MeritRow.trustScore(row, bridgeDecay), edges[i].weight, edges[i].strength);
        }
        (progress.penalty, progress.distrusting) =
            (penalty.toUint80(), (progress.distrusting + edges.length).toUint32());
    }

    /// @dev Goes through up to `count` in-edges of the region's next member, which must come out of the region or from
    /// accounts behind the bridge; no walk may begin at the member. Moves `passed` on.
    function _passEntries(
        Proposal storage proposal,
        uint256 epoch,
        address bridge,
        address[] calldata region,
        ProvenRow[] calldata entries,
        uint256 count,
        Passed memory passed,
        uint256 used
    ) private view returns (uint256 seen, uint256) {
        address member = region[passed.members];
        if (seedWeightOf[member] > 0) revert ReputationOracleNoFault();
        (uint256 degree,) = graph.inDegreeAt(IFeedbackGraph.Feedback.TRUST, member);
        seen = Math.min(count, degree - passed.edges);
        IFeedbackGraph.InEdge[] memory edges =
            graph.closedInEdges(IFeedbackGraph.Feedback.TRUST, member, passed.edges, seen);
        for (uint256 i = 0; i < seen; ++i) {
            if (_isAmong(region, edges[i].from)) continue;
            if (used == entries.length) revert ReputationOracleWrongNeighbor(address(0), edges[i].from);
            Row calldata from = _proveNeighbor(proposal, epoch, address(0), entries[used++], edges[i].from);
            if (from.bridge != bridge) revert ReputationOracleNoFault();
        }
        if (passed.edges + seen == degree) (passed.members, passed.edges) = (passed.members + 1, 0);
        else passed.edges += uint128(seen); // At most the degree, which the graph counts in 32 bits.
        return (seen, used);
    }

    /// @dev Whether a list that ascends has `account`.
    function _isAmong(address[] calldata accounts, address account) private pure returns (bool) {
        (uint256 low, uint256 high) = (0, accounts.length);
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (accounts[middle] == account) return true;
            if (accounts[middle] < account) low = middle + 1;
            else high = middle;
        }
        return false;
    }

    function _nextInEdges(IFeedbackGraph.Feedback feedback, address account, uint256 offset, uint256 count)
        private
        view
        returns (IFeedbackGraph.InEdge[] memory edges, uint256 degree)
    {
        (degree,) = graph.inDegreeAt(feedback, account);
        edges = graph.closedInEdges(feedback, account, offset, count);
        if (edges.length != count) revert ReputationOracleTooManyNeighbors();
    }

    function _proveNeighbor(
        Proposal storage proposal,
        uint256 epoch,
        address subject,
        ProvenRow calldata proven,
        address expected
    ) private view returns (Row calldata row) {
        row = proven.row;
        if (row.account != expected) revert ReputationOracleWrongNeighbor(row.account, expected);
        _prove(proposal, epoch, subject, proven);
    }

    /// @dev The price of a question rises with the number of those open, so that nobody can ask more than can be answered
    /// without staking the square of it.
    function _openDispute(Proposal storage proposal, uint256 epoch, address subject, uint256 index)
        private
        returns (uint256 deadline)
    {
        uint256 until = Math.min(_closesAt(proposal), proposal.finalizableAt + MAX_EXTENSIONS * challengeWindow);
        if (block.timestamp >= until) revert ReputationOracleTooLate(until);
        bytes32 id = disputeId(epoch, proposal.attempt, subject, index);
        if (_disputes[id].status != DisputeStatus.NONE) revert ReputationOracleAlreadyDisputed(id);

        uint256 price = disputeBond * ++proposal.openDisputes;
        deadline = block.timestamp + challengeWindow;
        _disputes[id] = Dispute({
            challenger: msg.sender,
            deadline: deadline.toUint48(),
            epoch: uint32(epoch), // The graph counts epochs in 32 bits.
            attempt: proposal.attempt,
            status: DisputeStatus.OPEN,
            bond: price.toUint96(),
            root: 0
        });
        token.pull(price);
    }

    function _answer(Proposal storage proposal, bytes32 id) private returns (Dispute storage dispute) {
        dispute = _disputes[id];
        if (dispute.status != DisputeStatus.OPEN) revert ReputationOracleNotDisputed(id);
        if (block.timestamp > dispute.deadline) revert ReputationOracleTooLate(dispute.deadline);
        dispute.status = DisputeStatus.ANSWERED;
        --proposal.openDisputes;
        proposal.extendedUntil = (block.timestamp + challengeWindow).toUint48();
    }

    /// @dev Half of the bond is the challenger's, the rest is burned: whoever challenges itself loses.
    function _void(uint256 epoch, address challenger, Fault fault) private {
        Proposal storage proposal = _proposals[epoch];
        proposal.status = Status.VOID;
        creditOf[challenger] += bond / 2;
        creditOf[BURN_ADDRESS] += bond - bond / 2;
        emit Voided(epoch, proposal.proposer, challenger, fault, bond / 2);
    }
}
