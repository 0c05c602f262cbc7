// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IFeedbackGraph} from "./interfaces/IFeedbackGraph.sol";
import {IReputationOracle} from "./interfaces/IReputationOracle.sol";
import {EpochValue} from "./libraries/EpochValue.sol";

/// @title FeedbackGraph
contract FeedbackGraph is IFeedbackGraph {
    /// @dev One slot.
    /// @param since The epoch in which the edge was first written.
    struct Neighbor {
        address account;
        uint32 since;
    }

    address public immutable court;
    address public immutable oracle;
    uint256 public immutable epochLength;

    uint32 private _epoch = 1;
    uint48 private _openedAt = uint48(block.timestamp);
    EpochValue private _nodeCount;

    mapping(Feedback => mapping(address from => mapping(address to => EpochValue))) private _edges;
    mapping(Feedback => mapping(address account => EpochValue)) private _outStrengths;
    mapping(Feedback => mapping(address account => Neighbor[])) private _inNeighbors;

    modifier onlyCourt() {
        if (msg.sender != court) revert FeedbackGraphNotCourt(msg.sender);
        _;
    }

    constructor(address court_, address oracle_, uint256 epochLength_) {
        court = court_;
        oracle = oracle_;
        epochLength = epochLength_;
    }

    // ------------------------------------------------------------------ court only

    /// @inheritdoc IFeedbackGraph
    function recordTrust(address from, address to, uint256 amount) external onlyCourt {
        _record(Feedback.TRUST, from, to, amount);
    }

    /// @inheritdoc IFeedbackGraph
    function recordDistrust(address from, address to, uint256 amount) external onlyCourt {
        _record(Feedback.DISTRUST, from, to, amount);
    }

    // ------------------------------------------------------------------ epochs

    /// @inheritdoc IFeedbackGraph
    function closeEpoch() external returns (uint256 closed) {
        closed = _epoch;
        uint256 openUntil = _openedAt + epochLength;
        if (block.timestamp < openUntil) revert FeedbackGraphEpochOpen(closed, openUntil);
        // The values at the last boundary are about to be overwritten: nobody may need them any more.
        if (!IReputationOracle(oracle).isSettled(closed - 1)) revert FeedbackGraphEpochUnsettled(closed - 1);

        (_epoch, _openedAt) = (uint32(closed + 1), uint48(block.timestamp));
        emit EpochClosed(closed, _nodeCount.atBoundary(closed + 1));
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IFeedbackGraph
    function epoch() external view returns (uint256) {
        return _epoch;
    }

    /// @inheritdoc IFeedbackGraph
    function boundary() external view returns (uint256 closedEpoch, uint256 closedAt, uint256 nodes) {
        return (_epoch - 1, _openedAt, _nodeCount.atBoundary(_epoch));
    }

    /// @inheritdoc IFeedbackGraph
    function edgeAt(Feedback feedback, address from, address to)
        external
        view
        returns (uint256 closed, uint256 current)
    {
        EpochValue memory edge = _edges[feedback][from][to];
        return (edge.atBoundary(_epoch), edge.current);
    }

    /// @inheritdoc IFeedbackGraph
    function outStrengthAt(Feedback feedback, address account)
        external
        view
        returns (uint256 closed, uint256 current)
    {
        EpochValue memory strength = _outStrengths[feedback][account];
        return (strength.atBoundary(_epoch), strength.current);
    }

    /// @inheritdoc IFeedbackGraph
    function inDegreeAt(Feedback feedback, address account) external view returns (uint256 closed, uint256 current) {
        Neighbor[] storage neighbors = _inNeighbors[feedback][account];
        return (_closedLength(neighbors), neighbors.length);
    }

    /// @inheritdoc IFeedbackGraph
    function inNeighbors(Feedback feedback, address account, uint256 offset, uint256 limit)
        external
        view
        returns (address[] memory page)
    {
        Neighbor[] storage neighbors = _inNeighbors[feedback][account];
        page = new address[](Math.min(limit, Math.saturatingSub(neighbors.length, offset)));
        for (uint256 i = 0; i < page.length; ++i) {
            page[i] = neighbors[offset + i].account;
        }
    }

    /// @inheritdoc IFeedbackGraph
    function closedInEdges(Feedback feedback, address account, uint256 offset, uint256 limit)
        external
        view
        returns (InEdge[] memory page)
    {
        Neighbor[] storage neighbors = _inNeighbors[feedback][account];
        uint256 open = _epoch;
        page = new InEdge[](Math.min(limit, Math.saturatingSub(_closedLength(neighbors), offset)));
        for (uint256 i = 0; i < page.length; ++i) {
            address from = neighbors[offset + i].account;
            page[i] = InEdge({
                from: from,
                weight: _edges[feedback][from][account].atBoundary(open),
                strength: _outStrengths[feedback][from].atBoundary(open)
            });
        }
    }

    /// @inheritdoc IFeedbackGraph
    function nodeCount() external view returns (uint256 closed, uint256 current) {
        return (_nodeCount.atBoundary(_epoch), _nodeCount.current);
    }

    /// @inheritdoc IFeedbackGraph
    function isNode(address account) external view returns (bool closed, bool current) {
        for (uint256 i = 0; i <= uint256(type(Feedback).max); ++i) {
            EpochValue memory strength = _outStrengths[Feedback(i)][account];
            Neighbor[] storage neighbors = _inNeighbors[Feedback(i)][account];
            closed = closed || strength.atBoundary(_epoch) > 0 || (neighbors.length > 0 && neighbors[0].since < _epoch);
            current = current || strength.current > 0 || neighbors.length > 0;
        }
    }

    // ------------------------------------------------------------------ private

    /// @dev A settlement must not fail on its feedback: what cannot be counted is left out. For the sums that is beyond
    /// 2^112 of the token's smallest unit, which no token with a supply in 96 bits reaches in 65,000 turnovers.
    function _record(Feedback feedback, address from, address to, uint256 amount) private {
        EpochValue storage strength = _outStrengths[feedback][from];
        if (amount == 0 || from == to || !strength.fits(amount)) return;

        EpochValue storage edge = _edges[feedback][from][to];
        uint256 open = _epoch;
        if (edge.current == 0) {
            uint256 newNodes = (_isUnknown(from) ? 1 : 0) + (_isUnknown(to) ? 1 : 0);
            if (newNodes > 0) _nodeCount.add(newNodes, open);
            _inNeighbors[feedback][to].push(Neighbor(from, uint32(open)));
        }
        edge.add(amount, open);
        strength.add(amount, open);
        emit FeedbackRecorded(feedback, from, to, amount, open);
    }

    /// @dev Neighbours stand in the order of their first edge: finds the first that came after the boundary.
    function _closedLength(Neighbor[] storage neighbors) private view returns (uint256 low) {
        uint256 high = neighbors.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (neighbors[middle].since < _epoch) low = middle + 1;
            else high = middle;
        }
    }

    function _isUnknown(address account) private view returns (bool) {
        return _outStrengths[Feedback.TRUST][account].current == 0 && _inNeighbors[Feedback.TRUST][account].length == 0
            && _outStrengths[Feedback.DISTRUST][account].current == 0
            && _inNeighbors[Feedback.DISTRUST][account].length == 0;
    }
}
