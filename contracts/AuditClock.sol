// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {AuditSlot} from "./libraries/AuditSlot.sol";

/// @title The part of the court that knows in which phase an audit is, and until when
/// @dev Phases that end by time are not written: `auditOf` tells them from what is stored and the clock.
abstract contract AuditClock is IAuditCourt, EIP712 {
    bytes32 private constant BATCH_TYPEHASH = keccak256(
        "Batch(uint256 jobId,address contributor,uint64 first,uint32 count,uint64 units,bytes32 leavesRoot,bytes32 dataHash,uint48 deadline)"
    );

    uint32 internal immutable _seedDelay;
    uint32 internal immutable _commitWindow;
    uint32 private immutable _discloseWindow;
    uint32 private immutable _revealWindow;
    uint32 private immutable _appealWindow;
    uint32 internal immutable _unsampledDelay;

    mapping(bytes32 batchId => Audit) internal _audits;

    constructor(Windows memory windows_) EIP712("Merit", "1") {
        require(
            windows_.seedDelay != 0 && windows_.commit != 0 && windows_.disclose != 0 && windows_.reveal != 0
                && windows_.appeal != 0,
            AuditCourtInvalidWindows()
        );
        _seedDelay = windows_.seedDelay;
        _commitWindow = windows_.commit;
        _discloseWindow = windows_.disclose;
        _revealWindow = windows_.reveal;
        _appealWindow = windows_.appeal;
        _unsampledDelay = windows_.unsampled;
    }

    // ------------------------------------------------------------------------------------------ views

    function hashBatch(Batch calldata batch) public view returns (bytes32 batchId) {
        return _hashTypedDataV4(keccak256(abi.encode(BATCH_TYPEHASH, batch)));
    }

    function auditOf(bytes32 batchId) public view returns (Audit memory audit) {
        _read(batchId, audit);
    }

    function deadlineOf(bytes32 batchId) external view returns (uint256) {
        return _deadline(auditOf(batchId));
    }

    function windows() external view returns (Windows memory) {
        return Windows(_seedDelay, _commitWindow, _discloseWindow, _revealWindow, _appealWindow, _unsampledDelay);
    }

    // ------------------------------------------------------------------------------------------ internal

    function _load(Batch calldata batch, Phase needed) internal view returns (bytes32 batchId, Audit memory audit) {
        batchId = hashBatch(batch);
        _read(batchId, audit);
        _checkPhase(batchId, audit, needed);
    }

    function _load(bytes32 batchId, Phase needed) internal view returns (Audit memory audit) {
        _read(batchId, audit);
        _checkPhase(batchId, audit, needed);
    }

    /// @dev What `auditOf` returns, in the memory that `audit` has.
    function _read(bytes32 batchId, Audit memory audit) private view {
        AuditSlot.load(_audits[batchId], audit);
        if (audit.phase == Phase.COMMIT && block.timestamp >= _deadline(audit)) {
            audit.since += _commitWindow;
            audit.phase = audit.committed == 0 ? Phase.TALLY : audit.shared ? Phase.REVEAL : Phase.DISCLOSE;
        }
        if (audit.phase == Phase.DISCLOSE && block.timestamp >= _deadline(audit)) {
            audit.since += _discloseWindow;
            audit.phase = Phase.REVEAL;
        }
        if (audit.phase == Phase.REVEAL && block.timestamp >= _deadline(audit)) {
            audit.since += _revealWindow;
            audit.phase = Phase.TALLY;
        }
    }

    function _checkPhase(bytes32 batchId, Audit memory audit, Phase needed) private pure {
        require(audit.phase == needed, AuditCourtWrongPhase(batchId, audit.phase, needed));
    }

    /// @dev As `hashBatch`, of a batch that is already in memory.
    function _hashBatch(Batch memory batch) internal view returns (bytes32 batchId) {
        return _hashTypedDataV4(keccak256(abi.encode(BATCH_TYPEHASH, batch)));
    }

    function _save(bytes32 batchId, Audit memory audit) internal {
        AuditSlot.store(_audits[batchId], audit);
    }

    function _begin(bytes32 batchId, Audit memory audit, Phase phase) internal {
        audit.phase = phase;
        audit.since = uint48(block.timestamp);
        emit PhaseBegun(batchId, audit.round, phase, _deadline(audit));
    }

    function _nextRound(Audit memory audit) internal view {
        ++audit.round;
        (audit.committed, audit.revealed, audit.disclosed) = (0, 0, false);
        audit.phase = Phase.RECORDED;
        audit.seedBlock = uint48(block.number) + _seedDelay;
        audit.since = uint48(block.timestamp);
    }

    function _deadline(Audit memory audit) internal view returns (uint256) {
        if (audit.phase == Phase.COMMIT) return uint256(audit.since) + _commitWindow;
        if (audit.phase == Phase.DISCLOSE) return uint256(audit.since) + _discloseWindow;
        if (audit.phase == Phase.REVEAL) return uint256(audit.since) + _revealWindow;
        return 0;
    }

    /// @dev Only what can be appealed against has to wait.
    function _settleableAt(Audit memory audit) internal view returns (uint256) {
        if (audit.outcome == Outcome.UNSAMPLED) return uint256(audit.since) + _unsampledDelay;
        bool appealable = audit.outcome == Outcome.PASS || audit.outcome == Outcome.FRAUD;
        return uint256(audit.since) + (appealable ? _appealWindow : 0);
    }
}
