// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @notice Takes tokens in, exactly as many as are booked.
library TokenIntake {
    using SafeERC20 for IERC20;

    /// @dev The token takes a fee or rebases: `received` arrived of `amount`.
    error TokenIntakeUnsupportedToken(address token, uint256 amount, uint256 received);

    /// @notice Pulls `amount` from the caller. The calling function needs a reentrancy guard: what a token's hook brings
    /// in meanwhile would count as received.
    function pull(IERC20 token, uint256 amount) internal {
        pullFrom(token, msg.sender, amount);
    }

    /// @notice `pull` from an account that a trusted caller names.
    function pullFrom(IERC20 token, address from, uint256 amount) internal {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert TokenIntakeUnsupportedToken(address(token), amount, received);
    }

    /// @notice Sets the caller's allowance by its ERC-2612 permit.
    /// @dev Anyone who sees a permit can send it first. That leaves the allowance in place, so a permit that fails is
    /// ignored, and a missing allowance fails at the pull.
    function permit(IERC20 token, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) internal {
        try IERC20Permit(address(token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
    }
}
