// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CourtHandler} from "./CourtHandler.sol";

/// @notice What the runner calls, in random order. Advancing appears twice, so that a run goes through whole audits.
contract CourtActions {
    CourtHandler private immutable _handler;

    constructor(CourtHandler handler) {
        _handler = handler;
    }

    function record(uint256 which, uint256 units, uint256 count) external {
        _handler.record(which, units, count);
    }

    function advance(uint256 which, uint256 random) external {
        _handler.advance(which, random);
    }

    function advanceAnother(uint256 which, uint256 random) external {
        _handler.advance(which, random);
    }

    function topUp(uint256 which, uint256 amount) external {
        _handler.topUp(which, amount);
    }

    function close(uint256 which, uint256 random) external {
        _handler.close(which, random);
    }

    function withdraw(uint256 who) external {
        _handler.withdraw(who);
    }

    function moveStake(uint256 who, uint256 random) external {
        _handler.moveStake(who, random);
    }

    function finishEverything(uint256 random) external {
        _handler.finishEverything(random);
    }
}

/// What holds after any sequence of calls by a requester, a contributor, two dozen verifiers and passers-by
contract CourtInvariants is CourtHandler {
    function setUp() public override {
        super.setUp();
        targetContract(address(new CourtActions(this)));
    }

    function invariant_Threat07_TokensAreNeitherLostNorCreated() external view {
        checkConservation();
    }

    function invariant_Threat06_ReservationsAndLocksAreThoseOfTheOpenBatches() external view {
        checkReservations();
    }

    function invariant_Threat10_EachBatchSettlesOnce() external {
        checkFinality();
    }
}
