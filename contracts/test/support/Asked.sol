// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentCheck} from "../../interfaces/IConsentCheck.sol";

/// @notice What the consent check is asked in one call.
struct Asked {
    IConsentCheck.Question question;
    IConsentCheck.Evidence evidence;
}
