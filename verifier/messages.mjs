// The EIP-712 types a bundle holds: read strictly, hashed, and their signatures checked.

import { createRequire } from "node:module";
import { ZERO_ADDRESS, address, check, code, hash, hex, integer, itemName, join, keccak, list, object, party, refuse, text, unhex, utf8 } from "./values.mjs";

const { secp256k1 } = createRequire(new URL("../wallet/web/package.json", import.meta.url))("@noble/curves/secp256k1.js");

const TYPES = {
  Item: "Item(string name,string mediaType,uint64 size,bytes32 sha256,bytes32 salt)",
  Record: "Record(address controller,address subject,address[] stewards,string title,bytes32[] items,uint64 createdAt,bytes32 salt)",
  Grant:
    "Grant(string summary,bytes32 record,address recipient,string[] items,string[] purposes,string[] channels," +
    "string onward,uint64 validFrom,uint64 validUntil,bytes32 form,bytes32 salt)",
  Approval: "Approval(bytes32 record,address recipient,string purpose,uint64 validUntil,bytes32 salt)",
};
const CONSENT = `Consent(address subject,Grant[] grants,uint64 deadline)${TYPES.Grant}`;
const DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

const word = (number) => unhex(`0x${BigInt(number).toString(16).padStart(64, "0")}`);
const addressWord = (value) => join(new Uint8Array(12), unhex(value));
const ENCODE = {
  string: (value) => keccak(utf8(value)),
  bytes32: (value) => unhex(value),
  address: addressWord,
  uint64: word,
};

function encode(kind, value) {
  if (!kind.endsWith("[]")) return ENCODE[kind](value);
  return keccak(join(...value.map((entry) => encode(kind.slice(0, -2), entry))));
}

/** EIP-712 hashStruct of an Item, Record, Grant or Approval, as hexadecimal text. */
export function structHash(name, message) {
  const members = TYPES[name].slice(name.length + 1, -1).split(",").map((member) => member.split(" "));
  return hex(keccak(join(keccak(utf8(TYPES[name])), ...members.map(([kind, member]) => encode(kind, message[member])))));
}

/** hashStruct of a Consent of which only the grants' hashes are known. */
export function consentHash(subject, grantHashes, deadline) {
  const parts = [keccak(utf8(CONSENT)), addressWord(subject), encode("bytes32[]", grantHashes), word(deadline)];
  return hex(keccak(join(...parts)));
}

/** Whether 65 bytes r ‖ s ‖ v, v 27 or 28 and s low, are a signer's signature of a hashStruct in a domain. */
export function isSignedBy(signer, structHash, signature, { chainId, registry }) {
  const domain = keccak(
    join(keccak(utf8(DOMAIN)), keccak(utf8("Volens")), keccak(utf8("1")), word(chainId), addressWord(registry)),
  );
  const digest = keccak(join(unhex("0x1901"), domain, unhex(structHash)));
  if (signature.length !== 65 || ![27, 28].includes(signature[64])) return false;
  try {
    const recovered = secp256k1.Signature.fromBytes(join(Uint8Array.of(signature[64] - 27), signature.slice(0, 64)), "recovered");
    if (recovered.hasHighS()) return false;
    const key = recovered.recoverPublicKey(digest).toBytes(false);
    return address(hex(keccak(key.slice(1)).slice(12)), "signer") === signer;
  } catch {
    return false;
  }
}

export function signature(value) {
  const bytes = unhex(value, "A signature");
  check(bytes.length >= 1 && bytes.length <= 4096, "A signature has a strange length.");
  return bytes;
}

export function item(value) {
  const found = object(value, ["name", "mediaType", "size", "sha256", "salt"], "An item");
  const token = "[a-z0-9][a-z0-9!#$&^_.+-]{0,126}";
  check(typeof found.mediaType === "string" && new RegExp(`^${token}/${token}$`).test(found.mediaType), "No media type.");
  return {
    name: itemName(found.name, "An item's name"),
    mediaType: found.mediaType,
    size: integer(found.size, "An item's size"),
    sha256: hash(found.sha256, "An item's digest"),
    salt: hash(found.salt, "A salt"),
  };
}

export function record(value) {
  const found = object(value, ["controller", "subject", "stewards", "title", "items", "createdAt", "salt"], "The record");
  const subject = party(found.subject, "The subject");
  const stewards = list(found.stewards, party, "The stewards", 0);
  check(!stewards.includes(subject), "The subject is named as a steward.");
  return {
    controller: party(found.controller, "The controller"),
    subject,
    stewards,
    title: text(found.title, "The title", 500),
    items: list(found.items, hash, "The record's items"),
    createdAt: integer(found.createdAt, "createdAt"),
    salt: hash(found.salt, "A salt"),
  };
}

const GRANT = ["summary", "record", "recipient", "items", "purposes", "channels", "onward", "validFrom", "validUntil", "form", "salt"];

export function grant(value) {
  const found = object(value, GRANT, "The grant");
  check(["none", "quote", "reshare"].includes(found.onward), "The grant's onward is unknown.");
  const everything = Array.isArray(found.items) && found.items.length === 1 && found.items[0] === "*";
  const read = {
    summary: text(found.summary, "The summary", 8000, { empty: true, isolates: true }),
    record: hash(found.record, "The grant's record"),
    recipient: address(found.recipient, "The recipient"),
    items: everything ? ["*"] : list(found.items, itemName, "The grant's items"),
    purposes: list(found.purposes, code, "The purposes"),
    channels: list(found.channels, code, "The channels", 0),
    onward: found.onward,
    validFrom: integer(found.validFrom, "validFrom"),
    validUntil: integer(found.validUntil, "validUntil"),
    form: hash(found.form, "The form"),
    salt: hash(found.salt, "A salt"),
  };
  return read.validFrom < read.validUntil ? read : refuse("The grant ends before it begins.");
}

export function approval(value) {
  const found = object(value, ["record", "recipient", "purpose", "validUntil", "salt"], "An approval");
  return {
    record: hash(found.record, "An approval's record"),
    recipient: party(found.recipient, "An approval's recipient"),
    purpose: code(found.purpose, "An approval's purpose"),
    validUntil: integer(found.validUntil, "validUntil"),
    salt: hash(found.salt, "A salt"),
  };
}

export { ZERO_ADDRESS };
