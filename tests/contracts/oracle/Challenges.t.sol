// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedbackGraph} from "../../../contracts/interfaces/IFeedbackGraph.sol";
import {IReputationOracle} from "../../../contracts/interfaces/IReputationOracle.sol";
import {Row} from "../../../contracts/libraries/MeritRow.sol";
import {IConstants} from "../Interfaces.sol";
import {OracleTest} from "./OracleTest.sol";

/// challengeRow
/// ├── of an honest row: it reverts, for every row of every graph
/// ├── of a row whose visits, diagonal or score are not what its in-neighbours imply: it voids the proposal
/// ├── with too few in-neighbours: it waits for the rest; another's progress does not count
/// └── with rows of others, in another order, or with more: it reverts
/// challengeBridge
/// ├── of an honest row, with any neighbour: it reverts
/// └── of a cut that is none: one of the in-neighbours shows it
/// challengeCycle
/// ├── of an honest row: it reverts
/// └── of a diagonal below what a cycle brings: it voids the proposal
/// challengeOrder, challengeMissing
/// ├── of honest rows: they revert
/// └── of an index that is there twice, accounts that do not ascend, an account left out: they void the proposal
contract ChallengesTest is OracleTest {
    // ------------------------------------------------------------------ honest proposals

    function testFuzz_Threat20_HonestProposal_SurvivesEveryChallenge(bytes32 entropy, uint256 n, bool twoSeeds)
        external
    {
        n = bound(n, 2, 8);
        if (twoSeeds) oracle.setParameters(parameters(ONE / 3));
        randomGraph(entropy, n);
        Row[] memory rows = honest;
        propose(rows);
        // What is recorded after the boundary does not matter.
        trust(0, 1, 1e18);
        trust(n - 1, 0, 1e18);
        for (uint256 j = 0; j < n; ++j) {
            vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
            this.challenge(rows, j);
            _assertNoOtherFault(rows, j);
        }
        finalize();
        vm.assertEq(oracle.creditOf(proposer), BOND, "bond");
    }

    /// @dev An external call, so that what it reverts with can be expected.
    function challenge(Row[] calldata rows, uint256 position) external {
        challengeRow(rows, position);
    }

    function _assertNoOtherFault(Row[] memory rows, uint256 j) private {
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, j);
        for (uint256 i = 0; i < rows.length; ++i) {
            IReputationOracle.ProvenRow memory other = prove(address(0), rows, i);
            vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
            oracle.challengeBridge(epoch, proven, other);
            vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
            oracle.challengeOrder(epoch, address(0), proven, other);
            address[] memory cycle = new address[](1);
            cycle[0] = accountAt(i);
            vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
            oracle.challengeCycle(epoch, proven, cycle);
            IReputationOracle.ProvenRow[] memory around = new IReputationOracle.ProvenRow[](2);
            (around[0], around[1]) = (proven, other);
            vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
            oracle.challengeMissing(epoch, address(0), accountAt((i + j) % rows.length), around);
        }
    }

    // ------------------------------------------------------------------ rows that lie

    /// One number of one row, off by more than the tolerance; the row's score follows the lie where it can.
    function testFuzz_Threat20_LieInOneRow_IsVoided(bytes32 entropy, uint256 n, uint256 position, uint256 delta)
        external
    {
        n = bound(n, 2, 8);
        randomGraph(entropy, n);
        position = bound(position, 0, n - 1);
        Row[] memory rows = honest;
        Row memory row = rows[position];
        bool up = uint256(entropy) % 2 == 0;
        uint256 kind = (uint256(entropy) >> 8) % 3;
        if (kind == 0) {
            (uint256 degree,) = graph.inDegreeAt(IFeedbackGraph.Feedback.TRUST, row.account);
            uint256 tolerance = 2 * (degree + 1); // An honest row uses up to half of it.
            delta = bound(delta, tolerance, up ? 1 << 50 : tolerance > row.visits ? tolerance : row.visits);
            if (!up && delta > row.visits) up = true;
            row.visits = uint64(up ? row.visits + delta : row.visits - delta);
            row.score = _scoreOf(row, position);
        } else if (kind == 1) {
            delta = bound(delta, 1, 1e18);
            if (!up && delta > row.score) up = true;
            row.score = uint64(up ? row.score + delta : row.score - delta);
        } else {
            row.diagonal = uint64(bound(delta, 0, (1 << 24) - 1)); // Below one, whatever the score.
        }
        propose(rows);
        challengeRow(rows, position);
        assertVoid();
    }

    /// @dev The score that a row's own numbers imply.
    function _scoreOf(Row memory row, uint256 position) private view returns (uint64) {
        uint256 kept = row.bridge == row.account ? ONE : ONE - model.bridgeDecay;
        uint256 score = uint256(row.visits) * (1 << 24) * 1e18 * kept / (uint256(row.diagonal) * ONE * ONE);
        Row memory before = honest[position];
        uint256 trusted = uint256(before.visits) * (1 << 24) * 1e18 * kept / (uint256(before.diagonal) * ONE * ONE);
        uint256 lost = trusted - before.score;
        return uint64(score > lost ? score - lost : 0);
    }

    function testFuzz_Threat20_FalseCut_IsVoided(bytes32 entropy, uint256 n, uint256 position, uint256 claimed)
        external
    {
        n = bound(n, 3, 8);
        randomGraph(entropy, n);
        (position, claimed) = (bound(position, 0, n - 1), bound(claimed, 0, n - 1));
        Row[] memory rows = honest;
        Row memory row = rows[position];
        vm.assume(claimed != position && accountAt(claimed) != row.bridge);
        row.bridge = accountAt(claimed);
        propose(rows);
        // A neighbour that is reached, if only in name, may be too far to count: then the row has no visits either.
        for (uint256 i = 0; i < n && statusOf() == IReputationOracle.Status.LIVE; ++i) {
            vm.prank(challenger);
            try oracle.challengeBridge(epoch, prove(address(0), rows, position), prove(address(0), rows, i)) {}
            catch (bytes memory reason) {
                vm.assertEq(bytes32(reason), bytes32(IReputationOracle.ReputationOracleNoFault.selector), "no fault");
            }
        }
        if (row.visits > model.trust.length) assertVoid();
    }

    function test_Threat20_DiagonalBelowACycle_IsVoided() external {
        newModel(3);
        trust(0, 1, 1e18);
        trust(1, 2, 1e18);
        trust(2, 0, 1e18);
        close();
        Row[] memory rows = honest;
        // The cycle comes back with probability 0.6^3; the honest diagonal is 1 / (1 - 0.216).
        vm.assertEq(rows[0].diagonal, 21_399_510, "honest diagonal");
        rows[0].diagonal = (1 << 24) + 3_623_876; // 1.216 is 3,623,878.6 units above one.
        propose(rows);
        address[] memory cycle = new address[](2);
        (cycle[0], cycle[1]) = (accountAt(1), accountAt(2));
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, 0);
        vm.prank(challenger);
        vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
        oracle.challengeCycle(epoch, prove(address(0), rows, 1), cycle); // Not a cycle through that account.
        vm.prank(challenger);
        oracle.challengeCycle(epoch, proven, cycle);
        assertVoid();
    }

    function test_ChallengeCycle_WithinTheRounding_Reverts() external {
        newModel(3);
        trust(0, 1, 1e18);
        trust(1, 2, 1e18);
        trust(2, 0, 1e18);
        close();
        Row[] memory rows = honest;
        rows[0].diagonal = (1 << 24) + 3_623_877;
        propose(rows);
        address[] memory cycle = new address[](2);
        (cycle[0], cycle[1]) = (accountAt(1), accountAt(2));
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, 0);
        vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
        oracle.challengeCycle(epoch, proven, cycle);
        address[] memory tooLong = new address[](IConstants(address(oracle)).MAX_CYCLE() + 1);
        vm.expectRevert(IReputationOracle.ReputationOracleTooManyNeighbors.selector);
        oracle.challengeCycle(epoch, proven, tooLong);
    }

    // ------------------------------------------------------------------ rows out of order, or not there

    function testFuzz_Threat20_AccountLeftOut_IsVoided(bytes32 entropy, uint256 left) external {
        randomGraph(entropy, 6);
        left = bound(left, 0, 5);
        Row[] memory rows = honest;
        // Another account, which the graph does not know, takes the place, so that the count is right.
        for (uint256 i = left; i < 5; ++i) {
            rows[i] = rows[i + 1];
            rows[i].index = uint32(i);
        }
        rows[5] = Row(5, address(0x7777_0000), 0, 1 << 24, address(0x7777_0000), 0);
        propose(rows);
        IReputationOracle.ProvenRow[] memory around = new IReputationOracle.ProvenRow[](left == 0 ? 1 : 2);
        if (left > 0) around[0] = prove(address(0), rows, left - 1);
        around[around.length - 1] = prove(address(0), rows, left);
        vm.prank(challenger);
        oracle.challengeMissing(epoch, address(0), accountAt(left), around);
        assertVoid();
    }

    function test_Threat20_LastAccountLeftOut_IsVoided() external {
        randomGraph("graph", 4);
        Row[] memory rows = honest;
        (rows[3], rows[2], rows[1]) = (rows[2], rows[1], rows[0]);
        rows[0] = Row(0, address(1), 0, 1 << 24, address(1), 0);
        for (uint32 i = 0; i < 4; ++i) {
            rows[i].index = i;
        }
        propose(rows);
        IReputationOracle.ProvenRow[] memory around = new IReputationOracle.ProvenRow[](1);
        around[0] = prove(address(0), rows, 3);
        vm.prank(challenger);
        oracle.challengeMissing(epoch, address(0), accountAt(3), around);
        assertVoid();
    }

    function test_ChallengeMissing_OfAnAccountOutsideTheGraph_Reverts() external {
        randomGraph("graph", 4);
        Row[] memory rows = honest;
        propose(rows);
        IReputationOracle.ProvenRow[] memory around = new IReputationOracle.ProvenRow[](2);
        (around[0], around[1]) = (prove(address(0), rows, 0), prove(address(0), rows, 1));
        trust(2, 0, 1);
        graph.recordTrust(address(0x1001), accountAt(0), 1); // Between the two, but after the boundary.
        vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
        oracle.challengeMissing(epoch, address(0), address(0x1001), around);
        vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
        oracle.challengeMissing(epoch, address(0), accountAt(0), new IReputationOracle.ProvenRow[](0));
    }

    function testFuzz_Threat20_RowTwice_IsVoided(bytes32 entropy, uint256 position, bool sameIndex) external {
        randomGraph(entropy, 6);
        position = 2 * bound(position, 0, 2); // Both leaves have proofs of the shape that either index asks for.
        Row[] memory rows = honest;
        rows[position + 1] = Row({
            index: uint32(sameIndex ? position : position + 1),
            account: rows[position].account,
            visits: rows[position].visits + 1,
            diagonal: rows[position].diagonal,
            bridge: rows[position].bridge,
            score: rows[position].score
        });
        propose(rows);
        vm.prank(challenger);
        oracle.challengeOrder(
            epoch, address(0), prove(address(0), rows, position), prove(address(0), rows, position + 1)
        );
        assertVoid();
    }

    // ------------------------------------------------------------------ hubs

    /// A hub's in-neighbours come in several transactions. One who stops half way blocks nobody.
    function test_ChallengeRow_OfAHub_GoesOverSeveralTransactions() external {
        uint256 n = 41;
        newModel(n);
        for (uint256 i = 1; i < n; ++i) {
            trust(0, i, i);
            trust(i, i % (n - 1) + 1, 1);
            if (i != n - 1) trust(i, n - 1, 1e18 + i);
        }
        for (uint256 i = 1; i < 5; ++i) {
            distrust(i, n - 1, i);
        }
        close();
        Row[] memory rows = honest;
        rows[n - 1].score += 1;
        propose(rows);
        IReputationOracle.ProvenRow[] memory all =
            neighborsOf(IFeedbackGraph.Feedback.TRUST, address(0), rows, accountAt(n - 1));
        IReputationOracle.ProvenRow[] memory foes =
            neighborsOf(IFeedbackGraph.Feedback.DISTRUST, address(0), rows, accountAt(n - 1));
        vm.prank(proposer); // Stops half way.
        oracle.challengeRow(epoch, address(0), prove(address(0), rows, n - 1), _slice(all, 0, 20), _none());
        uint256 step = 15;
        for (uint256 from = 0; from < all.length; from += step) {
            assertLive();
            vm.prank(challenger);
            oracle.challengeRow(
                epoch,
                address(0),
                prove(address(0), rows, n - 1),
                _slice(all, from, step),
                from == 0 ? _slice(foes, 0, 3) : from == step ? _slice(foes, 3, 1) : _none()
            );
        }
        assertVoid();
    }

    function test_ChallengeRow_WithWrongNeighbors_Reverts() external {
        newModel(4);
        trust(0, 1, 5);
        trust(0, 3, 5);
        trust(1, 3, 5);
        trust(3, 2, 5);
        close();
        Row[] memory rows = honest;
        propose(rows);
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, 3);
        IReputationOracle.ProvenRow[] memory neighbors = new IReputationOracle.ProvenRow[](2);
        (neighbors[0], neighbors[1]) = (prove(address(0), rows, 1), prove(address(0), rows, 0));
        vm.expectRevert(
            abi.encodeWithSelector(
                IReputationOracle.ReputationOracleWrongNeighbor.selector, accountAt(1), accountAt(0)
            )
        );
        oracle.challengeRow(epoch, address(0), proven, neighbors, _none());
        neighbors = new IReputationOracle.ProvenRow[](3);
        for (uint256 i = 0; i < 3; ++i) {
            neighbors[i] = prove(address(0), rows, i);
        }
        vm.expectRevert(IReputationOracle.ReputationOracleTooManyNeighbors.selector);
        oracle.challengeRow(epoch, address(0), proven, neighbors, _none());
        proven.row.visits += 100;
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleInvalidProof.selector, epoch, 3));
        oracle.challengeRow(epoch, address(0), proven, _none(), _none());
    }

    // ------------------------------------------------------------------ private

    function _none() private pure returns (IReputationOracle.ProvenRow[] memory) {
        return new IReputationOracle.ProvenRow[](0);
    }

    function _slice(IReputationOracle.ProvenRow[] memory rows, uint256 from, uint256 count)
        private
        pure
        returns (IReputationOracle.ProvenRow[] memory part)
    {
        part = new IReputationOracle.ProvenRow[](from + count > rows.length ? rows.length - from : count);
        for (uint256 i = 0; i < part.length; ++i) {
            part[i] = rows[from + i];
        }
    }
}
