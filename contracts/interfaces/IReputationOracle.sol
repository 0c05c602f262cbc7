// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Row} from "../libraries/MeritRow.sol";
import {IFeedbackGraph} from "./IFeedbackGraph.sol";

/// @title Reputation oracle
/// @notice Anyone with a bond proposes the MeritRank scores of the last closed epoch as the root of a tree of rows; they
/// become final when the window passes without a successful challenge.
interface IReputationOracle {
    /// @param stop Probability that a walk ends at a step, as a multiple of 2^-44, in (0, 2^44).
    /// @param bridgeDecay Part of its score that an account loses when every walk to it passes one other account; multiple of 2^-44, at most 2^44.
    /// @param seeds Accounts at which walks begin, strictly ascending.
    /// @param seedWeights Probability of each to be where a walk begins, as multiples of 2^-44 that sum to 2^44.
    struct Parameters {
        uint64 stop;
        uint64 bridgeDecay;
        address[] seeds;
        uint64[] seedWeights;
    }

    /// @param bond Stake of a proposer, in token units.
    /// @param challengeWindow Seconds in which a proposal can be challenged.
    /// @param proposalWindow Seconds after the close of an epoch in which its scores can be proposed; then it is given up.
    struct Settings {
        uint96 bond;
        uint48 challengeWindow;
        uint48 proposalWindow;
    }

    enum Status {
        NONE,
        LIVE,
        FINAL,
        VOID
    }

    /// @param finalizableAt When the challenge window ends; in seconds.
    struct Proposal {
        bytes32 rowsRoot;
        address proposer;
        uint48 finalizableAt;
        uint32 rowCount;
        Status status;
    }

    event ParametersSet(bytes32 indexed paramsHash, Parameters parameters);
    /// @param rowsCid SHA-256 digest of the published rows: the content identifier's multihash without its prefix.
    event Proposed(
        uint256 indexed epoch,
        address indexed proposer,
        bytes32 rowsRoot,
        uint256 rowCount,
        bytes32 paramsHash,
        bytes32 rowsCid,
        uint256 finalizableAt
    );
    event Finalized(uint256 indexed epoch, bytes32 rowsRoot);
    event CheckedIn(address indexed account, uint256 indexed epoch, uint256 score);
    event Withdrawn(address indexed account, uint256 amount);

    /// @dev Only the epoch closed last can be proposed.
    error ReputationOracleWrongEpoch(uint256 epoch, uint256 lastClosed);
    /// @dev There is a proposal for this epoch already, and it was not voided.
    error ReputationOracleAlreadyProposed(uint256 epoch);
    /// @dev Proposals were accepted until `until`.
    error ReputationOracleTooLate(uint256 until);
    error ReputationOracleNotLive(uint256 epoch);
    /// @dev The challenge window is open until `until`.
    error ReputationOracleWindowOpen(uint256 until);
    error ReputationOracleWrongParameters(bytes32 given, bytes32 current);
    error ReputationOracleWrongRowCount(uint256 given, uint256 nodeCount);
    error ReputationOracleInvalidParameters();
    error ReputationOracleInvalidSettings();
    /// @dev Parameters change between proposals only.
    error ReputationOracleProposalLive(uint256 epoch);
    /// @dev The row is not in the final tree of `epoch`.
    error ReputationOracleInvalidProof(uint256 epoch);
    /// @dev A score of a newer epoch is in place.
    error ReputationOracleStaleScore(address account, uint256 epoch);
    error ReputationOracleNothingToWithdraw(address account);

    // ------------------------------------------------------------------ proposals

    /// @notice Proposes the scores of the epoch closed last and pulls the caller's bond.
    /// @param paramsHash `paramsHash()`, so that a change of the parameters on the way refuses the proposal.
    function propose(uint256 epoch, bytes32 rowsRoot, uint256 rowCount, bytes32 paramsHash, bytes32 rowsCid) external;

    /// @notice Makes an unchallenged proposal final after its window, and credits the bond back. Anyone may call it.
    function finalize(uint256 epoch) external;

    /// @notice Pays the caller its credit.
    function withdraw() external returns (uint256 amount);

    // ------------------------------------------------------------------ scores

    /// @notice Whether `row` is in the final scores of `epoch`.
    function verifyScore(uint256 epoch, Row calldata row, bytes32[] calldata proof) external view returns (bool);

    /// @notice Writes the score of `row.account` to storage. Anyone may call it for anyone; an older epoch never replaces a newer one.
    function checkIn(uint256 epoch, Row calldata row, bytes32[] calldata proof) external;

    /// @notice Score of `account` when it was last checked in, 1e18 = 1.0; zero if never.
    function reputationOf(address account) external view returns (uint256);

    // ------------------------------------------------------------------ governance

    /// @notice Sets the parameters of the scores; not while a proposal is live.
    function setParameters(Parameters calldata parameters) external;

    // ------------------------------------------------------------------ views

    /// @notice Whether the graph may go on to its next epoch: the scores of `epoch` are final or given up.
    function isSettled(uint256 epoch) external view returns (bool);

    function proposalOf(uint256 epoch) external view returns (Proposal memory);
    function latestFinalEpoch() external view returns (uint256);
    function paramsHash() external view returns (bytes32);
    function stop() external view returns (uint256);
    function bridgeDecay() external view returns (uint256);

    /// @notice Probability that a walk begins at `account`, as a multiple of 2^-44.
    function seedWeightOf(address account) external view returns (uint256);

    function creditOf(address account) external view returns (uint256);

    function graph() external view returns (IFeedbackGraph);
    function token() external view returns (IERC20);
    function bond() external view returns (uint256);
    function challengeWindow() external view returns (uint256);
    function proposalWindow() external view returns (uint256);
}
