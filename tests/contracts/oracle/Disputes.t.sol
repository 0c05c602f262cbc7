// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFeedbackGraph} from "../../../contracts/interfaces/IFeedbackGraph.sol";
import {IReputationOracle} from "../../../contracts/interfaces/IReputationOracle.sol";
import {Row} from "../../../contracts/libraries/MeritRow.sol";
import {IConstants} from "../Interfaces.sol";
import {MerkleTree} from "./MerkleTree.sol";
import {OracleTest} from "./OracleTest.sol";

/// demandRow, challengeDiagonal
/// ├── after the window, twice, past the last row, of an account without a row, or in a tree not given yet: it reverts
/// └── otherwise: it takes a bond that rises with the questions open, and the proposal cannot be final before the answer
/// answerRow, answerDiagonal
/// ├── too late, with a row that is not in the tree, or with visits that are not the diagonal: it reverts
/// └── otherwise: there is a whole window to challenge what was answered
/// expireDispute
/// ├── before the deadline has passed: it reverts
/// └── otherwise: it voids the proposal for the one who asked
/// settleDispute
/// ├── before the proposal is settled, or twice: it reverts
/// ├── of a voided proposal: it gives the bond back
/// └── of a final one: half to the proposer, half burned
contract DisputesTest is OracleTest {
    uint256 private constant DIAGONAL = type(uint256).max;
    uint256 private constant PRICE = BOND / 64;

    function setUp() public override {
        super.setUp();
        newModel(4);
        trust(0, 1, 1e18);
        trust(1, 2, 3e18);
        trust(2, 0, 1e18);
        trust(1, 3, 1e18);
        trust(3, 1, 1e18);
        close();
    }

    // ------------------------------------------------------------------ rows that were not published

    function test_DemandRow_Answered_LeavesAWindowToChallengeIt() external {
        Row[] memory rows = honest;
        rows[2].score += 1;
        propose(rows);
        bytes32 id = _demand(address(0), 2);
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, 2);
        vm.warp(vm.getBlockTimestamp() + WINDOW); // The last second.
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleDisputesOpen.selector, 1));
        oracle.finalize(epoch);
        vm.expectEmit(address(oracle));
        emit IReputationOracle.RowAnswered(epoch, address(0), rows[2]);
        oracle.answerRow(epoch, address(0), proven);
        vm.warp(vm.getBlockTimestamp() + WINDOW - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IReputationOracle.ReputationOracleWindowOpen.selector, vm.getBlockTimestamp() + 1
            )
        );
        oracle.finalize(epoch);
        challengeRow(rows, 2);
        assertVoid();
        oracle.settleDispute(id);
        vm.assertEq(oracle.creditOf(challenger), BOND / 2 + PRICE, "bounty, and the bond back");
    }

    /// A proposer that vanishes loses its bond.
    function test_Threat20_DemandRow_Unanswered_Voids() external {
        propose(honest);
        bytes32 id = _demand(address(0), 3);
        uint256 deadline = vm.getBlockTimestamp() + WINDOW;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleStillAnswerable.selector, deadline));
        oracle.expireDispute(id);
        vm.warp(deadline + 1);
        IReputationOracle.ProvenRow memory proven = prove(address(0), honest, 3);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleTooLate.selector, deadline));
        oracle.answerRow(epoch, address(0), proven);
        oracle.expireDispute(id);
        assertVoid();
        oracle.settleDispute(id);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleNotDisputed.selector, id));
        oracle.settleDispute(id);
        vm.assertEq(oracle.creditOf(challenger), BOND / 2 + PRICE, "bounty, and the bond back");
    }

    function test_DemandRow_OfNoRow_Reverts() external {
        propose(honest);
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleInvalidProof.selector, epoch, 4));
        oracle.demandRow(epoch, address(0), 4);
        bytes32 none = oracle.disputeId(epoch, 0, accountAt(1), DIAGONAL);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleNotDisputed.selector, none));
        oracle.demandRow(epoch, accountAt(1), 0);
        oracle.demandRow(epoch, address(0), 1);
        bytes32 id = oracle.disputeId(epoch, 0, address(0), 1);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleAlreadyDisputed.selector, id));
        oracle.demandRow(epoch, address(0), 1);
    }

    function test_DemandRow_AfterTheWindow_Reverts() external {
        propose(honest);
        uint256 until = vm.getBlockTimestamp() + WINDOW;
        vm.warp(until);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleTooLate.selector, until));
        oracle.demandRow(epoch, address(0), 0);
    }

    /// Asking much at once costs the square of it, and answers do not put off the end for ever.
    function test_Threat17_SpamOfQuestions_CostsMoreAndMoreAndEnds() external {
        Row[] memory rows = honest;
        propose(rows);
        uint256 end = vm.getBlockTimestamp() + WINDOW * (1 + IConstants(address(oracle)).MAX_EXTENSIONS());
        uint256 before = token.balanceOf(challenger);
        _demand(address(0), 0);
        _demand(address(0), 1);
        vm.assertEq(before - token.balanceOf(challenger), 3 * PRICE, "one and two");
        oracle.answerRow(epoch, address(0), prove(address(0), rows, 0));
        oracle.answerRow(epoch, address(0), prove(address(0), rows, 1));
        // With one row's question left at a time, the end is put off until the extensions are used up.
        vm.warp(end - 1);
        vm.expectRevert();
        vm.prank(challenger);
        oracle.demandRow(epoch, address(0), 2);
        oracle.finalize(epoch);
    }

    /// Questions and answers that go on to the last extension: no question is taken after it.
    function test_Threat17_ExtensionsEnd() external {
        uint256 start = vm.getBlockTimestamp();
        Row[] memory rows = honest;
        propose(rows);
        for (uint256 i = 0; i < 4; ++i) {
            vm.warp(start + (i + 1) * (WINDOW - 1));
            _demand(address(0), i);
            oracle.answerRow(epoch, address(0), prove(address(0), rows, i));
        }
        vm.warp(start + 5 * (WINDOW - 1));
        _diagonal(1);
        uint64[] memory visits = slow.visitsFrom(model, 1);
        Row[] memory vector = _vector(visits);
        _answerDiagonal(rows, vector, 1);
        vm.warp(start + 5 * WINDOW);
        vm.prank(challenger);
        vm.expectRevert(
            abi.encodeWithSelector(IReputationOracle.ReputationOracleTooLate.selector, start + 5 * WINDOW)
        );
        oracle.demandRow(epoch, accountAt(1), 0);
    }

    /// Whoever voids its own proposal loses at least half of its bond.
    function test_Threat17_ChallengeOfOneself_Loses() external {
        Row[] memory rows = honest;
        rows[1].score += 1;
        challenger = proposer;
        uint256 before = token.balanceOf(proposer);
        propose(rows);
        challengeRow(rows, 1);
        vm.prank(proposer);
        oracle.withdraw();
        vm.assertEq(before - token.balanceOf(proposer), BOND - BOND / 2, "lost");
        vm.assertEq(oracle.burn(), BOND - BOND / 2, "burned");
        vm.assertEq(token.balanceOf(IConstants(address(oracle)).BURN_ADDRESS()), BOND - BOND / 2, "at the burn address");
    }

    /// A false challenge costs its bond.
    function test_Threat17_FalseQuestion_CostsItsBond() external {
        Row[] memory rows = honest;
        propose(rows);
        bytes32 id = _demand(address(0), 1);
        oracle.answerRow(epoch, address(0), prove(address(0), rows, 1));
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleProposalLive.selector, epoch));
        oracle.settleDispute(id);
        finalize();
        oracle.settleDispute(id);
        vm.assertEq(oracle.creditOf(challenger), 0, "challenger");
        vm.assertEq(oracle.creditOf(proposer), BOND + PRICE / 2, "proposer");
        vm.assertEq(oracle.creditOf(IConstants(address(oracle)).BURN_ADDRESS()), PRICE - PRICE / 2, "burned");
    }

    /// After a proposal was voided there is room for an honest one, with questions of its own.
    function test_Propose_AfterAVoid_StartsAfresh() external {
        Row[] memory rows = honest;
        propose(rows);
        bytes32 id = _demand(address(0), 1);
        rows[1].score += 1;
        skip(1, WINDOW + 1);
        oracle.expireDispute(id);
        propose(honest);
        assertLive();
        vm.assertEq(oracle.proposalOf(epoch).attempt, 1, "attempt");
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleNotLive.selector, epoch));
        oracle.expireDispute(id);
        bytes32 second = _demand(address(0), 1);
        vm.assertTrue(second != id, "another question");
        oracle.settleDispute(id);
        vm.assertEq(oracle.creditOf(challenger), BOND / 2 + PRICE, "bounty, and the bond back");
        oracle.answerRow(epoch, address(0), prove(address(0), honest, 1));
        finalize();
    }

    // ------------------------------------------------------------------ diagonals

    function test_ChallengeDiagonal_HonestAnswer_SurvivesEveryChallenge() external {
        Row[] memory rows = honest;
        propose(rows);
        for (uint256 i = 0; i < 4; ++i) {
            _diagonal(i);
            Row[] memory vector = _vector(slow.visitsFrom(model, i));
            _answerDiagonal(rows, vector, i);
            for (uint256 j = 0; j < 4; ++j) {
                vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
                this.challengeVisits(accountAt(i), vector, j);
            }
        }
        finalize();
    }

    /// A diagonal that is off, with the score that follows from it: no row of the scores shows it, but no tree of visits
    /// answers for it.
    function testFuzz_Threat20_WrongDiagonal_IsVoided(uint256 delta, bool up) external {
        Row[] memory rows = honest;
        Row memory row = rows[1];
        delta = bound(delta, 2, row.diagonal - (1 << 24));
        row.diagonal = uint64(up ? row.diagonal + delta : row.diagonal - delta);
        uint256 kept = row.bridge == row.account ? ONE : ONE - model.bridgeDecay;
        row.score = uint64(uint256(row.visits) * (1 << 24) * 1e18 * kept / (uint256(row.diagonal) * ONE * ONE));
        propose(rows);
        vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
        this.challengeScore(rows, 1);

        bytes32 id = _diagonal(1);
        Row[] memory vector = _vector(slow.visitsFrom(model, 1));
        bytes32 root = MerkleTree.root(leavesOf(accountAt(1), vector));
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, 1);
        IReputationOracle.ProvenRow memory entry = prove(accountAt(1), vector, 1);
        vm.prank(proposer);
        vm.expectRevert(IReputationOracle.ReputationOracleWrongAnswer.selector);
        oracle.answerDiagonal(epoch, root, "rows", proven, entry);

        uint256 state = vm.snapshotState();
        // Either it answers with visits that lie,
        vector[1].visits = uint64(uint256(row.diagonal) << 20);
        _answerDiagonal(rows, vector, 1);
        this.challengeVisits(accountAt(1), vector, 1);
        assertVoid();
        // or it does not answer.
        vm.revertToState(state);
        skip(1, WINDOW + 1);
        oracle.expireDispute(id);
        assertVoid();
    }

    function test_AnswerDiagonal_ByAnother_OrWithAnothersRow_Reverts() external {
        Row[] memory rows = honest;
        propose(rows);
        _diagonal(1);
        Row[] memory vector = _vector(slow.visitsFrom(model, 1));
        bytes32 root = MerkleTree.root(leavesOf(accountAt(1), vector));
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, 1);
        IReputationOracle.ProvenRow memory entry = prove(accountAt(1), vector, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IReputationOracle.ReputationOracleNotProposer.selector, address(this))
        );
        oracle.answerDiagonal(epoch, root, "rows", proven, entry);
        entry = prove(accountAt(1), vector, 2);
        vm.prank(proposer);
        vm.expectRevert(IReputationOracle.ReputationOracleWrongAnswer.selector);
        oracle.answerDiagonal(epoch, root, "rows", proven, entry);
    }

    function test_ChallengeDiagonal_OfAnAccountWithoutARow_Reverts() external {
        propose(honest);
        graph.recordTrust(accountAt(8), accountAt(0), 1); // After the boundary.
        vm.prank(challenger);
        vm.expectRevert(IReputationOracle.ReputationOracleNoFault.selector);
        oracle.challengeDiagonal(epoch, accountAt(8));
    }

    // ------------------------------------------------------------------ private

    /// @dev External calls, so that what they revert with can be expected.
    function challengeScore(Row[] calldata rows, uint256 position) external {
        challengeRow(rows, position);
    }

    function challengeVisits(address subject, Row[] calldata vector, uint256 position) external {
        IReputationOracle.ProvenRow[] memory trusting =
            neighborsOf(IFeedbackGraph.Feedback.TRUST, subject, vector, accountAt(position));
        vm.prank(challenger);
        oracle.challengeRow(
            epoch, subject, prove(subject, vector, position), trusting, new IReputationOracle.ProvenRow[](0)
        );
    }

    function _demand(address subject, uint256 index) private returns (bytes32) {
        vm.prank(challenger);
        oracle.demandRow(epoch, subject, index);
        return oracle.disputeId(epoch, oracle.proposalOf(epoch).attempt, subject, index);
    }

    function _diagonal(uint256 i) private returns (bytes32) {
        vm.prank(challenger);
        oracle.challengeDiagonal(epoch, accountAt(i));
        return oracle.disputeId(epoch, 0, accountAt(i), DIAGONAL);
    }

    function _answerDiagonal(Row[] memory rows, Row[] memory vector, uint256 i) private {
        bytes32 root = MerkleTree.root(leavesOf(accountAt(i), vector));
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, i);
        IReputationOracle.ProvenRow memory entry = prove(accountAt(i), vector, i);
        vm.prank(proposer);
        oracle.answerDiagonal(epoch, root, "rows", proven, entry);
    }

    function _vector(uint64[] memory visits) private pure returns (Row[] memory vector) {
        vector = new Row[](visits.length);
        for (uint256 i = 0; i < visits.length; ++i) {
            (vector[i].index, vector[i].account, vector[i].visits) = (uint32(i), accountAt(i), visits[i]);
        }
    }
}
