// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCourt} from "../interfaces/IAuditCourt.sol";

/// @title An audit and its slot
/// @dev Does what an assignment would, for less gas: the compiler writes a slot member by member, on top of what it reads,
/// and clears memory for every function that returns a struct.
library AuditSlot {
    /// @dev `audit = stored`, in the memory that `audit` has.
    function load(IAuditCourt.Audit storage stored, IAuditCourt.Audit memory audit) internal view {
        (audit.phase, audit.outcome) = (stored.phase, stored.outcome);
        (audit.round, audit.redraws, audit.appeals) = (stored.round, stored.redraws, stored.appeals);
        audit.committeeSize = stored.committeeSize;
        (audit.committed, audit.revealed) = (stored.committed, stored.revealed);
        (audit.samples, audit.words) = (stored.samples, stored.words);
        (audit.shared, audit.disclosed) = (stored.shared, stored.disclosed);
        (audit.certain, audit.proven) = (stored.certain, stored.proven);
        (audit.recordedBlock, audit.seedBlock, audit.since) = (stored.recordedBlock, stored.seedBlock, stored.since);
    }

    /// @dev `stored = audit`. Members lie side by side in the slot, the first one lowest; in memory each has a word, whose
    /// upper bits the compiler keeps clear.
    function store(IAuditCourt.Audit storage stored, IAuditCourt.Audit memory audit) internal {
        assembly ("memory-safe") {
            let word := mload(add(audit, 0x200)) // since
            word := or(shl(48, word), mload(add(audit, 0x1e0))) // seedBlock
            word := or(shl(48, word), mload(add(audit, 0x1c0))) // recordedBlock
            word := or(shl(8, word), mload(add(audit, 0x1a0))) // proven
            word := or(shl(8, word), mload(add(audit, 0x180))) // certain
            word := or(shl(8, word), mload(add(audit, 0x160))) // disclosed
            word := or(shl(8, word), mload(add(audit, 0x140))) // shared
            word := or(shl(8, word), mload(add(audit, 0x120))) // words
            word := or(shl(8, word), mload(add(audit, 0x100))) // samples
            word := or(shl(8, word), mload(add(audit, 0xe0))) // revealed
            word := or(shl(8, word), mload(add(audit, 0xc0))) // committed
            word := or(shl(8, word), mload(add(audit, 0xa0))) // committeeSize
            word := or(shl(8, word), mload(add(audit, 0x80))) // appeals
            word := or(shl(8, word), mload(add(audit, 0x60))) // redraws
            word := or(shl(8, word), mload(add(audit, 0x40))) // round
            word := or(shl(8, word), mload(add(audit, 0x20))) // outcome
            word := or(shl(8, word), mload(audit)) // phase
            sstore(stored.slot, word)
        }
    }
}
