// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {IJobEscrow} from "../../../contracts/interfaces/IJobEscrow.sol";
import {TokenIntake} from "../../../contracts/libraries/TokenIntake.sol";
import {BlocklistToken, FeeToken, HookToken, ITokenListener, PlainToken} from "../mocks/Tokens.sol";
import {CourtTest} from "./CourtTest.sol";

/// @notice A contributor or requester that is a contract: signs by ERC-1271, and calls back whenever its tokens move.
contract Account is IERC1271, ITokenListener {
    bytes32 public approved;
    address public target;
    bytes public call;
    bool public entered;
    bytes public answer;
    uint256 public moves;

    function approve(bytes32 hash) external {
        approved = hash;
    }

    function isValidSignature(bytes32 hash, bytes calldata) external view returns (bytes4) {
        return hash == approved ? IERC1271.isValidSignature.selector : bytes4(0);
    }

    function execute(address to, bytes calldata data) external returns (bytes memory returned) {
        bool success;
        (success, returned) = to.call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(returned, 32), mload(returned))
            }
        }
    }

    function listen(HookToken token, address target_, bytes calldata call_) external {
        (target, call) = (target_, call_);
        token.listen();
    }

    function tokensMoved() external {
        ++moves;
        (entered, answer) = target.call(call);
    }
}

/// Tokens and accounts that misbehave, and callers without a role
/// ├── takes a fee: open, topUp and the bond are refused
/// ├── blocks an account: it cannot withdraw; its batch settles, and everybody else is paid
/// ├── calls back: no entry point that moves tokens can be entered again
/// ├── signs by ERC-1271, or answers nonsense
/// └── governance: refused to strangers; a pause stops records, and nothing that is under way
contract CourtHostileTest is CourtTest {
    function test_Threat13_TokenThatTakesAFee_IsRefused() external {
        FeeToken fee = new FeeToken();
        _restart(fee);
        fee.mint(requester, 100e18);
        vm.startPrank(requester);
        fee.approve(address(escrow), 100e18);
        IJobEscrow.Terms memory terms_ = terms();
        vm.expectRevert(
            abi.encodeWithSelector(
                TokenIntake.TokenIntakeUnsupportedToken.selector, address(fee), 100e18, 99e18
            )
        );
        escrow.open(terms_, 100e18);
        vm.stopPrank();
    }

    function test_Threat13_Threat16_BlockedAccount_BlocksNobodyElse() external {
        BlocklistToken blocking = new BlocklistToken();
        _restart(blocking);
        _populate(blocking);
        (IAuditCourt.Batch memory batch,) = recordNext();
        Round memory round = runHonestRound(batch);
        blocking.setBlocked(contributor, true);
        settle(batch);
        vm.prank(contributor);
        vm.expectRevert(abi.encodeWithSelector(BlocklistToken.Blocked.selector, contributor));
        escrow.withdraw();
        vm.prank(round.committee[0]);
        escrow.withdraw();
        vm.assertEq(blocking.balanceOf(round.committee[0]), SHARED_FEE / 5, "paid");
        blocking.setBlocked(contributor, false);
        vm.prank(contributor);
        vm.assertEq(escrow.withdraw(), 10 * uint256(PRICE), "kept");
    }

    function test_Threat12_Escrow_CannotBeEnteredAgain() external {
        HookToken hooks = new HookToken();
        _restart(hooks);
        Account account = new Account();
        hooks.mint(address(account), 1_000e18);
        account.execute(address(hooks), abi.encodeCall(IERC20.approve, (address(escrow), type(uint256).max)));
        bytes[4] memory outer = [
            abi.encodeCall(IJobEscrow.open, (terms(), 10e18)),
            abi.encodeCall(IJobEscrow.openWithPermit, (terms(), 10e18, 0, 0, 0, 0)),
            abi.encodeCall(IJobEscrow.topUp, (1, 10e18)),
            abi.encodeCall(IJobEscrow.withdraw, ())
        ];
        bytes[7] memory inner = [
            abi.encodeCall(IJobEscrow.open, (terms(), 1e18)),
            abi.encodeCall(IJobEscrow.openWithPermit, (terms(), 1e18, 0, 0, 0, 0)),
            abi.encodeCall(IJobEscrow.topUp, (1, 1e18)),
            abi.encodeCall(IJobEscrow.close, (1)),
            abi.encodeCall(IJobEscrow.withdraw, ()),
            abi.encodeCall(IJobEscrow.claim, ("batch", address(account), 1, new bytes32[](0))),
            abi.encodeCall(IJobEscrow.returnPot, ("batch"))
        ];
        account.execute(address(escrow), outer[0]);
        for (uint256 i = 0; i < outer.length; ++i) {
            for (uint256 j = 0; j < inner.length; ++j) {
                uint256 state = vm.snapshotState();
                // Something to withdraw: the free money of a job that is closed.
                account.execute(address(escrow), abi.encodeCall(IJobEscrow.open, (terms(), 5e18)));
                account.execute(address(escrow), abi.encodeCall(IJobEscrow.close, (2)));
                account.listen(hooks, address(escrow), inner[j]);
                account.execute(address(escrow), outer[i]);
                vm.assertEq(account.moves(), 1, "called back");
                vm.assertTrue(!account.entered(), "entered again");
                vm.assertEq(
                    account.answer(),
                    abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
                    "by the guard"
                );
                vm.revertToState(state);
            }
        }
    }

    /// The appeal is the one call of the court that moves tokens.
    function test_Threat12_Court_CannotBeEnteredAgain() external {
        HookToken hooks = new HookToken();
        _restart(hooks);
        _populate(hooks);
        Account account = new Account();
        hooks.mint(address(account), 1_000e18);
        account.execute(address(hooks), abi.encodeCall(IERC20.approve, (address(escrow), type(uint256).max)));
        job = abi.decode(
            account.execute(address(escrow), abi.encodeCall(IJobEscrow.open, (terms(), 200e18))), (uint256)
        );
        (IAuditCourt.Batch memory batch,) = recordNext();
        runHonestRound(batch);
        bytes[5] memory inner = [
            abi.encodeCall(IAuditCourt.appeal, (batch)),
            abi.encodeCall(IAuditCourt.draw, (batch)),
            abi.encodeCall(IAuditCourt.settle, (batch)),
            abi.encodeCall(IAuditCourt.record, (new IAuditCourt.Batch[](0), new bytes[](0))),
            abi.encodeCall(IAuditCourt.endorse, ("batch", address(account)))
        ];
        for (uint256 i = 0; i < inner.length; ++i) {
            uint256 state = vm.snapshotState();
            account.listen(hooks, address(court), inner[i]);
            account.execute(address(court), abi.encodeCall(IAuditCourt.appeal, (batch)));
            vm.assertEq(account.moves(), 1, "called back");
            vm.assertEq(
                account.answer(),
                abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
                "by the guard"
            );
            vm.revertToState(state);
        }
    }

    function test_Threat14_ContractAccount_SignsByERC1271() external {
        Account account = new Account();
        require(token.transfer(address(account), 100e18), "transfer");
        account.execute(address(token), abi.encodeCall(IERC20.approve, (address(vault), 100e18)));
        account.execute(address(vault), abi.encodeWithSignature("deposit(uint256)", 100e18));
        contributor = address(account);
        IAuditCourt.Batch[] memory batches = new IAuditCourt.Batch[](1);
        batches[0] = nextBatch();
        bytes32 batchId = court.hashBatch(batches[0]);
        vm.expectRevert(
            abi.encodeWithSelector(IAuditCourt.AuditCourtInvalidSignature.selector, batchId, contributor)
        );
        court.record(batches, new bytes[](1));
        account.approve(batchId);
        court.record(batches, new bytes[](1));
        assertPhase(batchId, IAuditCourt.Phase.RECORDED);
    }

    /// A signature that recovers to nobody must not pass for the zero address's.
    function test_Threat14_ZeroAddress_SignsNothing() external {
        contributor = address(0);
        IAuditCourt.Batch[] memory batches = new IAuditCourt.Batch[](1);
        batches[0] = nextBatch();
        bytes32 batchId = court.hashBatch(batches[0]);
        vm.expectRevert(
            abi.encodeWithSelector(IAuditCourt.AuditCourtInvalidSignature.selector, batchId, address(0))
        );
        court.record(batches, new bytes[](1));
    }

    function test_Threat19_GovernanceCalls_RefuseStrangers() external {
        bytes[3] memory calls = [
            abi.encodeCall(IAuditCourt.setPenalties, (penalties())),
            abi.encodeCall(IAuditCourt.pause, ()),
            abi.encodeCall(IAuditCourt.unpause, ())
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(stranger);
            (bool success, bytes memory reason) = address(court).call(calls[i]);
            vm.assertTrue(!success, "refused");
            vm.assertEq(
                reason,
                abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger),
                "reason"
            );
        }
        IAuditCourt.Penalties memory amounts = penalties();
        amounts.absent = 5;
        amounts.outlier = 6;
        court.setPenalties(amounts);
        vm.assertEq(court.penalties().outlier, 6, "set");
    }

    function test_Pause_StopsRecordsAndNothingUnderWay() external {
        (IAuditCourt.Batch memory batch, bytes32 batchId) = recordNext();
        IAuditCourt.Batch memory next = nextBatch();
        IAuditCourt.Batch[] memory batches = new IAuditCourt.Batch[](1);
        bytes[] memory signatures = new bytes[](1);
        (batches[0], signatures[0]) = (next, signature(next));
        court.pause();
        vm.expectRevert(Pausable.EnforcedPause.selector);
        court.record(batches, signatures);
        runFraudRound(batch);
        fund(contributor, 1_000e18);
        vm.prank(contributor);
        court.appeal(batch);
        vm.roll(vm.getBlockNumber() + SEED_DELAY + 1);
        court.draw(batch); // Eight verifiers: enough for a larger committee than five.
        awaitPhase(batchId, IAuditCourt.Phase.TALLY);
        assertPhase(batchId, IAuditCourt.Phase.TALLY);
        court.unpause();
        court.record(batches, signatures);
    }

    function test_Threat15_LargestFinalize_StaysUnderTheLimit() external {
        addVerifiers(20);
        _finalizeLargest(16, 1);
        _finalizeLargest(12, 2);
        _finalizeLargest(6, 4);
    }

    /// 23 seats, which a first round without a quorum leads to. All reveal, and as many as can be are outliers.
    function _finalizeLargest(uint8 samples, uint8 words) private {
        IJobEscrow.Terms memory largest = terms();
        (largest.committeeSize, largest.samples, largest.words) = (21, samples, words);
        job = openJob(largest, 1_000e18);
        IAuditCourt.Batch memory batch = nextBatch();
        batch.count = 100;
        record(batch);
        uint256 all = uint256(samples) * words;
        Round memory first = draw(batch);
        Play[] memory plays = honest(first, all, samples);
        for (uint256 i = 0; i < plays.length; ++i) {
            plays[i].given.digests[0] = uint256(keccak256(abi.encode(i)));
        }
        runRound(batch, first, plays, new uint256[](all));

        Round memory second = draw(batch);
        vm.assertEq(second.committee.length, 23, "size");
        plays = honest(second, all, samples);
        for (uint256 i = 0; i < 7; ++i) {
            plays[i].given.digests[all - 1] = uint256(keccak256(abi.encode(i)));
        }
        uint256[] memory digests = new uint256[](all);
        play(batch, second, plays, digests);
        IAuditCourt.Reveal[] memory reveals = revealsOf(plays);
        uint256 gas = gasleft();
        court.finalize(batch, second.seed, second.committee, reveals, digests);
        // Its calldata, some 1,100 words, costs 500,000 more.
        vm.assertLt(gas - gasleft(), 4_500_000, "finalize");
    }

    // ------------------------------------------------------------------ helpers

    function _restart(PlainToken token_) private {
        deploy(token_);
        delete verifiers;
    }

    function _populate(PlainToken token_) private {
        token_.mint(address(this), 1e30);
        addVerifiers(8);
        stake(contributor, STAKE);
        fund(requester, 100_000e18);
        job = openJob(terms(), 10_000e18);
    }
}
