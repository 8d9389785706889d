// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {vm} from "../support/Vm.sol";
import {svm} from "./Svm.sol";
import {Words} from "./Words.sol";

/// @notice A subject can always withdraw, whatever is recorded.
contract Liveness is Words {
    /// @notice Revoking, revoking everything, suspending, closing and taking a delegate's rights away never fail for
    /// whom sends them, whatever the state, and have their effect.
    function check_withdrawingNeverFails(address subject, bytes32 grantHash, address delegate) public {
        _withdraw(subject, grantHash, delegate, 0);
    }

    /// @notice Neither does giving a delegate rights.
    function check_withdrawingNeverFails_twin(address subject, bytes32 grantHash, address delegate) public {
        _withdraw(subject, grantHash, delegate, uint8(svm.createUint(2, "rights")));
    }

    function _withdraw(address subject, bytes32 grantHash, address delegate, uint8 rights) private {
        vm.assume(sound(recorded(subject, grantHash, delegate, 0)));
        vm.assume(both(delegate != address(0), delegate != subject));
        uint256 which = svm.createUint(8, "entry point");
        uint64 instant = uint64(svm.createUint(64, "instant"));
        bytes memory data;
        if (which == 0) data = abi.encodeCall(registry.revoke, list(grantHash));
        else if (which == 1) data = abi.encodeCall(registry.revokeAll, (instant));
        else if (which == 2) data = abi.encodeCall(registry.suspend, (true));
        else if (which == 3) data = abi.encodeCall(registry.close, ());
        else data = abi.encodeCall(registry.delegate, (delegate, rights, instant));
        vm.prank(subject);
        (bool success, ) = address(registry).call(data);
        assert(success);
        Recorded memory now_ = recorded(subject, grantHash, delegate, 0);
        if (which == 0) assert(revokedAt(now_.entry) != 0);
        else if (which == 1) assert(revokedBefore(now_.subject) >= _earlier(instant));
        else if (which == 2) assert(isSuspended(now_.subject));
        else if (which == 3) assert(isClosed(now_.subject));
        else assert(rightsOf(now_.delegation) == rights);
    }

    /// @notice A withdrawal signed by the subject's own key, with code at her account or without, never fails, whoever
    /// sends it and whenever, and has its effect; a suspension, unless a later word is recorded.
    function check_signedWithdrawalsNeverFail(address subject, bytes32 grantHash) public {
        _signed(subject, grantHash, subject);
    }

    /// @notice Neither does one signed by anybody.
    function check_signedWithdrawalsNeverFail_twin(address subject, bytes32 grantHash, address signer) public {
        _signed(subject, grantHash, signer);
    }

    function _signed(address subject, bytes32 grantHash, address signer) private {
        Recorded memory before = recorded(subject, grantHash, address(0), 0);
        vm.assume(sound(before));
        uint256 which = svm.createUint(8, "entry point");
        uint64 instant = uint64(svm.createUint(64, "instant"));
        bytes memory signature = anySignature();
        bytes32 message;
        bytes memory data;
        if (which == 0) {
            message = revocation(subject, grantHash);
            data = abi.encodeCall(registry.revokeFor, (subject, list(grantHash), signer, signature));
        } else if (which == 1) {
            message = revokeAll(subject, instant);
            data = abi.encodeCall(registry.revokeAllFor, (subject, instant, signer, signature));
        } else if (which == 2) {
            vm.assume(both(instant >= suspensionAt(before.subject), instant <= block.timestamp + DRIFT));
            message = suspension(subject, true, instant);
            data = abi.encodeCall(registry.suspendFor, (subject, true, instant, signer, signature));
        } else {
            message = closure(subject);
            data = abi.encodeCall(registry.closeFor, (subject, signer, signature));
        }
        vm.assume(isSignedBy(signer, digest(message), signature));
        vm.prank(svm.createAddress("relayer"));
        (bool success, ) = address(registry).call(data);
        assert(success);
        Recorded memory now_ = recorded(subject, grantHash, address(0), 0);
        if (which == 0) assert(revokedAt(now_.entry) != 0);
        else if (which == 1) assert(revokedBefore(now_.subject) >= _earlier(instant));
        else if (which == 2) assert(isSuspended(now_.subject));
        else assert(isClosed(now_.subject));
    }

    function _earlier(uint64 instant) private view returns (uint64) {
        return instant < block.timestamp ? instant : uint64(block.timestamp);
    }
}
