// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Row} from "../libraries/MeritRow.sol";
import {IFeedbackGraph} from "./IFeedbackGraph.sol";

/// @title Reputation oracle
/// @notice Anyone with a bond proposes the MeritRank scores of the last closed epoch as the root of a tree of rows. They
/// become final when the window passes and nobody has shown a fault.
///
/// A fault needs no judge: one wrong row, with the rows of its in-neighbours, is enough. What a challenge checks against
/// comes from the feedback graph. Two claims cannot be checked from what is on the chain, and are asked back instead: a
/// row that was not published (`demandRow`), and a diagonal (`challengeDiagonal`), to which the proposer answers with the
/// tree of visits by walks that begin at that account; its rows are open to the same challenges. In the calls below
/// `subject` names the tree: zero for the scores, or the account whose diagonal was asked for.
interface IReputationOracle {
    /// @param stop Probability that a walk ends at a step, as a multiple of 2^-44, in (0, 2^44).
    /// @param bridgeDecay Part of its score that an account loses when every walk to it passes one other account (a single seed aside); multiple of 2^-44, at most 2^44.
    /// @param seeds Accounts at which walks begin, strictly ascending.
    /// @param seedWeights Probability of each to be where a walk begins, as multiples of 2^-44 that sum to 2^44.
    struct Parameters {
        uint64 stop;
        uint64 bridgeDecay;
        address[] seeds;
        uint64[] seedWeights;
    }

    /// @param bond Stake of a proposer, in token units.
    /// @param challengeWindow Seconds in which a proposal can be disputed; also to answer, and to challenge what was answered.
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
    /// @param attempt How many proposals for this epoch were voided before.
    /// @param extendedUntil When the window for what was answered last ends; in seconds, zero before the first answer.
    /// @param openDisputes Questions not answered yet.
    struct Proposal {
        bytes32 rowsRoot;
        address proposer;
        uint48 finalizableAt;
        uint32 rowCount;
        Status status;
        uint8 attempt;
        uint48 extendedUntil;
        uint32 openDisputes;
    }

    /// @notice A row and its way to the root.
    struct ProvenRow {
        Row row;
        bytes32[] proof;
    }

    enum DisputeStatus {
        NONE,
        OPEN,
        ANSWERED,
        SETTLED
    }

    /// @param deadline Until when it must be answered; in seconds.
    /// @param root Root of the tree that answers a diagonal.
    struct Dispute {
        address challenger;
        uint48 deadline;
        uint32 epoch;
        uint8 attempt;
        DisputeStatus status;
        uint96 bond;
        bytes32 root;
    }

    /// @notice What voided a proposal.
    enum Fault {
        ROW,
        BRIDGE,
        DIAGONAL,
        ORDER,
        MISSING,
        UNANSWERED
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
    event Rewarded(uint256 indexed epoch, address indexed proposer, uint256 reward);
    /// @param bounty Half of the bond, the challenger's; the rest is burned.
    event Voided(
        uint256 indexed epoch, address indexed proposer, address indexed challenger, Fault fault, uint256 bounty
    );
    event RowChallengeAdvanced(
        uint256 indexed epoch, address indexed challenger, bytes32 indexed leaf, uint256 trusting, uint256 distrusting
    );
    event RegionChallengeAdvanced(
        uint256 indexed epoch, address indexed challenger, bytes32 indexed challenge, uint256 members, uint256 edges
    );
    event RowDemanded(
        uint256 indexed epoch, address indexed subject, uint256 index, address challenger, uint256 deadline
    );
    event RowAnswered(uint256 indexed epoch, address indexed subject, Row row);
    event DiagonalChallenged(uint256 indexed epoch, address indexed account, address challenger, uint256 deadline);
    event DiagonalAnswered(uint256 indexed epoch, address indexed account, bytes32 root, bytes32 rowsCid);
    event DisputeSettled(bytes32 indexed dispute, address indexed challenger, bool refunded);
    event CheckedIn(address indexed account, uint256 indexed epoch, uint256 score);
    event Withdrawn(address indexed account, uint256 amount);

    /// @dev Only the epoch closed last can be proposed.
    error ReputationOracleWrongEpoch(uint256 epoch, uint256 lastClosed);
    /// @dev There is a proposal for this epoch already, and it was not voided.
    error ReputationOracleAlreadyProposed(uint256 epoch);
    /// @dev This was possible until `until`.
    error ReputationOracleTooLate(uint256 until);
    error ReputationOracleNotLive(uint256 epoch);
    /// @dev The proposal can be disputed until `until`.
    error ReputationOracleWindowOpen(uint256 until);
    error ReputationOracleDisputesOpen(uint256 count);
    error ReputationOracleWrongParameters(bytes32 given, bytes32 current);
    error ReputationOracleWrongRowCount(uint256 given, uint256 nodeCount);
    error ReputationOracleInvalidParameters();
    error ReputationOracleInvalidSettings();
    /// @dev Parameters change between proposals only.
    error ReputationOracleProposalLive(uint256 epoch);
    /// @dev The row is not in the tree.
    error ReputationOracleInvalidProof(uint256 epoch, uint256 index);
    /// @dev A score of a newer epoch is in place.
    error ReputationOracleStaleScore(address account, uint256 epoch);
    error ReputationOracleNothingToWithdraw(address account);
    /// @dev The challenge shows no fault.
    error ReputationOracleNoFault();
    /// @dev The next in-neighbour's row to show is that of `expected`.
    error ReputationOracleWrongNeighbor(address given, address expected);
    error ReputationOracleTooManyNeighbors();
    error ReputationOracleNotProposer(address caller);
    error ReputationOracleAlreadyDisputed(bytes32 dispute);
    error ReputationOracleNotDisputed(bytes32 dispute);
    /// @dev The proposer can answer until `deadline`.
    error ReputationOracleStillAnswerable(uint256 deadline);
    /// @dev The answer is a row of another account, or its visits are not the diagonal.
    error ReputationOracleWrongAnswer();

    // ------------------------------------------------------------------ proposals

    /// @notice Proposes the scores of the epoch closed last and pulls the caller's bond.
    /// @param paramsHash `paramsHash()`, so that a change of the parameters on the way refuses the proposal.
    function propose(uint256 epoch, bytes32 rowsRoot, uint256 rowCount, bytes32 paramsHash, bytes32 rowsCid) external;

    /// @notice Makes a proposal final after its window; credits the proposer the bond and, as its reward, the network's
    /// fees that the escrow has credited to this contract since the last final epoch. Anyone may call it.
    function finalize(uint256 epoch) external;

    /// @notice Pays the caller its credit.
    function withdraw() external returns (uint256 amount);

    /// @notice Sends the burned parts of bonds to the burn address. Anyone may call it.
    function burn() external returns (uint256 amount);

    // ------------------------------------------------------------------ challenges decided at once

    /// @notice Shows a row whose visits are not what flows in, or whose score does not follow from them. The in-neighbours'
    /// rows come in the graph's order; what one transaction cannot hold is continued by further calls of the same caller.
    /// @param trusting Rows of the next accounts that trust the row's account.
    /// @param distrusting Rows, in the tree of scores, of the next accounts that distrust it; none where `subject` is not zero.
    function challengeRow(
        uint256 epoch,
        address subject,
        ProvenRow calldata proven,
        ProvenRow[] calldata trusting,
        ProvenRow[] calldata distrusting
    ) external;

    /// @notice Shows a row that claims a bridge, and an in-neighbour, reached by walks, that lies behind another or none.
    function challengeBridge(uint256 epoch, ProvenRow calldata proven, ProvenRow calldata neighbor) external;

    /// @notice Shows a row that does not claim the bridge it is behind: it lies in a region that walks enter only from
    /// accounts behind that bridge, and in which none begins. What one transaction cannot hold is continued by further
    /// calls of the same caller with the same region.
    /// @param proven The row, of an account in the region.
    /// @param bridge The bridge that all rows of accounts before the region name.
    /// @param region Accounts in ascending order.
    /// @param entries Rows of the accounts outside of the region that trust its members, in the order of the members
    /// and of the graph's lists, for as many in-edges as this call passes.
    /// @param count In-edges of members to pass in this call, those from within the region included.
    function challengeHiddenBridge(
        uint256 epoch,
        ProvenRow calldata proven,
        address bridge,
        address[] calldata region,
        ProvenRow[] calldata entries,
        uint256 count
    ) external;

    /// @notice Shows a row whose diagonal is below what one cycle alone brings.
    /// @param cycle The accounts after the row's own, in the order of the edges that lead back to it; at most 64.
    function challengeCycle(uint256 epoch, ProvenRow calldata proven, address[] calldata cycle) external;

    /// @notice Shows two rows at the same index, or at adjacent ones with accounts that do not ascend.
    function challengeOrder(uint256 epoch, address subject, ProvenRow calldata first, ProvenRow calldata second) external;

    /// @notice Shows that an account of the graph has no row: by the rows on both sides, or the first or the last row alone.
    function challengeMissing(uint256 epoch, address subject, address account, ProvenRow[] calldata around) external;

    // ------------------------------------------------------------------ challenges that the proposer must answer

    /// @notice Asks for the row at `index`, with a bond. A refused answer voids the proposal; an answer's proof shows which
    /// part of the tree is not what was published.
    function demandRow(uint256 epoch, address subject, uint256 index) external;

    /// @notice Answers `demandRow`. Anyone may.
    function answerRow(uint256 epoch, address subject, ProvenRow calldata proven) external;

    /// @notice Asks for the visits behind a diagonal, with a bond. A refused answer voids the proposal.
    function challengeDiagonal(uint256 epoch, address account) external;

    /// @notice Answers `challengeDiagonal` with the root of the visits by walks from the account; proposer only.
    /// @param proven The account's row among the scores.
    /// @param entry The account's row in the tree that answers: its visits are the diagonal.
    function answerDiagonal(
        uint256 epoch,
        bytes32 root,
        bytes32 rowsCid,
        ProvenRow calldata proven,
        ProvenRow calldata entry
    ) external;

    /// @notice Voids a proposal whose proposer did not answer in time; the bounty is the challenger's. Anyone may call it.
    function expireDispute(bytes32 dispute) external;

    /// @notice Once the proposal is settled: gives the challenger's bond back if it was voided; else half of it goes to
    /// the proposer and half is burned. Anyone may call it.
    function settleDispute(bytes32 dispute) external;

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
    function disputeOf(bytes32 dispute) external view returns (Dispute memory);

    /// @notice Identity of a demand for the row at `index`, or of the question for the diagonal of `subject` (`index` 2^256 - 1).
    function disputeId(uint256 epoch, uint256 attempt, address subject, uint256 index) external pure returns (bytes32);

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

    /// @notice Stake of whoever asks a proposer for something, in token units, times one more than the questions then open.
    function disputeBond() external view returns (uint256);

    function challengeWindow() external view returns (uint256);
    function proposalWindow() external view returns (uint256);
}
