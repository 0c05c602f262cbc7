// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {RowChallenges} from "./RowChallenges.sol";
import {IFeedbackGraph} from "./interfaces/IFeedbackGraph.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {IReputationOracle} from "./interfaces/IReputationOracle.sol";
import {MeritRow, Row} from "./libraries/MeritRow.sol";
import {TokenIntake} from "./libraries/TokenIntake.sol";

/// @title ReputationOracle
contract ReputationOracle is RowChallenges, AccessManaged {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;
    using TokenIntake for IERC20;

    /// @dev One slot.
    struct Score {
        uint64 value;
        uint32 epoch;
    }

    /// @notice Seeds that the parameters can name.
    uint256 public constant MAX_SEEDS = 64;

    IJobEscrow public immutable escrow;
    uint256 public latestFinalEpoch;
    bytes32 public paramsHash;
    address[] private _seeds;
    mapping(address account => Score) private _scores;

    constructor(
        IFeedbackGraph graph_,
        IERC20 token_,
        IJobEscrow escrow_,
        address manager,
        Settings memory settings,
        Parameters memory parameters
    ) RowChallenges(graph_, token_, settings) AccessManaged(manager) {
        escrow = escrow_;
        _setParameters(parameters);
    }

    // ------------------------------------------------------------------ proposals

    /// @inheritdoc IReputationOracle
    function propose(uint256 epoch, bytes32 rowsRoot, uint256 rowCount, bytes32 paramsHash_, bytes32 rowsCid)
        external
        nonReentrant
    {
        (uint256 lastClosed, uint256 closedAt, uint256 nodes) = graph.boundary();
        if (epoch == 0 || epoch != lastClosed) revert ReputationOracleWrongEpoch(epoch, lastClosed);
        if (block.timestamp > closedAt + proposalWindow) revert ReputationOracleTooLate(closedAt + proposalWindow);
        if (paramsHash_ != paramsHash) revert ReputationOracleWrongParameters(paramsHash_, paramsHash);
        if (rowCount == 0 || rowCount != nodes) revert ReputationOracleWrongRowCount(rowCount, nodes);

        Proposal storage proposal = _proposals[epoch];
        Status status = proposal.status;
        if (status == Status.VOID) (proposal.extendedUntil, proposal.openDisputes) = (0, 0);
        else if (status != Status.NONE) revert ReputationOracleAlreadyProposed(epoch);
        uint256 finalizableAt = block.timestamp + challengeWindow;
        proposal.rowsRoot = rowsRoot;
        (proposal.proposer, proposal.finalizableAt, proposal.rowCount, proposal.status, proposal.attempt) = (
            msg.sender,
            finalizableAt.toUint48(),
            rowCount.toUint32(),
            Status.LIVE,
            status == Status.VOID ? proposal.attempt + 1 : 0
        );
        emit Proposed(epoch, msg.sender, rowsRoot, rowCount, paramsHash_, rowsCid, finalizableAt);
        token.pull(bond);
    }

    /// @inheritdoc IReputationOracle
    function finalize(uint256 epoch) external nonReentrant {
        Proposal storage proposal = _live(epoch);
        if (proposal.openDisputes > 0) revert ReputationOracleDisputesOpen(proposal.openDisputes);
        uint256 until = _closesAt(proposal);
        if (block.timestamp < until) revert ReputationOracleWindowOpen(until);
        proposal.status = Status.FINAL;
        latestFinalEpoch = epoch; // The graph goes on to a later epoch only when this one is settled.
        emit Finalized(epoch, proposal.rowsRoot);
        address proposer = proposal.proposer;
        uint256 reward = escrow.creditOf(address(this));
        if (reward > 0) {
            // Scores become final even if the token refuses the escrow's payment.
            try escrow.withdraw() {
                emit Rewarded(epoch, proposer, reward);
            } catch {
                reward = 0;
            }
        }
        creditOf[proposer] += bond + reward;
    }

    /// @inheritdoc IReputationOracle
    function withdraw() external nonReentrant returns (uint256 amount) {
        amount = creditOf[msg.sender];
        if (amount == 0) revert ReputationOracleNothingToWithdraw(msg.sender);
        _pay(msg.sender, amount);
    }

    /// @inheritdoc IReputationOracle
    function burn() external nonReentrant returns (uint256 amount) {
        amount = creditOf[BURN_ADDRESS];
        _pay(BURN_ADDRESS, amount);
    }

    // ------------------------------------------------------------------ scores

    /// @inheritdoc IReputationOracle
    function verifyScore(uint256 epoch, Row calldata row, bytes32[] calldata proof) public view returns (bool) {
        Proposal storage proposal = _proposals[epoch];
        bytes32 leaf = MeritRow.leaf(epoch, address(0), row);
        return proposal.status == Status.FINAL
            && MeritRow.isInTree(leaf, row.index, proof, proposal.rowsRoot, proposal.rowCount);
    }

    /// @inheritdoc IReputationOracle
    function checkIn(uint256 epoch, Row calldata row, bytes32[] calldata proof) external {
        if (!verifyScore(epoch, row, proof)) revert ReputationOracleInvalidProof(epoch, row.index);
        Score storage score = _scores[row.account];
        if (score.epoch > epoch) revert ReputationOracleStaleScore(row.account, score.epoch);
        (score.value, score.epoch) = (row.score, uint32(epoch)); // A final epoch is one of the graph's, in 32 bits.
        emit CheckedIn(row.account, epoch, row.score);
    }

    /// @inheritdoc IReputationOracle
    function reputationOf(address account) external view returns (uint256) {
        return _scores[account].value;
    }

    // ------------------------------------------------------------------ governance

    /// @inheritdoc IReputationOracle
    function setParameters(Parameters calldata parameters) external restricted {
        (uint256 lastClosed,,) = graph.boundary();
        if (_proposals[lastClosed].status == Status.LIVE) revert ReputationOracleProposalLive(lastClosed);
        _setParameters(parameters);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IReputationOracle
    function isSettled(uint256 epoch) external view returns (bool) {
        (uint256 lastClosed, uint256 closedAt,) = graph.boundary();
        if (epoch != lastClosed || epoch == 0) return epoch <= lastClosed;
        Status status = _proposals[epoch].status;
        if (status == Status.LIVE) return false;
        return status == Status.FINAL || block.timestamp > closedAt + proposalWindow;
    }

    // ------------------------------------------------------------------ private

    function _pay(address account, uint256 amount) private {
        creditOf[account] = 0;
        emit Withdrawn(account, amount);
        token.safeTransfer(account, amount);
    }

    function _setParameters(Parameters memory parameters) private {
        uint256 count = parameters.seeds.length;
        bool valid = parameters.stop > 0 && parameters.stop < MeritRow.ONE && parameters.bridgeDecay <= MeritRow.ONE
            && count <= MAX_SEEDS && count == parameters.seedWeights.length;
        if (!valid) revert ReputationOracleInvalidParameters();

        for (uint256 i = 0; i < _seeds.length; ++i) {
            delete seedWeightOf[_seeds[i]];
        }
        uint256 sum = 0;
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            (address seed, uint256 weight) = (parameters.seeds[i], parameters.seedWeights[i]);
            if (seed <= previous || weight == 0) revert ReputationOracleInvalidParameters();
            seedWeightOf[seed] = weight;
            (sum, previous) = (sum + weight, seed);
        }
        if (sum != MeritRow.ONE) revert ReputationOracleInvalidParameters();
        (stop, bridgeDecay, _seeds) = (parameters.stop, parameters.bridgeDecay, parameters.seeds);
        paramsHash = keccak256(abi.encode(parameters));
        emit ParametersSet(paramsHash, parameters);
    }
}
