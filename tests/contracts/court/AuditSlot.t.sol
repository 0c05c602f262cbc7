// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAuditCourt} from "../../../contracts/interfaces/IAuditCourt.sol";
import {AuditSlot} from "../../../contracts/libraries/AuditSlot.sol";
import {Test} from "../Test.sol";

contract AuditSlotTest is Test {
    /// @dev Of the two enumerations (8 members each) and the four flags, only the lowest bits can be set.
    uint256 private constant VALID =
        type(uint256).max ^ 0xf8 ^ 0xf8 << 8 ^ 0xfe << 80 ^ 0xfe << 88 ^ 0xfe << 96 ^ 0xfe << 104;

    IAuditCourt.Audit private _given;
    IAuditCourt.Audit private _stored;

    /// @dev What the compiler takes apart, the library puts together again.
    function testFuzz_Store_WritesWhatTheCompilerReads(uint256 word, uint256 before) external {
        word &= VALID;
        assembly {
            sstore(_given.slot, word)
            sstore(_stored.slot, before)
        }
        IAuditCourt.Audit memory audit = _given;
        AuditSlot.store(_stored, audit);
        uint256 written;
        assembly {
            written := sload(_stored.slot)
        }
        vm.assertEq(written, word, "the slot");
    }

    function testFuzz_Load_ReadsWhatTheCompilerReads(uint256 word) external {
        word &= VALID;
        assembly {
            sstore(_given.slot, word)
        }
        IAuditCourt.Audit memory audit;
        AuditSlot.load(_given, audit);
        vm.assertEq(keccak256(abi.encode(audit)), keccak256(abi.encode(_given)), "the members");
    }
}
