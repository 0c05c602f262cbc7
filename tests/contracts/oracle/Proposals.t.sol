// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IFeedbackGraph} from "../../../contracts/interfaces/IFeedbackGraph.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {IReputationOracle} from "../../../contracts/interfaces/IReputationOracle.sol";
import {Row} from "../../../contracts/libraries/MeritRow.sol";
import {TokenIntake} from "../../../contracts/libraries/TokenIntake.sol";
import {FeeToken, HookToken, ITokenListener} from "../mocks/Tokens.sol";
import {OracleTest} from "./OracleTest.sol";

/// @notice A proposer that withdraws again whenever its tokens move.
contract ReentrantProposer is ITokenListener {
    IReputationOracle public oracle;
    bytes public answer;

    function propose(IReputationOracle oracle_, HookToken token, uint256 epoch) external {
        oracle = oracle_;
        token.approve(address(oracle_), type(uint256).max);
        oracle_.propose(epoch, "root", 2, oracle_.paramsHash(), "rows");
        token.listen();
    }

    function withdraw() external {
        oracle.withdraw();
    }

    function tokensMoved() external {
        (, answer) = address(oracle).call(abi.encodeCall(IReputationOracle.withdraw, ()));
    }
}

/// propose
/// ├── for another epoch than the one closed last, too late, with other parameters or another number of rows: it reverts
/// ├── while another proposal is live, or after one is final: it reverts
/// └── otherwise: it takes the bond, and the graph's next epoch does not close
/// finalize
/// ├── one second too early, or twice: it reverts
/// └── otherwise: it gives the bond back, and rows can be verified and checked in
/// setParameters
/// ├── by a stranger, while a proposal is live, or with parameters that make no sense: it reverts
/// └── otherwise: it forgets the old seeds
contract ProposalsTest is OracleTest {
    function setUp() public override {
        super.setUp();
        newModel(5);
        trust(0, 1, 1e18);
        trust(0, 2, 1e18);
        trust(1, 2, 1e18);
        trust(2, 3, 1e18);
        distrust(1, 4, 1e18);
        close();
    }

    // ------------------------------------------------------------------ propose

    function test_Propose_ForAnotherEpoch_Reverts() external {
        _expectRefusal(0, 5, abi.encodeWithSelector(IReputationOracle.ReputationOracleWrongEpoch.selector, 0, 1));
        _expectRefusal(2, 5, abi.encodeWithSelector(IReputationOracle.ReputationOracleWrongEpoch.selector, 2, 1));
    }

    function test_Propose_WithAnotherNumberOfRows_Reverts() external {
        graph.recordTrust(accountAt(7), accountAt(0), 1); // After the boundary.
        _expectRefusal(1, 6, abi.encodeWithSelector(IReputationOracle.ReputationOracleWrongRowCount.selector, 6, 5));
    }

    function test_Propose_WithOtherParameters_Reverts() external {
        bytes32 current = oracle.paramsHash();
        vm.expectRevert(
            abi.encodeWithSelector(IReputationOracle.ReputationOracleWrongParameters.selector, bytes32("other"), current)
        );
        oracle.propose(1, "root", 5, "other", "rows");
    }

    function test_Propose_UpToTheLastSecond() external {
        uint256 until = vm.getBlockTimestamp() + PROPOSAL_WINDOW;
        vm.warp(until + 1);
        _expectRefusal(1, 5, abi.encodeWithSelector(IReputationOracle.ReputationOracleTooLate.selector, until));
        vm.assertTrue(oracle.isSettled(1), "given up");
        vm.warp(until);
        vm.assertTrue(!oracle.isSettled(1), "not given up yet");
        propose(honest);
        assertLive();
    }

    function test_Propose_WhileAnotherIsLiveOrFinal_Reverts() external {
        propose(honest);
        bytes memory reason = abi.encodeWithSelector(IReputationOracle.ReputationOracleAlreadyProposed.selector, 1);
        _expectRefusal(1, 5, reason);
        finalize();
        _expectRefusal(1, 5, reason);
    }

    function test_Propose_TakesTheBondAndHoldsTheEpoch() external {
        uint256 before = token.balanceOf(proposer);
        propose(honest);
        vm.assertEq(before - token.balanceOf(proposer), BOND, "bond");
        vm.warp(vm.getBlockTimestamp() + EPOCH);
        vm.expectRevert(abi.encodeWithSelector(IFeedbackGraph.FeedbackGraphEpochUnsettled.selector, 1));
        graph.closeEpoch();
        oracle.finalize(1);
        vm.assertEq(graph.closeEpoch(), 2, "closed");
        vm.assertTrue(oracle.isSettled(0) && oracle.isSettled(1) && !oracle.isSettled(2), "settled");
    }

    function test_Threat13_BondInATokenThatTakesAFee_IsRefused() external {
        FeeToken fee = new FeeToken();
        oracle = newOracle(fee);
        fee.mint(address(this), BOND);
        fee.approve(address(oracle), BOND);
        bytes32 paramsHash = oracle.paramsHash();
        vm.expectRevert(
            abi.encodeWithSelector(
                TokenIntake.TokenIntakeUnsupportedToken.selector, address(fee), BOND, BOND - BOND / 100
            )
        );
        oracle.propose(1, "root", 5, paramsHash, "rows");
    }

    // ------------------------------------------------------------------ finalize and check in

    function test_Finalize_OneSecondTooEarly_Reverts() external {
        propose(honest);
        uint256 until = vm.getBlockTimestamp() + WINDOW;
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleWindowOpen.selector, until));
        oracle.finalize(1);
        vm.warp(until);
        oracle.finalize(1);
        vm.assertEq(oracle.latestFinalEpoch(), 1, "latest");
    }

    function test_Threat10_Finalize_Twice_Reverts() external {
        propose(honest);
        finalize();
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleNotLive.selector, 1));
        oracle.finalize(1);
        vm.startPrank(proposer);
        vm.assertEq(oracle.withdraw(), BOND, "withdrawn");
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleNothingToWithdraw.selector, proposer));
        oracle.withdraw();
    }

    function test_Finalize_RewardsTheProposerWithTheFees() external {
        uint256 fees = _collectedFees();
        propose(honest);
        finalize();
        vm.assertEq(oracle.creditOf(proposer), BOND + fees, "bond and reward");
        vm.prank(proposer);
        vm.assertEq(oracle.withdraw(), BOND + fees, "withdrawn");
        vm.assertEq(token.balanceOf(address(oracle)), 0, "nothing left");
    }

    function test_Finalize_AVoidedProposalHasNoReward() external {
        uint256 fees = _collectedFees();
        Row[] memory wrong = honest;
        wrong[1].score += 1e15;
        propose(wrong);
        challengeRow(wrong, 1);
        assertVoid();
        propose(honest);
        finalize();
        vm.assertEq(oracle.creditOf(proposer), BOND + fees, "kept for the honest one");
    }

    /// Scores must not wait for a token that refuses to pay.
    function test_Finalize_WhenTheEscrowCannotPay() external {
        _collectedFees();
        propose(honest);
        vm.mockCallRevert(address(escrow), abi.encodeCall(IJobEscrow.withdraw, ()), "no");
        finalize();
        vm.assertEq(oracle.creditOf(proposer), BOND, "bond alone");
    }

    function _collectedFees() private returns (uint256) {
        IJobEscrow.Terms memory terms;
        (terms.price, terms.auditFee, terms.slashPerUnit) = (1e18, 5e18, 20e18);
        (terms.auditRateFloor, terms.auditRateCeiling) = (10_000, 10_000);
        (terms.committeeSize, terms.samples, terms.words, terms.hard) = (3, 1, 1, 1);
        (terms.expiry, terms.specification) = (type(uint48).max, "specification");
        token.approve(address(escrow), type(uint256).max);
        uint256 jobId = escrow.open(terms, 100e18);
        escrow.reserve(jobId, 1);
        address[] memory verifiers = new address[](1);
        verifiers[0] = challenger;
        escrow.payFees(jobId, verifiers, 5e18);
        return escrow.creditOf(address(oracle));
    }

    function test_Threat12_WithdrawCannotBeEnteredAgain() external {
        HookToken hook = new HookToken();
        ReentrantProposer reentrant = new ReentrantProposer();
        oracle = newOracle(hook);
        vm.mockCall(address(graph), abi.encodeCall(IFeedbackGraph.boundary, ()), abi.encode(1, vm.getBlockTimestamp(), 2));
        hook.mint(address(reentrant), BOND);
        reentrant.propose(oracle, hook, 1);
        finalize();
        reentrant.withdraw();
        vm.assertEq(
            reentrant.answer(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "refused by the guard"
        );
        vm.assertEq(hook.balanceOf(address(reentrant)), BOND, "paid once");
    }

    function test_CheckIn_WritesTheScoreOfAFinalRow() external {
        Row[] memory rows = honest;
        propose(rows);
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, 2);
        vm.assertTrue(!oracle.verifyScore(1, proven.row, proven.proof), "not final yet");
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleInvalidProof.selector, 1, 2));
        oracle.checkIn(1, proven.row, proven.proof);
        finalize();
        vm.assertTrue(oracle.verifyScore(1, proven.row, proven.proof), "verified");
        vm.expectEmit(address(oracle));
        emit IReputationOracle.CheckedIn(accountAt(2), 1, rows[2].score);
        oracle.checkIn(1, proven.row, proven.proof);
        vm.assertEq(oracle.reputationOf(accountAt(2)), rows[2].score, "score");
        proven.row.score += 1;
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleInvalidProof.selector, 1, 2));
        oracle.checkIn(1, proven.row, proven.proof);
    }

    function test_CheckIn_OfAnOlderEpoch_Reverts() external {
        Row[] memory rows = honest;
        propose(rows);
        IReputationOracle.ProvenRow memory old = prove(address(0), rows, 2);
        finalize();
        trust(3, 2, 1e18);
        close();
        rows = honest;
        propose(rows);
        IReputationOracle.ProvenRow memory proven = prove(address(0), rows, 2);
        finalize();
        oracle.checkIn(1, old.row, old.proof);
        oracle.checkIn(2, proven.row, proven.proof);
        vm.expectRevert(
            abi.encodeWithSelector(IReputationOracle.ReputationOracleStaleScore.selector, accountAt(2), 2)
        );
        oracle.checkIn(1, old.row, old.proof);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleInvalidProof.selector, 2, 2));
        oracle.checkIn(2, old.row, old.proof); // A row of one epoch is none of another.
    }

    /// Proofs of every other length, an inner node in place of a row, and rows past the end are refused.
    function test_Threat11_ProofOfAnotherShape_IsRefused() external {
        Row[] memory rows = honest;
        propose(rows);
        finalize();
        for (uint256 i = 0; i < rows.length; ++i) {
            IReputationOracle.ProvenRow memory proven = prove(address(0), honest, i);
            vm.assertTrue(oracle.verifyScore(1, proven.row, proven.proof), "the proof itself");
            bytes32[] memory longer = new bytes32[](proven.proof.length + 1);
            for (uint256 j = 0; j < proven.proof.length; ++j) {
                longer[j] = proven.proof[j];
            }
            vm.assertTrue(!oracle.verifyScore(1, proven.row, longer), "longer");
            vm.assertTrue(!oracle.verifyScore(1, proven.row, new bytes32[](0)), "empty");
            proven.row.index += 8;
            vm.assertTrue(!oracle.verifyScore(1, proven.row, proven.proof), "past the end");
        }
    }

    // ------------------------------------------------------------------ governance

    function testFuzz_Threat19_SetParameters_RefusesStrangers(address stranger) external {
        vm.assume(stranger != address(this));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        oracle.setParameters(parameters(ONE));
    }

    function test_SetParameters_WhileAProposalIsLive_Reverts() external {
        propose(honest);
        vm.expectRevert(abi.encodeWithSelector(IReputationOracle.ReputationOracleProposalLive.selector, 1));
        oracle.setParameters(parameters(ONE / 2));
        finalize();
        oracle.setParameters(parameters(ONE / 2));
    }

    function test_SetParameters_ForgetsTheOldSeeds() external {
        oracle.setParameters(parameters(ONE / 4));
        vm.assertEq(oracle.seedWeightOf(accountAt(0)), ONE / 4, "first");
        vm.assertEq(oracle.seedWeightOf(accountAt(1)), ONE - ONE / 4, "second");
        IReputationOracle.Parameters memory other = parameters(ONE);
        other.seeds[0] = accountAt(3);
        vm.expectEmit(address(oracle));
        emit IReputationOracle.ParametersSet(keccak256(abi.encode(other)), other);
        oracle.setParameters(other);
        vm.assertEq(oracle.seedWeightOf(accountAt(0)), 0, "first, forgotten");
        vm.assertEq(oracle.seedWeightOf(accountAt(1)), 0, "second, forgotten");
        vm.assertEq(oracle.seedWeightOf(accountAt(3)), ONE, "new");
        vm.assertEq(oracle.paramsHash(), keccak256(abi.encode(other)), "hash");
    }

    function test_SetParameters_ThatMakeNoSense_Reverts() external {
        for (uint256 i = 0; i < 8; ++i) {
            IReputationOracle.Parameters memory wrong = parameters(ONE / 2);
            if (i == 0) wrong.stop = 0;
            if (i == 1) wrong.stop = uint64(ONE);
            if (i == 2) wrong.bridgeDecay = uint64(ONE + 1);
            if (i == 3) wrong.seedWeights[0] -= 1;
            if (i == 4) (wrong.seeds[0], wrong.seeds[1]) = (wrong.seeds[1], wrong.seeds[0]);
            if (i == 5) wrong.seedWeights = new uint64[](1);
            if (i == 6) (wrong.seedWeights[0], wrong.seedWeights[1]) = (0, uint64(ONE));
            if (i == 7) (wrong.seeds, wrong.seedWeights) = (new address[](65), new uint64[](65));
            vm.expectRevert(IReputationOracle.ReputationOracleInvalidParameters.selector);
            oracle.setParameters(wrong);
        }
    }

    function test_Constructor_RefusesSettingsThatMakeNoSense() external {
        for (uint256 i = 0; i < 5; ++i) {
            IReputationOracle.Settings memory wrong = settings();
            if (i == 0) wrong.bond = 63;
            if (i == 1) wrong.challengeWindow = 0;
            if (i == 2) wrong.proposalWindow = 0;
            vm.expectRevert(IReputationOracle.ReputationOracleInvalidSettings.selector);
            newOracle(i == 3 ? IFeedbackGraph(proposer) : graph, i == 4 ? IERC20(proposer) : token, wrong);
        }
    }

    function _expectRefusal(uint256 epoch_, uint256 rowCount, bytes memory reason) private {
        bytes32 paramsHash = oracle.paramsHash();
        vm.prank(proposer);
        vm.expectRevert(reason);
        oracle.propose(epoch_, "root", rowCount, paramsHash, "rows");
    }
}
