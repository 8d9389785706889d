// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title By hand: what `grantFor` does, written for gas alone
/// @notice A measure, not a registry. It shows what remains when everything that can be left out is: there is one function
/// and no dispatcher, refusals say nothing, a delegate or a contract account is refused. What it still does is what the
/// rules demand of a patient's own consent: deadline, subject's state, EIP-712, no code at the signer, low s, granted
/// once, slot, running head, event.
contract ByHand {
    bytes32 private _head = keccak256("not zero");
    bytes32 private immutable _domainSeparator;

    event Granted(address indexed subject, bytes32 indexed grantHash, address signer);

    bytes32 private constant _EVENT = keccak256("Granted(address,bytes32,address)");
    bytes32 private constant _CONSENT_TYPEHASH =
        keccak256(
            "Consent(address subject,Grant[] grants,uint64 deadline)"
            "Grant(string summary,bytes32 record,address recipient,string[] items,string[] purposes,string[] channels,"
            "string onward,uint64 validFrom,uint64 validUntil,bytes32 form,bytes32 salt)"
        );

    constructor() {
        _domainSeparator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Volens"),
                keccak256("1"),
                block.chainid,
                address(this)
            )
        );
    }

    /// @dev The data of `grantFor(address,bytes32[],uint64,address,bytes)`.
    fallback() external {
        bytes32 separator = _domainSeparator;
        bytes32 typehash = _CONSENT_TYPEHASH;
        bytes32 topic = _EVENT;
        assembly {
            let subject := calldataload(0x04)
            let deadline := calldataload(0x44)
            let signer := calldataload(0x64)
            if or(shr(160, or(subject, signer)), shr(64, deadline)) { revert(0, 0) }
            let hashes := add(calldataload(0x24), 0x04)
            let signature := add(calldataload(0x84), 0x04)
            let count := calldataload(hashes)
            if or(or(shr(64, hashes), shr(64, signature)), or(shr(64, count), iszero(count))) { revert(0, 0) }
            hashes := add(hashes, 0x20)
            let size := shl(5, count)
            let end := add(hashes, size)
            if or(gt(end, calldatasize()), gt(timestamp(), deadline)) { revert(0, 0) }

            // the subject's state, and where its entries are
            mstore(0x00, subject)
            mstore(0x20, 1)
            let state := sload(keccak256(0x00, 0x40))
            if state {
                if or(shr(128, state), iszero(gt(timestamp(), and(state, 0xffffffffffffffff)))) { revert(0, 0) }
            }
            mstore(0x20, 0)
            let entries := keccak256(0x00, 0x40)

            // what was signed
            calldatacopy(0x80, hashes, size)
            mstore(0x80, keccak256(0x80, size))
            mstore(0x40, typehash)
            mstore(0x60, subject)
            mstore(0xa0, deadline)
            mstore(0x42, keccak256(0x40, 0x80))
            mstore(0x22, separator)
            mstore(0x02, 0x1901)
            mstore(0x00, keccak256(0x20, 0x42))

            // by whom
            if xor(signer, subject) { revert(0, 0) }
            if extcodesize(signer) { revert(0, 0) }
            if xor(calldataload(signature), 65) { revert(0, 0) }
            mstore(0x20, byte(0, calldataload(add(signature, 0x60))))
            calldatacopy(0x40, add(signature, 0x20), 0x40)
            if gt(mload(0x60), 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0) { revert(0, 0) }
            if iszero(staticcall(gas(), 1, 0x00, 0x80, 0x00, 0x20)) { revert(0, 0) }
            if or(xor(mload(0x00), signer), iszero(returndatasize())) { revert(0, 0) }

            // slot, head, event
            mstore(0x20, 1)
            mstore(0x40, subject)
            mstore(0x80, timestamp())
            let running := sload(_head.slot)
            for {} lt(hashes, end) { hashes := add(hashes, 0x20) } {
                let grantHash := calldataload(hashes)
                mstore(0xa0, grantHash)
                mstore(0xc0, entries)
                let slot := keccak256(0xa0, 0x40)
                if sload(slot) { revert(0, 0) }
                sstore(slot, timestamp())
                mstore(0x00, running)
                mstore(0x60, grantHash)
                running := keccak256(0x00, 0xa0)
                mstore(0xa0, signer)
                log3(0xa0, 0x20, topic, subject, grantHash)
            }
            sstore(_head.slot, running)
        }
    }
}
