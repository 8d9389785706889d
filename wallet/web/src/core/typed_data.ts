/** EIP-712 hashing and signatures of the signed types: the twin of `ledger/typed_data.py`. */

import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";

import { InvalidMessage, TYPES, address, integer, read, type TypeName } from "./model.ts";

const NAME = "Volens";
const VERSION = "1";
const DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const DOMAIN_FIELDS = ["name", "version", "chainId", "verifyingContract"];

function keccakText(value: string): Uint8Array {
  return keccak_256(utf8ToBytes(value));
}

function number32(value: number): Uint8Array {
  return hexToBytes(value.toString(16).padStart(64, "0"));
}

/** The EIP-712 type string: the type, then Grant where the type refers to it. */
export function encodeType(type: TypeName): string {
  const one = (name: TypeName): string =>
    `${name}(${Object.entries(TYPES[name]).map(([member, [kind]]) => `${kind} ${member}`).join(",")})`;
  const refers = Object.values(TYPES[type]).some(([kind]) => kind === "Grant[]");
  return one(type) + (refers ? one("Grant") : "");
}

function encode(kind: string, value: unknown): Uint8Array {
  if (kind.endsWith("[]")) {
    const member = kind.slice(0, -2);
    return keccak_256(concatBytes(...(value as unknown[]).map((entry) => encode(member, entry))));
  }
  switch (kind) {
    case "string":
      return keccakText(value as string);
    case "bytes":
      return keccak_256(hexToBytes((value as string).slice(2)));
    case "bytes32":
      return hexToBytes((value as string).slice(2));
    case "address":
      return concatBytes(new Uint8Array(12), hexToBytes((value as string).slice(2)));
    case "bool":
    case "uint8":
    case "uint64":
      return number32(Number(value));
    case "Grant":
      return hashStruct("Grant", value);
    default:
      throw new Error(`No encoding is defined for ${kind}.`);
  }
}

/**
 * EIP-712 `hashStruct`: 32 bytes that name exactly this message, on every chain and in every language.
 *
 * @throws InvalidMessage the value is not a valid message of the type. It is checked here, whoever checked it before.
 */
export function hashStruct(type: TypeName, value: unknown): Uint8Array {
  const message = new Map<string, unknown>(Object.entries(read(type, value)));
  const encoded = Object.entries(TYPES[type]).map(([member, [kind]]) => encode(kind, message.get(member)));
  return keccak_256(concatBytes(keccakText(encodeType(type)), ...encoded));
}

/** The EIP-712 domain the page is pinned to: one chain and one ConsentRegistry. */
export class Domain {
  readonly chainId: number;
  readonly registry: string;
  readonly separator: Uint8Array;

  constructor(chainId: number, registry: string) {
    this.chainId = integer(chainId, "chainId");
    this.registry = address(registry, "verifyingContract");
    this.separator = keccak_256(
      concatBytes(
        keccakText(DOMAIN_TYPE),
        keccakText(NAME),
        keccakText(VERSION),
        number32(this.chainId),
        encode("address", this.registry),
      ),
    );
  }

  /**
   * Refuse a domain that a service names unless it is exactly this one; a signature in another is worth nothing here
   * and perhaps something elsewhere.
   *
   * @throws InvalidMessage naming the first field that differs, is missing or is unknown (such as EIP-712's `salt`).
   */
  check(value: unknown): void {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new InvalidMessage("domain", "must be an object");
    }
    const given = new Map<string, unknown>(Object.entries(value));
    for (const name of given.keys()) {
      if (!DOMAIN_FIELDS.includes(name)) throw new InvalidMessage(name.slice(0, 64), "is not a field of the domain");
    }
    const differs = (name: string) => new InvalidMessage(name, "is not that of the ledger this page belongs to");
    if (given.get("name") !== NAME) throw differs("name");
    if (given.get("version") !== VERSION) throw differs("version");
    if (given.get("chainId") !== this.chainId) throw differs("chainId");
    if (address(given.get("verifyingContract"), "verifyingContract") !== this.registry) {
      throw differs("verifyingContract");
    }
  }

  /** The 32 bytes that are signed for a message in this domain. Throws what `hashStruct` throws. */
  digest(type: TypeName, value: unknown): Uint8Array {
    return keccak_256(concatBytes(Uint8Array.of(0x19, 0x01), this.separator, hashStruct(type, value)));
  }
}

/**
 * The address that signed a digest of 32 bytes.
 *
 * @param signature 0x and 65 bytes r ‖ s ‖ v, with low s and v 27 or 28 (EIP-2).
 * @throws InvalidMessage any other signature, also the malleable twin of a good one.
 */
export function recover(digest: Uint8Array, signature: unknown): string {
  if (typeof signature !== "string" || !/^0x[0-9a-fA-F]{128}(?:1[bB]|1[cC])$/.test(signature)) {
    throw new InvalidMessage("signature", "must be 0x and 65 bytes in hexadecimal, the last of them 27 or 28");
  }
  const bytes = hexToBytes(signature.slice(2));
  let key: Uint8Array;
  try {
    const parsed = secp256k1.Signature.fromBytes(bytes.slice(0, 64)).addRecoveryBit((bytes[64] ?? 0) - 27);
    if (parsed.hasHighS()) throw new InvalidMessage("signature", "is the malleable twin of a valid one (high s)");
    key = parsed.recoverPublicKey(digest).toBytes(false);
  } catch (error) {
    if (error instanceof InvalidMessage) throw error;
    throw new InvalidMessage("signature", "does not belong to any key");
  }
  return address(`0x${bytesToHex(keccak_256(key.slice(1)).slice(12))}`, "signer");
}
