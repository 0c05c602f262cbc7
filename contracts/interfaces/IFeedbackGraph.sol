// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Feedback graph
/// @notice Weighted trust and distrust between accounts, written by settled audits only.
///
/// Every value is kept twice: as it was when the last epoch closed and as it is now. A score vector is proposed and
/// challenged for the last closed epoch, and the next one does not close before that is settled, so a challenge always
/// finds the values that it needs in storage.
interface IFeedbackGraph {
    enum Feedback {
        TRUST,
        DISTRUST
    }

    /// @notice An in-edge at the boundary, with what a row's check needs to know of it.
    /// @param weight Weight of the edge.
    /// @param strength Sum of the weights of all out-edges of `from`.
    struct InEdge {
        address from;
        uint256 weight;
        uint256 strength;
    }

    event FeedbackRecorded(
        Feedback indexed feedback, address indexed from, address indexed to, uint256 amount, uint256 epoch
    );
    /// @param nodeCount Accounts in the graph at the boundary: the rows of a proposal.
    event EpochClosed(uint256 indexed epoch, uint256 nodeCount);

    /// @dev The caller is not the audit court.
    error FeedbackGraphNotCourt(address caller);
    /// @dev The open epoch may close from `openUntil` on.
    error FeedbackGraphEpochOpen(uint256 epoch, uint256 openUntil);
    /// @dev The scores of `epoch` are neither final nor given up.
    error FeedbackGraphEpochUnsettled(uint256 epoch);

    // ------------------------------------------------------------------ court only

    /// @notice Adds `amount` to the trust of `from` in `to`. Never reverts for the court: a settlement must not hang on its feedback.
    function recordTrust(address from, address to, uint256 amount) external;

    /// @notice Adds `amount` to the distrust of `from` in `to`. Never reverts for the court.
    function recordDistrust(address from, address to, uint256 amount) external;

    // ------------------------------------------------------------------ epochs

    /// @notice Freezes the open epoch's values. Anyone may call it, once the epoch is `epochLength` seconds old and the scores of the last one are settled.
    /// @return closed The epoch that was closed.
    function closeEpoch() external returns (uint256 closed);

    // ------------------------------------------------------------------ views

    function court() external view returns (address);
    function oracle() external view returns (address);
    function epochLength() external view returns (uint256);

    /// @notice The open epoch; the first is 1, and the graph at the close of epoch 0 is empty.
    function epoch() external view returns (uint256);

    /// @notice The epoch closed last, when it closed (in seconds), and how many accounts the graph had then.
    function boundary() external view returns (uint256 closedEpoch, uint256 closedAt, uint256 nodes);

    /// @notice Weight of one edge at the close of the last epoch and now, in the token's smallest unit.
    function edgeAt(Feedback feedback, address from, address to) external view returns (uint256 closed, uint256 current);

    /// @notice Sum of the weights of an account's out-edges at the close of the last epoch and now.
    function outStrengthAt(Feedback feedback, address account) external view returns (uint256 closed, uint256 current);

    /// @notice Number of an account's in-edges at the close of the last epoch and now.
    function inDegreeAt(Feedback feedback, address account) external view returns (uint256 closed, uint256 current);

    /// @notice One page of the accounts with an edge to `account`, in the order in which they first had one: those of
    /// closed epochs come first, so positions below `closed` of `inDegreeAt` are the neighbours at the boundary.
    function inNeighbors(Feedback feedback, address account, uint256 offset, uint256 limit)
        external
        view
        returns (address[] memory);

    /// @notice Up to `limit` of an account's in-edges as they were at the close of the last epoch, in the same order.
    function closedInEdges(Feedback feedback, address account, uint256 offset, uint256 limit)
        external
        view
        returns (InEdge[] memory);

    /// @notice Number of accounts with any edge at the close of the last epoch and now.
    function nodeCount() external view returns (uint256 closed, uint256 current);

    /// @notice Whether `account` had any edge at the close of the last epoch, and whether it has one now.
    function isNode(address account) external view returns (bool closed, bool current);
}
