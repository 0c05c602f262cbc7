// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedbackGraph} from "../../../contracts/interfaces/IFeedbackGraph.sol";
import {Test} from "../Test.sol";

/// @notice Says of an epoch's scores what a test wants.
contract SwitchOracle {
    mapping(uint256 epoch => bool) public isSettled;

    function setSettled(uint256 epoch, bool settled) external {
        isSettled[epoch] = settled;
    }
}

/// record
/// ├── by a stranger: it reverts
/// ├── of nothing, of an account to itself, or beyond what a slot holds: it does nothing, and does not revert
/// └── otherwise: it adds to the edge and the out-strength, lists the neighbour once and counts new accounts once
/// closeEpoch
/// ├── one second too early: it reverts
/// ├── while the scores of the last epoch are not settled: it reverts
/// └── otherwise: what is now becomes what was at the boundary, and stays so whatever is recorded after
contract FeedbackGraphTest is Test {
    IFeedbackGraph.Feedback private constant TRUST = IFeedbackGraph.Feedback.TRUST;
    IFeedbackGraph.Feedback private constant DISTRUST = IFeedbackGraph.Feedback.DISTRUST;
    uint256 private constant LENGTH = 1 days;

    IFeedbackGraph private _graph;
    SwitchOracle private _oracle;
    address private _court = makeAddr("court");
    address private _alice = makeAddr("alice");
    address private _bob = makeAddr("bob");
    address private _carol = makeAddr("carol");

    function setUp() external {
        _oracle = new SwitchOracle();
        _oracle.setSettled(0, true);
        _graph = IFeedbackGraph(deployed("FeedbackGraph", abi.encode(_court, address(_oracle), LENGTH)));
    }

    // ------------------------------------------------------------------ record

    function testFuzz_Threat19_RestrictedCalls_RefuseStrangers(address stranger) external {
        vm.assume(stranger != _court);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IFeedbackGraph.FeedbackGraphNotCourt.selector, stranger));
        _graph.recordTrust(_alice, _bob, 1);
        vm.expectRevert(abi.encodeWithSelector(IFeedbackGraph.FeedbackGraphNotCourt.selector, stranger));
        _graph.recordDistrust(_alice, _bob, 1);
    }

    function test_Record_AddsUpAndListsOnce() external {
        vm.expectEmit(address(_graph));
        emit IFeedbackGraph.FeedbackRecorded(TRUST, _alice, _bob, 3, 1);
        _trust(_alice, _bob, 3);
        _trust(_alice, _bob, 4);
        _trust(_alice, _carol, 5);
        _distrust(_carol, _bob, 6);
        _assertEdge(TRUST, _alice, _bob, 0, 7);
        _assertEdge(TRUST, _alice, _carol, 0, 5);
        _assertEdge(DISTRUST, _carol, _bob, 0, 6);
        _assertEdge(DISTRUST, _alice, _bob, 0, 0);
        _assertStrength(TRUST, _alice, 0, 12);
        _assertStrength(DISTRUST, _carol, 0, 6);
        _assertStrength(TRUST, _carol, 0, 0);
        _assertDegree(TRUST, _bob, 0, 1);
        _assertDegree(DISTRUST, _bob, 0, 1);
        _assertNodes(0, 3);
    }

    function test_Record_OfNothingOrOfOneself_DoesNothing() external {
        _trust(_alice, _bob, 0);
        _trust(_alice, _alice, 5);
        _distrust(_alice, _alice, 5);
        _assertNodes(0, 0);
        _assertStrength(TRUST, _alice, 0, 0);
        _assertDegree(TRUST, _bob, 0, 0);
    }

    function testFuzz_Record_NeverRevertsAndNeverWraps(uint256 first, uint256 second) external {
        _trust(_alice, _bob, first);
        _trust(_alice, _carol, second);
        (, uint256 toBob) = _graph.edgeAt(TRUST, _alice, _bob);
        (, uint256 toCarol) = _graph.edgeAt(TRUST, _alice, _carol);
        (, uint256 strength) = _graph.outStrengthAt(TRUST, _alice);
        vm.assertEq(toBob, first <= type(uint112).max ? first : 0, "first");
        vm.assertEq(toCarol, second <= type(uint112).max - toBob ? second : 0, "second");
        vm.assertEq(strength, toBob + toCarol, "sum");
    }

    function test_InNeighbors_ComeInPages() external {
        for (uint256 i = 0; i < 5; ++i) {
            _trust(_account(i), _bob, 1);
        }
        vm.assertEq(_graph.inNeighbors(TRUST, _bob, 0, 5).length, 5, "all");
        address[] memory page = _graph.inNeighbors(TRUST, _bob, 3, 5);
        vm.assertEq(page.length, 2, "the last page is short");
        vm.assertEq(page[0], _account(3), "in the order of their first edge");
        vm.assertEq(page[1], _account(4), "in the order of their first edge");
        vm.assertEq(_graph.inNeighbors(TRUST, _bob, 6, 5).length, 0, "beyond the end");
    }

    // ------------------------------------------------------------------ closeEpoch

    function test_CloseEpoch_OneSecondTooEarly_Reverts() external {
        uint256 openUntil = vm.getBlockTimestamp() + LENGTH;
        vm.warp(openUntil - 1);
        vm.expectRevert(abi.encodeWithSelector(IFeedbackGraph.FeedbackGraphEpochOpen.selector, 1, openUntil));
        _graph.closeEpoch();
        vm.warp(openUntil);
        vm.expectEmit(address(_graph));
        emit IFeedbackGraph.EpochClosed(1, 0);
        vm.assertEq(_graph.closeEpoch(), 1, "closed");
        vm.assertEq(_graph.epoch(), 2, "open");
    }

    function test_CloseEpoch_WhileScoresAreUnsettled_Reverts() external {
        _close();
        skip(1, LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IFeedbackGraph.FeedbackGraphEpochUnsettled.selector, 1));
        _graph.closeEpoch();
        _oracle.setSettled(1, true);
        _graph.closeEpoch();
        vm.assertEq(_graph.epoch(), 3, "open");
    }

    function test_CloseEpoch_KeepsTheBoundaryWhateverComesAfter() external {
        _trust(_alice, _bob, 3);
        _distrust(_alice, _carol, 4);
        _close();
        _trust(_alice, _bob, 5);
        _trust(_carol, _bob, 6);
        _distrust(_account(0), _carol, 7);
        _assertEdge(TRUST, _alice, _bob, 3, 8);
        _assertEdge(TRUST, _carol, _bob, 0, 6);
        _assertEdge(DISTRUST, _alice, _carol, 4, 4);
        _assertStrength(TRUST, _alice, 3, 8);
        _assertStrength(TRUST, _carol, 0, 6);
        _assertDegree(TRUST, _bob, 1, 2);
        _assertDegree(DISTRUST, _carol, 1, 2);
        _assertNodes(3, 4);
        _assertIsNode(_account(0), false, true);
        _assertIsNode(_account(1), false, false);
        (uint256 closed, uint256 closedAt, uint256 nodes) = _graph.boundary();
        vm.assertEq(closed, 1, "closed epoch");
        vm.assertEq(closedAt, vm.getBlockTimestamp(), "closed at");
        vm.assertEq(nodes, 3, "nodes at the boundary");
    }

    /// Random feedback over random epochs, an epoch without any among them, against a copy of everything that is made
    /// whenever an epoch closes.
    function testFuzz_EqualsTheSlowReference(bytes32 entropy) external {
        uint256[4][4] memory edges;
        uint256[4][4] memory closed;
        for (uint256 step = 0; step < 40; ++step) {
            uint256 dice = uint256(keccak256(abi.encode(entropy, step)));
            if (dice % 8 == 0) {
                _close();
                for (uint256 i = 0; i < 4; ++i) {
                    for (uint256 j = 0; j < 4; ++j) {
                        closed[i][j] = edges[i][j];
                    }
                }
            } else {
                (uint256 from, uint256 to, uint256 amount) = ((dice >> 8) % 4, (dice >> 16) % 4, (dice >> 24) % 1e20);
                _trust(_account(from), _account(to), amount);
                if (from != to) edges[from][to] += amount;
            }
        }
        _assertSame(closed, edges);
    }

    function _assertSame(uint256[4][4] memory closed, uint256[4][4] memory edges) private view {
        uint256[2] memory nodes;
        for (uint256 i = 0; i < 4; ++i) {
            uint256[2] memory strength;
            uint256[2] memory degree;
            for (uint256 j = 0; j < 4; ++j) {
                _assertEdge(TRUST, _account(i), _account(j), closed[i][j], edges[i][j]);
                (strength[0], strength[1]) = (strength[0] + closed[i][j], strength[1] + edges[i][j]);
                if (closed[j][i] > 0) ++degree[0];
                if (edges[j][i] > 0) ++degree[1];
            }
            _assertStrength(TRUST, _account(i), strength[0], strength[1]);
            _assertDegree(TRUST, _account(i), degree[0], degree[1]);
            (bool wasNode, bool node) = (strength[0] + degree[0] > 0, strength[1] + degree[1] > 0);
            _assertIsNode(_account(i), wasNode, node);
            if (wasNode) ++nodes[0];
            if (node) ++nodes[1];
        }
        _assertNodes(nodes[0], nodes[1]);
    }

    // ------------------------------------------------------------------ private

    function _trust(address from, address to, uint256 amount) private {
        vm.prank(_court);
        _graph.recordTrust(from, to, amount);
    }

    function _distrust(address from, address to, uint256 amount) private {
        vm.prank(_court);
        _graph.recordDistrust(from, to, amount);
    }

    function _close() private {
        skip(1, LENGTH);
        _oracle.setSettled(_graph.epoch() - 1, true);
        _graph.closeEpoch();
    }

    function _account(uint256 i) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("account", i)))));
    }

    function _assertEdge(IFeedbackGraph.Feedback kind, address from, address to, uint256 closed, uint256 current)
        private
        view
    {
        (uint256 foundClosed, uint256 foundCurrent) = _graph.edgeAt(kind, from, to);
        vm.assertEq(foundClosed, closed, "edge at the boundary");
        vm.assertEq(foundCurrent, current, "edge now");
    }

    function _assertStrength(IFeedbackGraph.Feedback kind, address account, uint256 closed, uint256 current)
        private
        view
    {
        (uint256 foundClosed, uint256 foundCurrent) = _graph.outStrengthAt(kind, account);
        vm.assertEq(foundClosed, closed, "out-strength at the boundary");
        vm.assertEq(foundCurrent, current, "out-strength now");
    }

    function _assertDegree(IFeedbackGraph.Feedback kind, address account, uint256 closed, uint256 current)
        private
        view
    {
        (uint256 foundClosed, uint256 foundCurrent) = _graph.inDegreeAt(kind, account);
        vm.assertEq(foundClosed, closed, "in-degree at the boundary");
        vm.assertEq(foundCurrent, current, "in-degree now");
    }

    function _assertNodes(uint256 closed, uint256 current) private view {
        (uint256 foundClosed, uint256 foundCurrent) = _graph.nodeCount();
        vm.assertEq(foundClosed, closed, "nodes at the boundary");
        vm.assertEq(foundCurrent, current, "nodes now");
    }

    function _assertIsNode(address account, bool closed, bool current) private view {
        (bool foundClosed, bool foundCurrent) = _graph.isNode(account);
        vm.assertEq(foundClosed, closed, "a node at the boundary");
        vm.assertEq(foundCurrent, current, "a node now");
    }
}
